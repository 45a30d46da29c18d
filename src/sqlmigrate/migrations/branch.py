"""What a branch does to the migrations that its base has: found by git alone, without a database.

What the base has may be applied somewhere, and there a change of it does nothing, or happens twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlmigrate.errors import Error, Place, Problem
from sqlmigrate.migrations.model import ROLLBACK
from sqlmigrate.migrations.numbering import doubled, taken
from sqlmigrate.migrations.order import needed
from sqlmigrate.sql.difference import same_statements, unified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.files import Since
    from sqlmigrate.migrations.model import Migration, Migrations

_EDITED = "restore the file as it was there, and make the change in a new migration"
_RENAMED = "give it its name back"


def state(base: Since, migration: Migration) -> Literal["held", "changed", "added"]:
    """Tell what the files of a migration are: changed where one of the two is another one, or is there no more."""
    undo = _undo(migration.script.path)
    paths = [script.path for script in (migration.script, migration.rollback) if script is not None]
    states = [_state(base, path) for path in paths]
    if states[0] == "added":
        return "added"
    lost = migration.rollback is None and undo in base.files
    return "changed" if lost or set(states) != {"held"} else "held"


def new(found: Migrations, base: Since) -> list[Migration]:
    """Return the migrations that a branch adds or changes, in their order."""
    return [item for item in found.ordered if state(base, item) != "held"]


def problems(found: Migrations, base: Since) -> Iterator[Problem]:
    """Yield what is wrong with a branch: edited, renamed and lost migrations of the base, and numbers that it has too.

    Raises GitError where git does not answer.
    """
    added = [item for item in found.ordered if state(base, item) == "added"]
    gone = [name for name in base.gone() if name.endswith(".sql")]
    renamed = {name: item for name in gone for item in added if base.is_same(item.script.path, name)}
    for item in found.ordered:
        if item not in added:
            yield from _edited(item, base)
    for name, item in renamed.items():
        if not name.endswith(ROLLBACK):
            message = f"{base.revision} has it as {name}: where that is applied, this runs again"
            yield Problem(message, Place(item.script.path), _RENAMED, rule="renamed-applied")
    for name in gone:
        if name not in renamed and not (name.endswith(ROLLBACK) and _script_of(name) in gone):
            message = f"{base.revision} has it, and it is no longer there"
            hint = "restore it, unless it is applied nowhere or another migration stands for it"
            yield Problem(message, Place(found.directory / name), hint, warning=True, rule="gone-applied")
    theirs = [Path(name) for name in base.theirs if name.endswith(".sql") and not name.endswith(ROLLBACK)]
    yield from taken([item.script.path for item in added], theirs, base.revision)


def numbers(found: Migrations, base: Since) -> Iterator[Problem]:
    """Yield the numbers that are there twice since the branch has added a migration."""
    added = {item.script.path for item in found.ordered if state(base, item) == "added"}
    paths = [item.script.path for item in found.ordered]
    return doubled(paths, added, lambda name: needed(found.by_id[name], found.by_id), found.order)


def _edited(migration: Migration, base: Since) -> Iterator[Problem]:
    script, rollback = migration.script, migration.rollback
    if _state(base, script.path) == "changed":
        before = base.text(script.path)
        known = before is not None and script.text is not None
        place = Place(script.path)
        detail = tuple(unified(before, script.text, script.path.name)) if known else ()  # type: ignore[arg-type]
        message = f"{base.revision} has it, and here it is edited"
        if known and same_statements(before, script.text):  # type: ignore[arg-type]
            message += ", in comments and white space only"
            yield Problem(message, place, detail=detail, warning=True, rule="edited-applied")
        else:
            message += ": where it is applied, it does not run again, and apply refuses the file"
            yield Problem(message, place, _EDITED, detail=detail, rule="edited-applied")
    if rollback is not None and _state(base, rollback.path) == "changed":
        message = f"{base.revision} has this rollback script, and here it is edited"
        hint = "where it is applied, rollback wants `sqlmigrate accept` first"
        yield Problem(message, Place(rollback.path), hint, warning=True, rule="edited-applied")


def _state(base: Since, path: Path) -> Literal["held", "changed", "added"]:
    try:
        return base.state(path)
    except OSError as error:
        raise Error(f"cannot be read: {error.strerror or error}", place=Place(path)) from None


def _undo(path: Path) -> str:
    return path.name.removesuffix(".sql") + ROLLBACK


def _script_of(name: str) -> str:
    return name.removesuffix(ROLLBACK) + ".sql"
