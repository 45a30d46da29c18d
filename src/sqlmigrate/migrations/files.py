"""Find migration files, pair them, and put them in order.

A migration is `ID.sql`; its undo is `ID.rollback.sql` beside it. The convention, the `-- depends:` graph and the order
are yoyo's (https://ollycope.com/software/yoyo/); yoyo itself is only asked to sort, and only where a file has
`-- depends:`. Everything of yoyo's that we do not carry out is refused by name instead of being passed over.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlmigrate.errors import MigrationsError, Place, Problem, ScriptError, UsageError
from sqlmigrate.migrations.foreign import foreign_name
from sqlmigrate.migrations.numbering import misnumbered
from sqlmigrate.sql.position import place_at
from sqlmigrate.sql.script import Script, read_script, refused_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

BOOTSTRAP, SAMPLES, PROOFS = "bootstrap", "samples", "proofs"
NO_ROLLBACK = "there is no rollback script beside it, so it cannot be rolled back"
_KNOWN_FOLDERS = frozenset({BOOTSTRAP, SAMPLES, PROOFS})
_ROLLBACK = ".rollback.sql"
_MAX_ID = 255  # yoyo's migration_id is VARCHAR(255)
_UNKNOWN_SHOWN = 20  # names of a script that are shown where they do not exist
_DEPENDS = re.compile(r"^[ \t]*--[ \t]*depends[ \t]*:(.*)$", re.MULTILINE)
_WORD = re.compile(r"\S+")
_TAIL = 1 << 16  # bytes
_UNDO_WORDS = (
    "down",
    "undo",
    "drop below",
)  # one of them stands in each of the following, which few files need to be compiled for
_FOREIGN_SECTIONS = (
    (r"(?i)^\s*--\s*migrate:down\b", "dbmate's `-- migrate:down`"),
    (r"(?i)^\s*--\s*\+goose\s+Down\b", "goose's `-- +goose Down`"),
    (r"(?i)^\s*--\s*\+migrate\s+Down\b", "sql-migrate's `-- +migrate Down`"),
    (r"(?i)^\s*--\s*\+micrate\s+Down\b", "micrate's `-- +micrate Down`"),
    (r"(?i)^\s*--\s*rambler\s+down\b", "rambler's `-- rambler down`"),
    (r"^[ \t]*--[ \t]*!Downs[ \t]*$", "Play's `-- !Downs`"),
    (r"^[ \t]*--[ \t]*={3,}[ \t]*DOWN[ \t]*={3,}", "shmig's `-- ==== DOWN ====`"),
    (r"^[ \t]*--\s*Down Migration\s*$", "node-pg-migrate's `-- Down Migration`"),
    (r"^\s*--\s*//\s*@UNDO\b", "MyBatis's `-- //@UNDO`"),
    (r"^---- create above / drop below ----", "tern's `---- create above / drop below ----`"),
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration: the script that applies it and, where there is one, the script that rolls it back."""

    migration_id: str
    script: Script
    rollback: Script | None = None

    @property
    def migration_hash(self) -> str:
        """SHA-256 of the id in hexadecimal: yoyo's key, which says nothing about the content."""
        return migration_hash(self.migration_id)

    @property
    def transactional(self) -> bool:
        """Whether the script runs in a transaction: unless `-- transactional: false` says otherwise."""
        return self.script.directives.transactional is not False

    @property
    def rollback_transactional(self) -> bool:
        """Whether the rollback runs in a transaction; where it says nothing, as the script does (yoyo's rule)."""
        own = self.rollback.directives.transactional if self.rollback else None
        return self.transactional if own is None else own

    def scripts(self) -> list[tuple[Script, bool]]:
        """Give both scripts, each with whether it runs in a transaction."""
        pair = [(self.script, self.transactional)]
        return [*pair, (self.rollback, self.rollback_transactional)] if self.rollback else pair

    @property
    def depends(self) -> tuple[str, ...]:
        """The ids that must be applied before this one, as its `-- depends:` names them."""
        return self.script.directives.depends


