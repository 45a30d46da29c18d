"""goose: one file with `-- +goose` annotations (github.com/pressly/goose, internal/sqlparser/parser.go)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.importing import rows
from sqlmigrate.importing.markers import lines, markers
from sqlmigrate.importing.model import Layout, Part, Span, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool
from sqlmigrate.importing.wrapping import is_open

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.markers import Marker
    from sqlmigrate.importing.model import Source
    from sqlmigrate.importing.tool import Known, Recorded

_FILE = re.compile(r"(\d+)_.*\.(sql|go)", re.DOTALL)
_KINDS = {
    kind: re.compile(rf"--\s*(\+goose {words})")
    for kind, words in {
        "up": "Up",
        "down": "Down",
        "begin": "StatementBegin",
        "end": "StatementEnd",
        "outside": "NO TRANSACTION",
        "on": "ENVSUB(?:ST)? ON",
        "off": "ENVSUB(?:ST)? OFF",
    }.items()
}
_VARIABLE = re.compile(r"\$(?:\{\w|[A-Za-z_])")
_GO = "a step in Go cannot be converted"
_GO_HINT = "write what it does as SQL, under this name: {name}.sql and {name}.rollback.sql"


def _read(folder: Folder) -> Layout:
    found: list[Theirs] = []
    problems: list[Problem] = []
    for path in folder.entries():
        if not (name := _FILE.fullmatch(path.name)) or path.name.endswith("_test.go"):
            continue
        version = str(int(name[1]))
        if name[2] == "go":
            problem = Problem(_GO, Place(path), _GO_HINT.format(name=path.stem))
            found.append(Theirs(version, path.stem, path, None, problems=(problem,)))
        elif source := folder.read(path):
            found.append(_one(source, version))
    found.sort(key=lambda item: (int(item.version), item.stem))
    return Layout(tuple(found), (*problems, *rows.same_version(found)))


def _one(source: Source, version: str) -> Theirs:
    marks = list(markers(source, _KINDS))
    item = Theirs(version, source.path.stem, source.path, None)
    up = next((mark for mark in marks if mark.kind == "up"), None)
    down = next((mark for mark in marks if mark.kind == "down"), None)
    if up is None:
        return replace(item, problems=(rows.no_marker(source, "-- +goose Up", "goose"),))
    if wrong := _wrong(source, marks):
        return replace(item, problems=(wrong,))
    transactional = not any(mark.kind == "outside" for mark in marks)
    end = len(source.text)
    parts = [
        Part(source, lines(_spans(source, marks, first.end, last)), transactional=transactional)
        for first, last in ((up, down.start if down else end), (down, end))
        if first
    ]
    return replace(item, up=parts[0], down=parts[1] if down else None)


def _wrong(source: Source, marks: Sequence[Marker]) -> Problem | None:
    """Find what goose refuses, and what it fills in from the environment."""
    for kind in ("up", "down"):
        if len(same := [mark for mark in marks if mark.kind == kind]) > 1:
            return source.problem(f"{same[1].said} is there twice, which goose refuses", same[1].start, "remove one")
    if marks[0].kind in {"down", "begin", "end"}:
        message = f"{marks[0].said} stands before +goose Up, which goose refuses"
        return source.problem(message, marks[0].start, "write the up first")
    on = [(mark.end, mark.kind) for mark in marks if mark.kind in {"on", "off"}]
    for start, kind in on:
        stop = next((at for at, _ in on if at > start), len(source.text))
        if kind == "on" and (variable := _VARIABLE.search(source.text, start, stop)):
            hint = "write its value, and import it again"
            return source.problem("goose fills in a variable of the environment here", variable.start(), hint)
    return None


def _spans(source: Source, marks: Sequence[Marker], start: int, end: int) -> Iterator[Span]:
    """Yield what lies between the annotations; a statement of a block has no need of a semicolon, so it gets one."""
    at = start
    for mark in marks:
        if start <= mark.start < end:
            text = source.text[at : mark.start]
            yield Span(at, mark.start, ";\n" if mark.kind == "end" and is_open(text) else "")
            at = mark.end
    yield Span(at, end)


def _told(found: Sequence[tuple[Any, ...]], _known: Known) -> Told:
    """Read rows of version, whether it is applied, and time, in the order of their numbers: the last one counts."""
    last: dict[str, Recorded] = {}
    for version, applied, at in found:
        key = str(version)
        last.pop(key, None)
        if applied and version:
            last[key] = rows.recorded(key, at)
    return Told(tuple(last.values()))


TOOL = Tool(
    "goose",
    "goose",
    _read,
    TheirHistory("goose_db_version", "goose", _told, "goose"),
    rows.leading_number,
    folders=("migrations", "db/migrations"),
)
