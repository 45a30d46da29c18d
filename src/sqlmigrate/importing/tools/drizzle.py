"""Drizzle: the files that `meta/_journal.json` lists (github.com/drizzle-team/drizzle-orm, src/migrator.ts)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlmigrate.importing import rows
from sqlmigrate.importing.markers import lines
from sqlmigrate.importing.model import Layout, Part, Span, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool
from sqlmigrate.importing.wrapping import is_open

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from sqlmigrate.errors import Problem
    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.model import Source
    from sqlmigrate.importing.tool import Known

_TIMES = "its times are those at which the migrations were generated"
_BREAK = "--> statement-breakpoint"


def _read(folder: Folder) -> Layout:
    path = folder.path / "meta" / "_journal.json"
    if not path.exists() and any((inner / "migration.sql").is_file() for inner in folder.folders()):
        return _of_folders(folder)
    journal = folder.json(path, _wrong)
    entries = journal["entries"] if journal else []
    read = ((entry, folder.read(folder.path / f"{entry['tag']}.sql")) for entry in entries)
    found = [_one(source, str(entry["when"]), entry["tag"]) for entry, source in read if source]
    listed = {f"{entry['tag']}.sql" for entry in entries}
    problems = [_unlisted(source) for source in _others(folder, listed)] if journal else []
    return Layout(tuple(found), (*problems, *rows.same_version(found)))


def _wrong(journal: Any) -> str | None:
    """Say what is wrong with a journal: a name that leads out of its folder, too."""
    entries = journal.get("entries") if isinstance(journal, dict) else None
    if not isinstance(entries, list):
        return "has no list of entries"
    for entry in entries:
        tag, when = (entry.get("tag"), entry.get("when")) if isinstance(entry, dict) else (None, None)
        if not isinstance(tag, str) or not isinstance(when, int) or isinstance(when, bool):
            return "has an entry without tag and when"
        if not tag or "/" in tag or "\\" in tag or tag.startswith("."):
            return f"has an entry whose tag is no file name: {tag!r}"
    return None


def _others(folder: Folder, listed: set[str]) -> Iterator[Source]:
    for path in folder.files():
        if path.name not in listed and (source := folder.read(path)):
            yield source


def _unlisted(source: Source) -> Problem:
    return source.problem("the journal does not list it, so Drizzle never runs it", hint="it was left out")


def _of_folders(folder: Folder) -> Layout:
    """Read the layout of Drizzle 1.0: a folder for each migration, in the order of their names."""
    paths = [path for inner in folder.folders() if (path := inner / "migration.sql").is_file()]
    read = ((path.parent.name, folder.read(path)) for path in paths)
    return Layout(tuple(_one(source, name, name) for name, source in read if source))


def _one(source: Source, version: str, stem: str) -> Theirs:
    # newer versions take the text with the line ends of Unix
    texts = dict.fromkeys((source.whole, source.whole.replace("\r\n", "\n")))
    sums = tuple(hashlib.sha256(text.encode()).hexdigest() for text in texts)
    return Theirs(version, stem, source.path, Part(source, lines(_spans(source))), checksums=sums)


def _spans(source: Source) -> Iterator[Span]:
    """Yield the statements; what stood between them ended one, so a semicolon stands there where there is none."""
    at = 0
    while (end := source.text.find(_BREAK, at)) >= 0:
        yield Span(at, end, ";" if is_open(source.text[at:end]) else "")
        at = end + len(_BREAK)
    yield Span(at, len(source.text))


def _told(found: Sequence[tuple[Any, ...]], known: Known) -> Told:
    """Read rows of hash and time, the oldest first, against the files.

    Drizzle runs what is newer than the newest row, by the time in the journal: an entry that is older, and that no row
    has, was passed over in silence.
    """
    files = list((known.theirs or {}).values())
    by_hash = {digest: item for item in files for digest in item.checksums}
    by_time = {item.version: item for item in files}
    applied = []
    seen: set[str] = set()
    for digest, when, at in found:
        item = by_hash.get(digest) or by_time.get(str(when))
        version = item.version if item else str(when)
        seen.add(version)
        applied.append(rows.recorded(version, at, item.stem if item else f"{digest[:12]} of {when}", digest))
    newest = max((when for _, when, _ in found if when is not None), default=None)
    skipped = [
        item.version
        for item in files
        if newest is not None and item.version.isdigit() and int(item.version) <= newest and item.version not in seen
    ]
    return Told(tuple(applied), skipped=tuple(skipped), notes=(_TIMES,) if applied else ())


TOOL = Tool(
    "drizzle",
    "Drizzle",
    _read,
    TheirHistory("__drizzle_migrations", "drizzle", _told, "Drizzle", schema="drizzle"),
    lambda _id: None,
    folders=("drizzle", "src/db/migrations", "migrations"),
    by_files=True,
)