@dataclass(frozen=True, slots=True)
class Migrations:
    """All migrations of a directory in order, and the warnings that were found while reading them.

    `misnumbered` are those of the warnings that say that the order may not be the one that is meant.
    """

    directory: Path
    ordered: tuple[Migration, ...]
    warnings: tuple[Problem, ...] = ()
    by_id: Mapping[str, Migration] = field(default_factory=dict)
    misnumbered: tuple[Problem, ...] = ()

    def left_out(self) -> list[Problem]:
        """Give the warnings of what stands in the directory and takes no part."""
        return [item for item in self.warnings if item not in self.misnumbered and item.message != NO_ROLLBACK]

    def get(self, migration_id: str) -> Migration | None:
        """Give the migration of an id, or None."""
        return self.by_id.get(migration_id)

    def named(self, migration_id: str) -> Migration:
        """Give the migration of an id; raises UsageError that offers near ids where there is none.

        Only one is offered where the name of one of its files was given.
        """
        if found := self.by_id.get(migration_id):
            return found
        stem = migration_id.rpartition(os.sep)[2].removesuffix(_ROLLBACK).removesuffix(".sql")
        near = [stem] if stem in self.by_id else _near(migration_id, self.by_id, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else None
        raise UsageError(f"there is no migration {migration_id!r} in {self.directory}", hint=hint)


def migration_hash(migration_id: str) -> str:
    """Hash an id as yoyo does (`yoyo.migrations.get_migration_hash`)."""
    return hashlib.sha256(migration_id.encode()).hexdigest()


def load(directory: Path, *, one_by_one: bool = False) -> Migrations:
    """Read every migration of a directory; raises MigrationsError with everything that is wrong with them.

    With `one_by_one` what is wrong within one file, or with what it depends on, is kept with its script (`refused`),
    which then cannot run, and a rollback script of nothing is a warning: that is for commands that give each migration
    a verdict.
    """
    try:
        there = directory.is_dir()
    except OSError as error:  # a name that is too long, or a folder above into which we may not look
        raise MigrationsError(f"the migrations directory {directory} cannot be read: {error.strerror}") from None
    if not there:
        raise MigrationsError(
            f"the migrations directory {directory} does not exist",
            hint="make it with `sqlmigrate init`, or name another one with --migrations",
        )
    scripts, rollbacks, problems = _read_files(directory, one_by_one=one_by_one)
    refused = {problem.place.path.stem for problem in problems if problem.place and not problem.warning}
    for migration_id in sorted(rollbacks.keys() - scripts.keys() - refused):
        message = f"there is no {migration_id}.sql that this would roll back"
        problems.append(Problem(message, Place(rollbacks[migration_id].path), warning=one_by_one))
    found = {key: Migration(key, script, rollbacks.get(key)) for key, script in scripts.items()}
    if one_by_one:
        found = _without_wrong_dependencies(found, refused)
    else:
        problems += [problem for item in found.values() for problem in _dependency_problems(item, found, refused)]
    errors = [problem for problem in problems if not problem.warning]
    if not errors:
        try:
            ordered = tuple(in_order(found.values()))
        except MigrationsError as error:
            errors = list(error.problems)
    if errors:
        raise MigrationsError(f"the migrations in {directory} are refused", errors)
    numbers = misnumbered([item.script.path for item in ordered], lambda name: _needed(found[name], found))
    warnings = [*(problem for problem in problems if problem.warning), *numbers, *_missing_rollbacks(ordered)]
    return Migrations(directory, ordered, tuple(warnings), found, tuple(numbers))


def in_order(migrations: Iterable[Migration]) -> list[Migration]:
    """Put migrations in the order in which they run: by file name, except where `-- depends:` says otherwise.

    Only dependencies among the given ones count, as in yoyo, which sorts the pending ones alone; none of a script that
    is refused. Raises MigrationsError where they depend on each other in a circle.
    """
    # yoyo sorts paths, not ids: `1-a.sql` comes before `1.sql`
    by_name = sorted(migrations, key=lambda migration: migration.script.path.name)
    if not any(migration.depends for migration in by_name):
        return by_name
    from yoyo.topologicalsort import CycleError, topological_sort  # noqa: PLC0415  110 ms, only where it is needed

    known = {migration.migration_id: migration for migration in by_name}
    graph = {
        key: [name for name in migration.depends if name in known and migration.script.refused is None]
        for key, migration in known.items()
    }
    try:
        return [known[key] for key in topological_sort(known, graph)]
    except CycleError as error:
        circle = ", ".join(error.args[1])
        problem = Problem(
            f"these migrations depend on each other: {circle}", Place(known[error.args[1][0]].script.path)
        )
        raise MigrationsError("the migrations cannot be put in order", [problem]) from None


def _without_wrong_dependencies(found: Mapping[str, Migration], refused: set[str]) -> dict[str, Migration]:
    """Refuse each script that depends on what does not exist, or that stands in a circle, and no other one."""
    kept = dict(found)
    for item in found.values():
        if problem := next(iter(_dependency_problems(item, found, refused)), None):
            kept[item.migration_id] = _refused(item, problem)
        elif item.migration_id in _needed(item, found):
            place = _directive_place(item.script, item.depends[0])
            kept[item.migration_id] = _refused(item, Problem("depends on itself, in the end", place))
    return kept


def _refused(migration: Migration, problem: Problem) -> Migration:
    """Give a migration whose script cannot run; the first reason counts."""
    script = migration.script
    return migration if script.refused else replace(migration, script=replace(script, refused=problem))


def _near(name: str, known: Iterable[str], *, n: int = 1, cutoff: float = 0.6) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415  only for a mistake

    return get_close_matches(name, list(known), n=n, cutoff=cutoff)


def _read_files(directory: Path, *, one_by_one: bool) -> tuple[dict[str, Script], dict[str, Script], list[Problem]]:
    scripts: dict[str, Script] = {}
    rollbacks: dict[str, Script] = {}
    problems: list[Problem] = []
    with os.scandir(directory) as entries:
        by_name = {entry.name: entry for entry in entries}
    for name, entry in sorted(by_name.items()):
        path = directory / name
        refusal = _refuse_by_name(path, by_name)
        if refusal is not None:
            problems.append(refusal)
            continue
        if path.suffix != ".sql" or _is_folder(entry):
            continue
        script, found = _read(path)
        wrong = [problem for problem in found if not problem.warning]
        if one_by_one and wrong:
            script, found = replace(script, refused=wrong[0]), [problem for problem in found if problem.warning]
        problems += found
        if script.refused is not None and not one_by_one:
            continue
        is_rollback = name.endswith(_ROLLBACK)
        if name.startswith(".") and not is_rollback:  # yoyo runs it too
            message = "is a migration, although its name begins with a dot"
            problems.append(Problem(message, Place(path), warning=True))
        migration_id = name.removesuffix(_ROLLBACK) if is_rollback else path.stem
        (rollbacks if is_rollback else scripts)[migration_id] = script
    return scripts, rollbacks, problems


def _read(path: Path) -> tuple[Script, list[Problem]]:
    """Read a file, and everything that is wrong within it; one that is no text becomes a script that is refused."""
    try:
        script, found = read_script(path)
    except ScriptError as error:
        problem = Problem(error.message, error.place, error.hint)
        return refused_script(path, problem), [problem]
    return script, found + _foreign_sections(script)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a symbolic link that leads in a circle, or to where we may not look
        return False


def _refuse_by_name(path: Path, entries: Mapping[str, os.DirEntry[str]]) -> Problem | None:
    """Say why a file cannot be a migration of ours, from its name alone."""
    name, suffix = path.name, path.suffix
    if _is_folder(entries[name]):
        if name in _KNOWN_FOLDERS or name.startswith((".", "__")) or not any(path.glob("*.sql")):
            return None
        return Problem("scripts in a subfolder are not read; move them up or away", Place(path), warning=True)
    if suffix == ".py" and not name.startswith("__"):
        return Problem("Python migrations are not run; write it as plain SQL", Place(path))
    if suffix != ".sql":
        is_meant = suffix.lower() == ".sql" and name.isprintable()
        return Problem("is not read: the ending must be .sql", Place(path), warning=True) if is_meant else None
    if name.startswith("post-apply"):
        return Problem("yoyo runs post-apply scripts after every apply; sqlmigrate does not: rename it", Place(path))
    if not name.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        return Problem(f"the file name {name!r} holds what cannot be printed; rename it", Place(path.parent))
    if name == _ROLLBACK:
        return Problem("a file name without a stem gives no migration id", Place(path))
    if len(path.stem) > _MAX_ID:
        return Problem(f"the id is longer than {_MAX_ID} characters", Place(path))
    advice = foreign_name(name, entries)
    return Problem(advice, Place(path)) if advice else None


def _foreign_sections(script: Script) -> list[Problem]:
    """Refuse files of tools that keep both directions in one: all of it would run, the undo at once."""
    text = _tail(script) if script.text is None else script.text
    lowered = text.lower()
    if not any(word in lowered for word in _UNDO_WORDS):
        return []
    found = (
        (words, match) for pattern, words in _FOREIGN_SECTIONS if (match := re.search(pattern, text, re.MULTILINE))
    )
    return [
        Problem(
            f"{words} begins an undo section, which would run at once",
            Place(script.path)
            if script.text is None
            else place_at(script.path, text, match.start() + len(match[0]) - len(match[0].lstrip())),
            hint=f"move what follows it into {script.path.stem}{_ROLLBACK}",
        )
        for words, match in found
    ]


def _tail(script: Script) -> str:
    """Give the end of a large script, where an undo section would stand; it may begin within a line."""
    with script.path.open("rb") as file:
        file.seek(max(script.size - _TAIL, 0))
        return file.read(_TAIL).decode(errors="replace")


def _dependency_problems(migration: Migration, found: Mapping[str, Migration], refused: set[str]) -> list[Problem]:
    problems = []
    unknown = [name for name in dict.fromkeys(migration.depends) if name not in found and name not in refused]
    for name in unknown[:_UNKNOWN_SHOWN]:
        near = _near(name, found, n=1)
        hint = f"did you mean {near[0]}?" if near else None
        place = _directive_place(migration.script, name)
        problems.append(Problem(f"depends on {name}, which does not exist in this directory", place, hint))
    if (left := len(unknown) - _UNKNOWN_SHOWN) > 0:
        message = f"depends on {left} more that do not exist in this directory"
        problems.append(Problem(message, Place(migration.script.path)))
    return problems


def _directive_place(script: Script, name: str) -> Place:
    """Give the place of a name in a script's `-- depends:`."""
    for line in _DEPENDS.finditer(script.text or ""):
        for word in _WORD.finditer(line[0], line.start(1) - line.start()):
            if word[0] == name:
                return place_at(script.path, script.text or "", line.start() + word.start())
    return Place(script.path)


def _needed(migration: Migration, known: Mapping[str, Migration]) -> set[str]:
    """Give the ids that must be applied before a migration."""
    found: set[str] = set()
    waiting = [*migration.depends]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += known[name].depends if name in known else ()
    return found


def _missing_rollbacks(ordered: Iterable[Migration]) -> list[Problem]:
    return [
        Problem(NO_ROLLBACK, Place(migration.script.path), warning=True)
        for migration in ordered
        if migration.rollback is None
    ]
