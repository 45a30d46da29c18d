"""What a branch does to the files of another tool that its base has: found by git alone, without a database."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from sqlmigrate.errors import Error, Place, Problem, UsageError
from sqlmigrate.files import since
from sqlmigrate.migrations.numbering import taken
from sqlmigrate.sql.difference import same_statements, unified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.files import Since
    from sqlmigrate.files.changed import State
    from sqlmigrate.importing.convert import Conversion
    from sqlmigrate.importing.model import Source, Theirs

_EDITED = "restore the file as it was there, and make the change in a new migration"
_GONE = "restore it, unless it is applied nowhere"
_NUMBER = "give it another one before the two meet"


def problems(plan: Conversion, revision: str) -> list[Problem]:
    """Find edited, renamed and lost files of the base, and versions that it has too.

    Raises UsageError for a tool whose migrations are no files, and what `since` raises.
    """
    if plan.tool.streams:
        raise UsageError(f"--since has no use for {plan.tool.label}: its migrations are read from what it prints")
    base = since(plan.folder.path, revision, deep=True)
    items = [entry.item for entry in plan.entries]
    added = [item for item in items if _state(base, item.path) == "added"]
    gone = [name for name in _of_tool(items, base, base.files) if not os.path.lexists(base.folder / name)]
    renamed = {name: item for name in gone for item in added if base.is_same(item.path, name)}
    return [
        *(problem for item in items for source in _sources(item) for problem in _edited(base, source, plan.tool.label)),
        *(_renamed(base, name, item, plan.tool.label) for name, item in renamed.items()),
        *(_gone(base, name) for name in gone if name not in renamed),
        *_taken(plan, base, items, added),
    ]


def _state(base: Since, path: Path) -> State:
    try:
        return base.state(path)
    except OSError as error:
        raise Error(f"cannot be read: {error.strerror or error}", place=Place(path)) from None


def _of_tool(items: Iterable[Theirs], base: Since, names: Iterable[str]) -> Iterator[str]:
    """Yield the names that lie where the tool's files do: beside them, or in folders beside theirs."""
    paths = [PurePath(os.path.relpath(source.path, base.folder)) for item in items for source in _sources(item)]
    beside = {path.parent for path in paths}
    nested = {(path.parent.parent, path.name) for path in paths if path.parent.name}
    for name in names:
        path = PurePath(name)
        if path.suffix == ".sql" and (path.parent in beside or (path.parent.parent, path.name) in nested):
            yield name


def _sources(item: Theirs) -> list[Source]:
    found = {part.source.path: part.source for part in (item.up, item.down) if part is not None}
    return list(found.values())


def _edited(base: Since, source: Source, tool: str) -> Iterator[Problem]:
    if _state(base, source.path) != "changed":
        return
    before, after = base.text(source.path), source.text.replace("\r\n", "\n")
    detail = () if before is None else tuple(unified(before, after, source.name))
    message, place = f"{base.revision} has it, and here it is edited", Place(source.path)
    if before is not None and same_statements(before, after):
        message += ", in comments and white space only"
        yield Problem(message, place, detail=detail, warning=True, rule="edited-applied")
    else:
        message += f": where {tool} has applied it, it does not run again"
        yield Problem(message, place, _EDITED, detail=detail, rule="edited-applied")


def _renamed(base: Since, name: str, item: Theirs, tool: str) -> Problem:
    message = f"{base.revision} has it as {name}: where that is applied, {tool} may run it again"
    return Problem(message, Place(item.path), "give it its name back", rule="renamed-applied")


def _gone(base: Since, name: str) -> Problem:
    message = f"{base.revision} has it, and it is no longer there"
    return Problem(message, Place(base.folder / name), _GONE, warning=True, rule="gone-applied")


def _taken(plan: Conversion, base: Since, items: list[Theirs], added: list[Theirs]) -> Iterator[Problem]:
    """Yield a problem for each version that both sides have added: the tool runs but one of them, or refuses both.

    Where the tool tells its migrations by whole names, two of one number are in no order that somebody has meant.
    """
    names = [_named(Path(name)) for name in _of_tool(items, base, base.theirs)]
    versions = {plan.tool.version_of(_stem(name)): name for name in names}
    left = []
    for item in added:
        other = versions.get(item.version)
        if other is None:
            left.append(_named(item.path))
            continue
        message = f"{base.revision} has a migration of the same version, {other.stem}"
        yield Problem(message, Place(item.path), _NUMBER, rule="number-taken")
    yield from taken(left, names, base.revision)


def _named(path: Path) -> Path:
    """Return the path that a migration has its name of: its folder where all files are called the same."""
    return path.parent if path.name in {"migration.sql", "up.sql", "down.sql"} else path


def _stem(path: Path) -> str:
    return path.name.removesuffix(".sql").removesuffix(".up").removesuffix(".down")
