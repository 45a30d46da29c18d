"""From another tool's files to ours: read, checked, named, compared and written; nothing of theirs is changed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem, UsageError
from sqlmigrate.files import leads_out, read_bytes
from sqlmigrate.importing import ids, wrapping, writing
from sqlmigrate.importing.folder import opened
from sqlmigrate.migrations.foreign import foreign_name
from sqlmigrate.sql.directives import read_directives

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlmigrate.config import Order
    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.model import Layout, Part, Theirs
    from sqlmigrate.importing.tool import Tool
    from sqlmigrate.importing.writing import Wanted

_LONGEST = 230  # bytes of an id: with .rollback.sql less than the 255 of a file system
_ADVICE = "change it there, and import it again"
_STRANGE = frozenset("/\\")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has written, or would write.

    `new` are ids of which something was written, `unchanged` those that were there already, `refused` those that could
    not be converted; `problems` say why, and what to do. `order` is the project's order that their order asks for.
    """

    tool: str
    source: Path
    into: Path
    new: tuple[str, ...]
    unchanged: tuple[str, ...]
    refused: tuple[str, ...]
    without_rollback: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    order: Order
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A migration of theirs under its id here: the files that it is to have, or none where it is not converted.

    It is `squashed` where a migration of ours has taken its place, and then has no files either.
    """

    migration_id: str
    item: Theirs
    files: tuple[Wanted, ...]
    problems: tuple[Problem, ...]
    squashed: bool = False


@dataclass(frozen=True, slots=True)
class Conversion:
    """What an import would do: `problems` are those of no one migration."""

    tool: Tool
    folder: Folder
    into: Path
    layout: Layout
    entries: tuple[Entry, ...]
    order: Order
    problems: tuple[Problem, ...]

    @property
    def source(self) -> Path:
        """What was read."""
        return self.folder.named[0] if self.folder.named else self.folder.path


def convert(tool: Tool, paths: Sequence[Path], into: Path, order: Order, *, write: bool = True) -> Imported:
    """Write our pairs of another tool's migrations into a folder; without `write` say what would be written.

    `order` is the one that the project has. What cannot be converted is left out and told. Raises UsageError where
    their files or our folder are not where they are said to be, and Error where a file cannot be written.
    """
    return carried_out(planned(tool, paths, into, order), write=write)


def planned(tool: Tool, paths: Sequence[Path], into: Path, order: Order) -> Conversion:
    """Read another tool's migrations, and say which files they become; raises UsageError as `convert` does."""
    folder = opened(paths, tool.folders, label=tool.label, streams=tool.streams)
    if not folder.named and into.exists() and into.resolve() == folder.path.resolve():
        raise UsageError(f"{into} is the folder of {tool.label}'s files; name another one with --into")
    if (target := leads_out(into)) is not None:
        raise UsageError(f"{into} leads out of the repository by a symbolic link, to {target}; it is not followed")
    layout = tool.read(folder)
    plan = Conversion(tool, folder, into, layout, (), order, (*folder.problems, *layout.problems))
    if not (layout.migrations or plan.problems):
        hint = "name the folder of its migrations, and the tool that they were written for"
        raise UsageError(f"{plan.source}: no migration of {tool.label} is here", hint=hint)
    squashed = _squashed(into)
    there = [*(path.stem for path in into.glob("*.sql")), *squashed] if into.is_dir() else []
    named = list(zip(ids.assigned(layout, there), _checked(layout), strict=True))
    suited = ids.order_of([name for name, _ in named], order) or order
    depends = _depends(layout, [name for name, _ in named], suited)
    entries = _needing(_entries(into, named, depends), depends, there)
    entries = (replace(one, files=(), squashed=True) if one.migration_id in squashed else one for one in entries)
    return replace(plan, entries=tuple(entries), order=suited)


def _squashed(into: Path) -> set[str]:
    """Return the ids whose place a migration in the folder has taken: their files are not to come back."""
    found: set[str] = set()
    for path in into.glob("*.sql") if into.is_dir() else ():
        with suppress(OSError, UnicodeDecodeError):
            raw = read_bytes(path)
            directives, _ = read_directives(path, raw.decode()) if b"replaces" in raw else (None, None)
            found.update(directives.replaces if directives else ())
    return found


def _entries(
    into: Path, named: Sequence[tuple[str, Theirs]], depends: Mapping[str, tuple[str, ...]]
) -> Iterator[Entry]:
    taken: set[str] = set()
    for name, item in named:
        wrong = _name_problems(name, item, taken)
        taken.add(f"{name}.sql")
        files = () if any(not problem.warning for problem in wrong) else writing.wanted(into, name, item, depends[name])
        yield Entry(name, item, tuple(files), (*item.problems, *wrong))


