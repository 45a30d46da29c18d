"""graphile-migrate: `committed/NNNNNN-name.sql` with a header, forward only (its src/migration.ts)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.importing import rows
from sqlmigrate.importing.folder import Folder
from sqlmigrate.importing.model import Layout, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlmigrate.importing.model import Source
    from sqlmigrate.importing.tool import Known

_FILE = re.compile(r"[0-9]{6,}(?:-.*)?\.sql", re.DOTALL)
_HEADER = re.compile(r"(?:--! [A-Z][a-zA-Z0-9_]*: ?[^\n]*\n)+\n?")
_HASH = re.compile(r"(?m)^--! Hash: *(\S+)")
_OUTSIDE = re.compile(r"--!\s*no-transaction\b")
_PLACEHOLDER = re.compile(r"(?<![:\w]):[A-Z][A-Z0-9_]*\b")


def _read(folder: Folder) -> Layout:
    committed = folder.path / "committed"
    inner = Folder(committed) if committed.is_dir() else folder
    found = [_one(source) for path in inner.files() if _FILE.fullmatch(path.name) and (source := folder.read(path))]
    problems = [*(inner.problems if inner is not folder else []), *rows.same_version(found), *_current(folder)]
    return Layout(tuple(found), tuple(problems))


def _one(source: Source) -> Theirs:
    header = _HEADER.match(source.text)
    start = header.end() if header else 0
    digest = _HASH.search(source.text, 0, start)
    item = Theirs(
        rows.leading_digits(source.name) or "",
        source.path.stem,
        source.path,
        None,
        checksums=(digest[1],) if digest else (),
    )
    if header is None:
        return replace(item, problems=(source.problem("it has no header `--! Hash:`, so nobody has committed it"),))
    if hit := _PLACEHOLDER.search(source.text, start):
        hint = "write its value in a copy of the folder, and import that"
        said = source.problem(f"the placeholder {hit[0]} is filled in here", hit.start(), hint)
        return replace(item, problems=(said,))
    return replace(item, up=source.part(start, transactional=not _OUTSIDE.match(source.text, start)))


def _current(folder: Folder) -> list[Problem]:
    """Say what is not committed: current.sql runs again and again."""
    for name in ("current.sql", "current"):
        path = folder.path / name
        source = folder.read(path) if path.is_file() else None
        if path.is_dir() or (source and re.sub(r"--[^\n]*", "", source.text).strip()):
            return [Problem("it is not committed", Place(path), "graphile-migrate commit, and import it then")]
    return []


def _told(found: Sequence[tuple[Any, ...]], _known: Known) -> Told:
    """Read rows of file name, hash and time, in the order of the names, which are without the message."""
    return Told(tuple(rows.recorded(rows.leading_digits(name) or name, at, name, digest) for name, digest, at in found))


TOOL = Tool(
    "graphile-migrate",
    "graphile-migrate",
    _read,
    TheirHistory("migrations", "graphile_migrate", _told, "graphile-migrate", schema="graphile_migrate"),
    rows.leading_digits,
)
