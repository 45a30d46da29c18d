"""Find migration files, and pair them.

A migration is `ID.sql`; its undo is `ID.rollback.sql` beside it: yoyo's convention
(https://ollycope.com/software/yoyo/). Everything of yoyo's that we do not carry out is refused by name instead of being
passed over.
"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmigrate.errors import MigrationsError, Place, Problem, ScriptError
from sqlmigrate.files import folder_of_files
from sqlmigrate.migrations.foreign import foreign_name, foreign_sections
from sqlmigrate.migrations.model import NO_ROLLBACK, ROLLBACK, Migration, Migrations
from sqlmigrate.migrations.numbering import misnumbered
from sqlmigrate.migrations.order import (
    dependency_problems,
    in_order,
    needed,
    without_replaced,
    without_wrong_dependencies,
)
from sqlmigrate.sql.script import read_script, refused_script

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from sqlmigrate.config import Config, Order
    from sqlmigrate.sql.script import Script

BOOTSTRAP, SAMPLES, PROOFS, SQUASHED = "bootstrap", "samples", "proofs", "squashed"
_KNOWN_FOLDERS = frozenset({BOOTSTRAP, SAMPLES, PROOFS, SQUASHED})
_MAX_ID = 255  # yoyo's migration_id is VARCHAR(255)
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})  # https://trojansource.codes


def of_project(config: Config, *, one_by_one: bool = False) -> Migrations:
    """Read the migrations that the settings name, in the order that they name; see `load`."""
    return load(config.migrations, one_by_one=one_by_one, order=config.order)


def load(directory: Path, *, one_by_one: bool = False, order: Order = "name") -> Migrations:
    """Read every migration of a directory; raises MigrationsError with everything that is wrong with them.

    With `one_by_one` what is wrong within one file, or with what it depends on, is kept with its script (`refused`),
    which then cannot run, and a rollback script of nothing is a warning: that is for commands that give each migration
    a verdict.
    """
    try:
        is_there = directory.is_dir()
    except OSError as error:  # a name that is too long, or a folder above into which we may not look
        raise MigrationsError(f"the migrations directory {directory} cannot be read: {error.strerror}") from None
    if not is_there:
        raise MigrationsError(
            f"the migrations directory {directory} does not exist",
            hint="create it with `sqlmigrate init`, or name another one with --migrations",
        )
    scripts, rollbacks, problems = _read_files(directory, one_by_one=one_by_one)
    refused = {problem.place.path.stem for problem in problems if problem.place and not problem.warning}
    for migration_id in sorted(rollbacks.keys() - scripts.keys() - refused):
        message = f"there is no {migration_id}.sql that this would roll back"
        problems.append(Problem(message, Place(rollbacks[migration_id].path), warning=one_by_one))
    found, replaced = without_replaced(
        {key: Migration(key, script, rollbacks.get(key)) for key, script in scripts.items()}
    )
    if one_by_one:
        found = without_wrong_dependencies(found, refused)
    else:
        problems += [problem for item in found.values() for problem in dependency_problems(item, found, refused)]
    errors = [problem for problem in problems if not problem.warning]
    if not errors:
        try:
            ordered = tuple(in_order(found.values(), order))
        except MigrationsError as error:
            errors = list(error.problems)
    if errors:
        raise MigrationsError(f"the migrations in {directory} are refused", errors)
    paths = [item.script.path for item in ordered]
    numbers = misnumbered(paths, lambda name: needed(found[name], found), order)
    warnings = [*(problem for problem in problems if problem.warning), *numbers, *_missing_rollbacks(ordered)]
    return Migrations(directory, ordered, tuple(warnings), found, tuple(numbers), order, replaced)


def _read_files(directory: Path, *, one_by_one: bool) -> tuple[dict[str, Script], dict[str, Script], list[Problem]]:
    scripts: dict[str, Script] = {}
    rollbacks: dict[str, Script] = {}
    problems: list[Problem] = []
    for name, script, found in _scripts(directory, one_by_one=one_by_one):
        problems += found
        if script is None or (script.refused is not None and not one_by_one):
            continue
        is_rollback = name.endswith(ROLLBACK)
        if name.startswith(".") and not is_rollback:  # yoyo runs it too
            message = "is a migration, although its name begins with a dot"
            problems.append(Problem(message, Place(script.path), warning=True))
        migration_id = name.removesuffix(ROLLBACK if is_rollback else ".sql")
        (rollbacks if is_rollback else scripts)[migration_id] = script
    return scripts, rollbacks, problems


def _scripts(directory: Path, *, one_by_one: bool) -> Iterator[tuple[str, Script | None, list[Problem]]]:
    """Yield each script of a directory by its name, with what is wrong in it; None for what is refused by its name."""
    with os.scandir(directory) as entries:
        folders = {entry.name for entry in entries if _is_folder(entry)}
    paths = {path.name: path for path in directory.iterdir()}  # to join each one takes three times as long
    with folder_of_files(directory) as folder:
        for name in sorted(paths):
            path, is_folder = paths[name], name in folders
            is_script = not is_folder and _ends_with(name, ".sql")
            refusal = _refuse_script(path, name, paths) if is_script else _refuse_other(path, name, is_folder=is_folder)
            if refusal is not None:
                yield name, None, [refusal]
            elif is_script:
                script, found = _read(path, folder)
                wrong = next((problem for problem in found if not problem.warning), None) if found else None
                if one_by_one and wrong is not None:
                    script, found = replace(script, refused=wrong), [problem for problem in found if problem.warning]
                yield name, script, found


def _read(path: Path, folder: int | None) -> tuple[Script, list[Problem]]:
    """Read a file, and everything that is wrong within it; one that is no text becomes a script that is refused."""
    try:
        script, found = read_script(path, folder)
    except ScriptError as error:
        problem = Problem(error.message, error.place, error.hint)
        return refused_script(path, problem), [problem]
    return script, found + foreign_sections(script)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a symbolic link that leads in a circle, or to where we may not look
        return False


def _ends_with(name: str, ending: str) -> bool:
    """Tell whether the name of a file has such an ending, and something before it."""
    return name.endswith(ending) and len(name) > len(ending)


def _refuse_other(path: Path, name: str, *, is_folder: bool) -> Problem | None:
    """Say what is wrong with something that is no file of SQL; nothing, as a rule."""
    if is_folder:
        if name in _KNOWN_FOLDERS or name.startswith((".", "__")) or not any(path.glob("*.sql")):
            return None
        return Problem("scripts in a subfolder are not read; move them up or away", Place(path), warning=True)
    if _ends_with(name, ".py") and not name.startswith("__"):
        return Problem("Python migrations are not run; write it as plain SQL", Place(path))
    is_meant = _ends_with(name.lower(), ".sql") and name.isprintable()
    return Problem("is not read: the ending must be .sql", Place(path), warning=True) if is_meant else None


def _refuse_script(path: Path, name: str, names: Collection[str]) -> Problem | None:
    """Say why a file of SQL cannot be a migration of ours, from its name alone."""
    if name.startswith("post-apply"):
        return Problem("yoyo runs post-apply scripts after every apply; sqlmigrate does not: rename it", Place(path))
    if not name.isprintable() and any(map(_misleads, name)):
        return Problem(f"the file name {name!r} has characters that cannot be printed; rename it", Place(path.parent))
    if name.startswith("-"):
        return Problem("a command would take an id that begins with a hyphen for an option; rename it", Place(path))
    if name == ROLLBACK:
        return Problem("a file name without a stem gives no migration id", Place(path))
    if len(name) - len(".sql") > _MAX_ID:
        return Problem(f"the id is longer than {_MAX_ID} characters", Place(path))
    advice = foreign_name(name, names)
    return Problem(advice, Place(path)) if advice else None


def _misleads(character: str) -> bool:
    """Tell whether a character is none that is seen: it moves the cursor, ends a line, or turns what follows around."""
    return unicodedata.category(character) in _UNSEEN or unicodedata.bidirectional(character) in _TURNING


def _missing_rollbacks(ordered: Iterable[Migration]) -> list[Problem]:
    return [
        Problem(NO_ROLLBACK, Place(migration.script.path), warning=True, rule="no-rollback")
        for migration in ordered
        if migration.rollback is None
    ]