def _needing(
    entries: Iterable[Entry], depends: Mapping[str, tuple[str, ...]], there: Collection[str]
) -> Iterator[Entry]:
    """Leave out what depends on a migration that is not converted: without that one no file of it would load."""
    found = list(entries)
    lacking = {entry.migration_id for entry in found if not entry.files}.difference(there)
    before = -1
    while before < len(lacking):  # theirs may come in any order
        before = len(lacking)
        needing = (one.migration_id for one in found if not lacking.isdisjoint(depends[one.migration_id]))
        lacking.update(name for name in needing if name not in there)
    for entry in found:
        missing = next((name for name in depends[entry.migration_id] if name in lacking), None)
        if entry.files and missing is not None and entry.migration_id in lacking:
            hint = f"convert {missing} first, or write it yourself as {missing}.sql; then import again"
            wrong = Problem(f"it depends on {missing}, which is not converted", Place(entry.item.path), hint)
            yield replace(entry, files=(), problems=(*entry.problems, wrong))
        else:
            yield entry


def carried_out(plan: Conversion, *, write: bool = True) -> Imported:
    """Write the files of a conversion that are not there yet; without `write` say which these are."""
    problems = list(plan.problems)
    new: list[str] = []
    unchanged: list[str] = []
    refused: list[str] = []
    made: list[Path] = []
    for entry in plan.entries:
        problems += entry.problems
        if entry.squashed:
            unchanged.append(entry.migration_id)
            continue
        if not entry.files:
            refused.append(entry.migration_id)
            continue
        files, other = writing.compared(entry.files)
        if write and not other:
            other = writing.write(files)
        problems += other
        (refused if other else new if files else unchanged).append(entry.migration_id)
        made += [] if other else [file.path for file in files]
    lacking = (one for one in plan.entries if one.item.up is not None and one.item.down is None and not one.squashed)
    return Imported(
        plan.tool.label, plan.source, plan.into, tuple(new), tuple(unchanged), tuple(refused),
        tuple(entry.migration_id for entry in lacking), tuple(map(_advised, problems)), plan.layout.notes, plan.order,
        tuple(made),
    )  # fmt: skip


def _advised(problem: Problem) -> Problem:
    """Return a problem with what to do, for it is theirs to change."""
    return problem if problem.hint else replace(problem, hint=_ADVICE)


def _checked(layout: Layout) -> list[Theirs]:
    """Return the migrations without what no script may hold; each problem stands with its migration."""
    return [_one_checked(item) for item in layout.migrations]


def _one_checked(item: Theirs) -> Theirs:
    wrong: list[Problem] = []

    def good(part: Part | None, *, up: bool) -> Part | None:
        if part is None:
            return None
        if not up and wrapping.is_empty(part):
            return None
        found = wrapping.problems(part, "apply" if up else "rollback")
        wrong.extend(found)
        return None if found else part

    up, down = good(item.up, up=True), good(item.down, up=False)
    return replace(item, up=up, down=down, problems=(*item.problems, *wrong))


def _depends(layout: Layout, names: Sequence[str], order: Order) -> dict[str, tuple[str, ...]]:
    """Return on which ids each one depends: as theirs say, and where our order would be another one."""
    by_version = {item.version: name for item, name in zip(layout.migrations, names, strict=True)}
    depends = {
        name: tuple(by_version[version] for version in item.depends if version in by_version)
        for item, name in zip(layout.migrations, names, strict=True)
    }
    for name, before in ({} if layout.numbered else ids.followed(names, order)).items():
        if before not in depends[name]:
            depends[name] = (*depends[name], before)
    return depends


def _name_problems(name: str, item: Theirs, taken: set[str]) -> list[Problem]:
    place = Place(item.path)
    if f"{name}.sql" in taken:
        return [Problem(f"another migration has the same id, {name}", place, "give one of them another name")]
    if not name.isprintable() or not _STRANGE.isdisjoint(name) or name.startswith(".") or " " in name:
        return [Problem(f"{name!r} cannot be an id", place, "give it a name of letters, digits and underscores")]
    if len(name.encode()) > _LONGEST:
        return [Problem(f"its name has more than {_LONGEST} bytes", place, "give it a shorter name")]
    if name.startswith("post-apply") or name.endswith((".rollback", ".up", ".down")):
        return [Problem(f"{name} has a meaning of its own as the name of a script", place, "give it another name")]
    advice = foreign_name(f"{name}.sql", taken)
    return [Problem(advice, place)] if advice else []
