"""Sqitch: `sqitch.plan` with deploy, revert and verify scripts for psql (sqitch.org/docs/manual/sqitchchanges)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.importing import ids, rows
from sqlmigrate.importing.model import Layout, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool
from sqlmigrate.importing.wrapping import outside_where_needed, pieces, unwrapped
from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.statement.effect import Kind, classify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.model import Part, Source
    from sqlmigrate.importing.tool import Known

_CHANGE = re.compile(r"(?P<name>[^\s@#%\[\]:\\/][^\s@#\[\]:\\/]*)(?:\s+\[(?P<needs>[^\]]*)\])?\s+\S.*")
_TAG = re.compile(r"@(\S+).*")
_QUERIES = (["select"], ["with"], ["values"], ["table"])
_VERIFIED = "SELECT count(verified) >= 0 FROM (\n{}\n) AS verified;\n"
_CONFLICT = "it conflicts with another change, which cannot be said here"


@dataclass(slots=True)
class _Change:
    """A line of the plan; `rework` is the tag at which an older version of the same change was left."""

    name: str
    needs: tuple[str, ...]
    offset: int
    rework: str | None = None

    @property
    def stem(self) -> str:
        """What its scripts are called."""
        return f"{self.name}@{self.rework}" if self.rework else self.name


def _read(folder: Folder) -> Layout:
    plan = folder.path / "sqitch.plan"
    source = folder.read(plan)
    if source is None:
        return Layout()
    problems: list[Problem] = []
    before: dict[str, list[_Change]] = {}
    last = None
    found = []
    for change in list(_changes(source, problems)):
        found.append(_one(folder, source, change, last, before))
        before.setdefault(change.name, []).append(change)
        last = change
    return Layout(tuple(found), tuple(problems), numbered=True)


def _changes(source: Source, problems: list[Problem]) -> Iterator[_Change]:
    """Yield the changes of a plan; one that comes again after a tag is a rework, and the older one is named by it."""
    found: dict[str, tuple[int, _Change]] = {}  # how many tags stood before it
    tags: list[str] = []
    offset = 0
    for line in source.text.split("\n"):
        said = line.partition("#")[0].strip()
        if said and not said.startswith("%"):
            if tag := _TAG.fullmatch(said):
                tags.append(tag[1])
            elif change := _CHANGE.fullmatch(said):
                item = _Change(change["name"], tuple((change["needs"] or "").split()), offset)
                at, older = found.get(item.name, (0, None))
                if older is not None:
                    older.rework = tags[at] if at < len(tags) else None
                found[item.name] = len(tags), item
                yield item
            else:
                problems.append(source.problem("this line of the plan is not understood; it was left out", offset))
        offset += len(line) + 1


def _one(
    folder: Folder, plan: Source, change: _Change, last: _Change | None, before: Mapping[str, list[_Change]]
) -> Theirs:
    problems = [
        plan.problem(_CONFLICT, change.offset, "the conflict was left out", warning=True)
        for need in change.needs
        if need.startswith("!")
    ]

    def part(kind: str) -> Part | None:
        path = folder.path / kind / f"{change.stem}.sql"
        source = folder.read(path) if folder.has(path) else None
        return outside_where_needed(unwrapped(source.part())) if source else None

    up = part("deploy")
    path = folder.path / "deploy" / f"{change.stem}.sql"
    if not folder.has(path):
        problems.append(Problem("the plan names this script, but it is not there", Place(path)))
    expect = _expectation(folder, last, problems) if last else None
    depends = _needed(change, last, before, plan, problems)
    return Theirs(change.stem, change.stem, path, up, part("revert"), depends, expect=expect, problems=tuple(problems))


def _needed(
    change: _Change, last: _Change | None, before: Mapping[str, list[_Change]], plan: Source, problems: list[Problem]
) -> tuple[str, ...]:
    """Return what a change requires; without that it depends on the one before, since a plan is an order."""
    found = [last.stem] if last else []
    for need in (need for need in change.needs if not need.startswith("!")):
        name, _, tag = need.partition("@")
        same = [item for item in before.get(name, ()) if not tag or item.rework in {None, tag}]
        if same:
            found.append(same[-1].stem)
        else:
            message = f"it requires {need}, which is no change of this plan"
            problems.append(plan.problem(message, change.offset, "it was left out"))
    return tuple(dict.fromkeys(found))


def _expectation(folder: Folder, change: _Change, problems: list[Problem]) -> str | None:
    """Make the verify script of a change an expectation of the next one: once that is undone, it must hold again.

    It holds where no query of it fails, so each becomes a query that is true unless it does.
    """
    path = folder.path / "verify" / f"{change.stem}.sql"
    source = folder.read(path) if folder.has(path) else None
    if source is None:
        return None
    found = [piece for piece in pieces(source.part()) if classify(piece.text) is not Kind.TRANSACTION_CONTROL]
    for piece in found:
        if piece.problem or leading_words(piece.text, 1) not in _QUERIES:
            hint = "write queries that give true into samples/ID.expect.sql: see docs/proven-rollbacks.md"
            message = "a verify script with this cannot become an expectation"
            problems.append(source.problem(message, piece.problem_offset or piece.offset, hint, warning=True))
            return None
    return "".join(_VERIFIED.format(piece.text) for piece in found) or None


def _told(found: Sequence[tuple[Any, ...]], known: Known) -> Told:
    """Read rows of project, change and time, in the order of deployment; a rework is a row of the same name."""
    projects = sorted({project for project, *_ in found})
    forms = _forms(known.versions)
    applied = []
    for _, change, at in found:
        left = forms.get(change, [])
        version = left.pop(0) if left else change
        applied.append(rows.recorded(version, at, change))
    notes = (f"it has several projects, {', '.join(projects)}: all of their changes are read",) if projects[1:] else ()
    return Told(tuple(applied), notes=notes)


def _forms(versions: Iterable[str]) -> dict[str, list[str]]:
    """Return the forms of each change in their order: more than one where it was reworked."""
    found: dict[str, list[str]] = {}
    for version in versions:
        found.setdefault(version.partition("@")[0], []).append(version)
    return found


TOOL = Tool(
    "sqitch",
    "Sqitch",
    _read,
    TheirHistory("changes", "sqitch", _told, "Sqitch", schema="sqitch"),
    ids.without_number,
    folders=(".",),
)
