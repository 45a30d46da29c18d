"""The ledger in a folder of the project: a file for each run, with a line of JSON for everything that happens.

Lines are only ever added, each by one write, so whoever reads meanwhile finds whole ones; one that a full disk or a
crash has cut is passed over. Nobody but the user may read them. Whoever writes holds a lock on the file.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Error
from sqlmigrate.files import leads_out, may_be_tracked, open_file, why_not_trusted
from sqlmigrate.fleet.ledger.model import Entry, Head, RunRecord, busy, chosen, moment, newest_first, optional, word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_FOLDER, _FILE = 0o700, 0o600
_OPEN = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(slots=True)
class LocalWriter:
    """A file that a run is written to; `broken` says why it takes no more, which stops no run."""

    descriptor: int
    path: Path
    broken: str | None = None

    def add(self, entry: Entry) -> None:
        """Add where a target stands."""
        self.write(entry.as_json())

    def end(self, at: str, why: str | None) -> None:
        """Say that the run has ended, and bring all to the disk."""
        self.write({"kind": "end", "at": at, "why": why})
        with suppress(OSError):
            os.fsync(self.descriptor)

    def write(self, values: dict[str, Any]) -> None:
        """Add a line."""
        if self.broken is not None:
            return
        line = json.dumps(values, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
        try:
            if os.write(self.descriptor, line) < len(line):
                self.broken = "the disk is full"
        except OSError as error:
            self.broken = error.strerror or str(error)


@dataclass(frozen=True, slots=True)
class LocalLedger:
    """The folder of the runs of a project."""

    folder: Path

    @contextmanager
    def begun(self, head: Head) -> Iterator[LocalWriter]:
        """Make the file of a new run, and hold it; raises Error where it cannot be written."""
        with self._held(head.run_id) as writer:
            writer.write(head.as_json())
            if writer.broken:
                raise Error(f"{writer.path} cannot be written: {writer.broken}; nothing was done")
            yield writer

    @contextmanager
    def resumed(self, record: RunRecord, at: str) -> Iterator[LocalWriter]:
        """Hold the file of a run that goes on, which may have been begun elsewhere; raises Error where it is held."""
        with self._held(record.head.run_id) as writer:
            if not writer.path.stat().st_size:
                writer.write(record.head.as_json())
                for entry in record.entries.values():
                    writer.add(entry)
            writer.write({"kind": "resumed", "at": at, "files": record.head.wanted.files})
            yield writer

    def runs(self) -> list[RunRecord]:
        """Return all runs, the newest first."""
        found = [record for path in self._files() if (record := _read(path)) is not None]
        return newest_first(found)

    def find(self, name: str) -> RunRecord:
        """Return a run by its id, the beginning of it, or `last`; raises UsageError."""
        run_id = chosen([record.head.run_id for record in self.heads()], name)
        return self.one(run_id)[0]

    def heads(self) -> list[RunRecord]:
        """Return what all runs were begun with, the newest first; that is quick, however many targets they had."""
        found = [record for path in self._files() if (record := _read(path, lines=1)) is not None]
        return newest_first(found)

    def one(self, run_id: str) -> list[RunRecord]:
        """Return a run, if it is there."""
        self._require_ours()
        found = _read(self.folder / f"{run_id}.jsonl")
        return [found] if found is not None and found.head.run_id == run_id else []

    def _require_ours(self) -> None:
        """Refuse a folder that others may write to, or have written: what a run is to do next stands in its file."""
        self._require_inside()
        try:
            reason = why_not_trusted(self.folder)
            if reason is None and may_be_tracked(self.folder):
                reason = "it may hold files of the repository (git ls-files lists them)"
        except FileNotFoundError:
            return
        except OSError as error:
            raise Error(f"{self.folder} cannot be read: {error.strerror}") from None
        if reason is not None:
            hint = "choose a directory of your own with the setting state_dir"
            raise Error(f"{self.folder} is not read: {reason}", hint=hint)

    def _require_inside(self) -> None:
        if (target := leads_out(self.folder)) is not None:
            message = f"{self.folder} leads out of the repository by a symbolic link, to {target}; it is not followed"
            raise Error(message)

    def _files(self) -> list[Path]:
        self._require_ours()
        try:
            return [path for path in self.folder.iterdir() if path.suffix == ".jsonl"]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Error(f"{self.folder} cannot be read: {error.strerror}") from None

    @contextmanager
    def _held(self, run_id: str) -> Iterator[LocalWriter]:
        path = self.folder / f"{run_id}.jsonl"
        self._require_inside()
        try:
            self.folder.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
            self._require_ours()
            descriptor = os.open(path, _OPEN, _FILE)
        except OSError as error:
            raise Error(f"{path} cannot be written: {error.strerror}; nothing was done") from None
        try:
            _lock(descriptor, run_id)
            _end_line(descriptor)
            yield LocalWriter(descriptor, path)
        finally:
            os.close(descriptor)


def _lock(descriptor: int, run_id: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise busy(run_id) from None


def _end_line(descriptor: int) -> None:
    """End a line that was cut, so that the next one is whole."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")


def _read(path: Path, lines: int | None = None) -> RunRecord | None:
    """Read a run, or only so many lines of it; None where the file is none of one."""
    try:
        with open_file(path) as file:
            return _parsed(islice(file, lines))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Error(f"{path} cannot be read: {error.strerror or error}") from None


def _parsed(lines: Iterable[bytes]) -> RunRecord | None:
    record: RunRecord | None = None
    entries: dict[str, Entry] = {}
    for line in lines:
        with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            record = _with_line(record, entries, json.loads(line))
    return record


def _with_line(record: RunRecord | None, entries: dict[str, Entry], values: dict[str, Any]) -> RunRecord | None:
    if record is None:
        return RunRecord(Head.read(values), entries) if values["kind"] == "run" else None
    match values["kind"]:
        case "target":
            entry = Entry.read(values)
            entries[entry.target] = entry
        case "end":
            return replace(record, ended=moment(values["at"]), why=optional(values["why"]))
        case "resumed":
            wanted = replace(record.head.wanted, files=word(values["files"]))
            return replace(record, head=replace(record.head, wanted=wanted), ended=None, why=None)
    return record
