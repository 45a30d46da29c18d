"""A stopped data directory as one file: contents first, each once, then a manifest of sizes and digests, sealed.

Contents that follow each other share a digest, so that two threads check and write thousands of small files. The last
bytes are the manifest's length, its SHA-256 and a mark, so a file that was cut short is none. Whatever is
taken out has been compared with its digest before a server is started on it: PostgreSQL itself starts cleanly on a
truncated table, page checksums or not, and counts fewer rows.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import PurePosixPath
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

FORMAT = 2
MARK = b"sqlmigrate base\n"
_TAIL = 8 + 32 + len(MARK)
_MANIFEST_MAX = 64 << 20
_WHOLE = 32 << 20  # bytes up to which a file is read at once; a new WAL segment of 16 MB is mostly zeros
_CHUNK = 1 << 20
_SEGMENT = 1 << 20  # bytes behind which a digest ends
_ZEROS = bytes(8192)
_HELPERS = 1  # threads beside ours
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DEPTH = 20  # of folders, of which a server makes five; os.fwalk calls itself for each
_LEFT_OUT = frozenset({"postmaster.opts"})
_CONTROL = "global/pg_control"
_STATE = slice(16, 20)  # of pg_control: DBState, behind the system identifier and two version numbers
_SHUT_DOWN = 1  # DB_SHUTDOWNED


class NotKept(Exception):
    """A data directory cannot be kept, for the reason in the message; `foreign` says that others may have a hand in."""

    def __init__(self, message: str, *, foreign: bool = False) -> None:
        super().__init__(message)
        self.foreign = foreign


class Unusable(Exception):
    """A kept file is not what it has to be, for the reason in the message."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a kept file says of itself: its key, until when it counts, and what is to be known to use it.

    `day` is the only day on which it counts, as YYYY-MM-DD in UTC; None for every day. `record` is the keeper's own.
    Files have a path, a size and the number of their content; contents are the bytes stored of them, without zeros at
    the end; segments have a digest, and how many contents it is of.
    """

    key: str
    day: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    files: tuple[tuple[str, int, int], ...] = ()
    contents: tuple[int, ...] = ()
    segments: tuple[tuple[str, int], ...] = ()


def pack(directory: Path, manifest: Manifest, out: BinaryIO, *, owner: int, most: int) -> None:
    """Write the data directory of a server that was stopped cleanly; raises NotKept where it is anything else.

    Each file must be `owner`'s and lie nowhere else: as root we read what another account could have put there.
    `most` bytes are written, or NotKept is raised.
    """
    writer = _Writer(out, owner, most)
    writer.write(MARK)
    for base, folders, files, descriptor in os.fwalk(directory, follow_symlinks=False):
        where = PurePosixPath(os.path.relpath(base, directory))
        if len(where.parts) > _DEPTH:
            raise NotKept("its folders are nested more deeply than PostgreSQL's")
        for name in sorted(folders):
            writer.folder(str(where / name), os.stat(name, dir_fd=descriptor, follow_symlinks=False))
        for name in sorted(files):
            path = str(where / name)
            if path not in _LEFT_OUT:
                writer.file(path, name, descriptor)
    writer.finish(manifest)


def read_manifest(file: BinaryIO) -> Manifest:
    """Read what a kept file says of itself; raises Unusable where its seal does not hold."""
    size = file.seek(0, os.SEEK_END)
    if size < _TAIL + len(MARK):
        raise Unusable("it was cut short")
    file.seek(size - _TAIL)
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[:8], "big")
    if tail[40:] != MARK or not 0 < length <= min(_MANIFEST_MAX, size - _TAIL - len(MARK)):
        raise Unusable("its end is missing")
    file.seek(size - _TAIL - length)
    text = file.read(length)
    if hashlib.sha256(text).digest() != tail[8:40]:
        raise Unusable("its manifest does not match its digest")
    found = _manifest(text)
    if sum(found.contents) + len(MARK) + length + _TAIL != size:
        raise Unusable("it has another size than its manifest says")
    return found


def unpack(file: BinaryIO, manifest: Manifest, directory: Path, *, wanted: Manifest) -> None:
    """Write the files of a manifest, which must be the one that is wanted, into a new directory.

    Raises Unusable where a content is another one; then nothing in the directory is to be used.
    """
    if manifest != wanted:
        raise Unusable("it has just become another one")
    directory.mkdir(mode=0o700)
    top = os.fspath(directory)
    for name in manifest.folders:
        os.mkdir(_inside(top, name), 0o700)  # noqa: PTH102  as below
    places: list[list[tuple[str, int]]] = [[] for _ in manifest.contents]
    for name, size, number in manifest.files:
        places[number].append((_inside(top, name), size))
    _Unpacking(file.fileno(), _segments(manifest, places)).run()


class _Writer:
    """Writes contents once each, and remembers what lies where."""

    def __init__(self, out: BinaryIO, owner: int, most: int) -> None:
        self._out = out
        self._owner = owner
        self._left = most
        self._numbers: dict[tuple[str, int], int] = {}
        self._segments: list[tuple[str, int]] = []
        self._begin_segment()
        self._folders: list[str] = []
        self._files: list[tuple[str, int, int]] = []
        self._state = b""

    def write(self, data: bytes | memoryview) -> None:
        """Write bytes; raises NotKept if there are more than the cache may hold."""
        self._left -= len(data)
        if self._left < 0:
            raise NotKept("it is larger than the cache may become")
        self._out.write(data)

    def folder(self, path: str, found: os.stat_result) -> None:
        """Note a folder; raises NotKept if it is a link, or belongs to somebody else."""
        if not stat.S_ISDIR(found.st_mode):  # a tablespace that lies elsewhere
            raise NotKept(f"{path} is a link to another place")
        self._require_owner(path, found)
        self._folders.append(path)

    def file(self, path: str, name: str, folder: int) -> None:
        """Write a file of an open folder; raises NotKept if it is not a plain file of the server's own."""
        if path == "postmaster.pid":
            raise NotKept("its server has not been stopped")
        try:
            descriptor = os.open(name, _READ, dir_fd=folder)
        except OSError as error:
            raise NotKept(f"{path} cannot be read: {error.strerror}") from None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                raise NotKept(f"{path} is no file of its own")
            self._require_owner(path, found)
            self._content(path, file, found.st_size)

    def finish(self, manifest: Manifest) -> None:
        """Seal what was written with its manifest; raises NotKept if the server was not shut down cleanly."""
        if int.from_bytes(self._state, sys.byteorder) != _SHUT_DOWN:
            raise NotKept("its server was not shut down cleanly")
        self._end_segment()
        text = json.dumps(
            {
                "format": FORMAT,
                "key": manifest.key,
                "day": manifest.day,
                "record": manifest.record,
                "folders": self._folders,
                "files": self._files,
                "contents": [stored for _, stored in self._numbers],
                "segments": self._segments,
            },
            sort_keys=True,
        ).encode()
        self.write(text)
        self.write(len(text).to_bytes(8, "big") + hashlib.sha256(text).digest() + MARK)

    def _content(self, path: str, file: BinaryIO, size: int) -> None:
        if size <= _WHOLE:
            data = file.read(size + 1)
            size = len(data)
            if path == _CONTROL:
                self._state = data[_STATE]
            data = data.rstrip(b"\0")
            if self._is_new(path, size, hashlib.sha256(data).hexdigest(), len(data)):
                self._store([data])
            return
        digest = hashlib.sha256()
        for part in _parts(file, size):
            digest.update(part)
        if self._is_new(path, size, digest.hexdigest(), size):
            file.seek(0)
            self._end_segment()  # a large file has one of its own
            self._store(_parts(file, size))
            self._end_segment()

    def _store(self, parts: Iterable[bytes]) -> None:
        """Write a content that is new."""
        for part in parts:
            self._digest.update(part)
            self._stored += len(part)
            self.write(part)
        self._count += 1
        if self._stored >= _SEGMENT:
            self._end_segment()

    def _begin_segment(self) -> None:
        self._digest, self._count, self._stored = hashlib.sha256(), 0, 0

    def _end_segment(self) -> None:
        if self._count:
            self._segments.append((self._digest.hexdigest(), self._count))
        self._begin_segment()

    def _is_new(self, path: str, size: int, digest: str, stored: int) -> bool:
        content = (digest, stored)
        is_new = content not in self._numbers
        self._files.append((path, size, self._numbers.setdefault(content, len(self._numbers))))
        return is_new

    def _require_owner(self, path: str, found: os.stat_result) -> None:
        if found.st_uid != self._owner:
            raise NotKept(f"{path} belongs to somebody else")


@lru_cache(1)
def _manifest(text: bytes) -> Manifest:
    """Take a manifest apart: thousands of files, and it is read once to find it and once to use it."""
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise Unusable("another version of sqlmigrate has written it")
        files = tuple((str(path), int(size), int(number)) for path, size, number in data["files"])
        contents = tuple(int(stored) for stored in data["contents"])
        segments = tuple((str(digest), int(count)) for digest, count in data["segments"])
        is_whole = sum(count for _, count in segments) == len(contents) and all(count > 0 for _, count in segments)
        if not is_whole or {number for *_, number in files} != set(range(len(contents))):
            raise Unusable("its manifest and its contents do not go together")
        return Manifest(data["key"], data["day"], data["record"], tuple(data["folders"]), files, contents, segments)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Unusable("its manifest cannot be read") from None


def _inside(directory: str, name: str) -> str:
    """Return a path as text: there are thousands of them."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts or not parts:
        raise Unusable("its manifest names a file elsewhere")
    return "/".join((directory, *parts))


@dataclass(frozen=True, slots=True)
class _Segment:
    """Contents that follow each other from a place on, with their files: a path and a size for each."""

    start: int
    digest: str
    contents: Sequence[tuple[int, list[tuple[str, int]]]]

    @property
    def length(self) -> int:
        """How many bytes are stored of it."""
        return sum(stored for stored, _ in self.contents)


def _segments(manifest: Manifest, places: Sequence[list[tuple[str, int]]]) -> Iterator[_Segment]:
    start, contents = len(MARK), zip(manifest.contents, places, strict=True)
    for digest, count in manifest.segments:
        yield (found := _Segment(start, digest, list(islice(contents, count))))
        start += found.length


class _Unpacking:
    """Checks and writes segments in several threads; what one of them raises ends all."""

    def __init__(self, descriptor: int, segments: Iterator[_Segment]) -> None:
        self._descriptor = descriptor
        self._segments = segments
        self._lock = Lock()
        self._errors: list[BaseException] = []
        self._is_over = False

    def run(self) -> None:
        """Write all of them, and wait for all threads; raises what one of them has raised."""
        helpers = [Thread(target=self._help, daemon=True) for _ in range(_HELPERS)]
        for helper in helpers:
            helper.start()
        try:
            self._work()
        except BaseException:
            self._is_over = True
            raise
        finally:
            for helper in helpers:
                helper.join()
        if self._errors:
            raise self._errors[0]

    def _help(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  it is raised by `run`
            self._errors.append(error)
            self._is_over = True

    def _work(self) -> None:
        while not self._is_over:
            with self._lock:
                segment = next(self._segments, None)
            if segment is None:
                return
            is_large = len(segment.contents) == 1 and segment.length > _WHOLE
            (_unpack_large if is_large else _unpack_small)(self._descriptor, segment)


def _unpack_small(descriptor: int, segment: _Segment) -> None:
    """Read a segment at once, and write its files when it is known to be the right one."""
    data = memoryview(os.pread(descriptor, segment.length, segment.start))
    if hashlib.sha256(data).hexdigest() != segment.digest:
        raise Unusable("a file in it has changed")
    for stored, targets in segment.contents:
        content, data = data[:stored], data[stored:]
        for path, size in targets:
            new = os.open(path, _NEW, 0o600)
            try:
                _write(new, content, size)
            finally:
                os.close(new)


def _write(new: int, content: memoryview, size: int) -> None:
    """Write a new file: a content, then zeros up to its size, few of which cost less than a hole."""
    if not size:
        return
    zeros = _ZEROS[: size - len(content)] if size - len(content) <= len(_ZEROS) else b""
    written = os.writev(new, (content, zeros)) if zeros else os.write(new, content)
    if written != len(content) + len(zeros):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if written != size:
        os.ftruncate(new, size)


def _unpack_large(descriptor: int, segment: _Segment) -> None:
    """Write the files of a segment that is one large content."""
    [(stored, targets)] = segment.contents
    found, at = hashlib.sha256(), segment.start
    with _new(targets[0][0]) as out:
        while part := os.pread(descriptor, min(_CHUNK, segment.start + stored - at), at):
            found.update(part)
            out.write(part)
            at += len(part)
    if found.hexdigest() != segment.digest:
        raise Unusable("a file in it has changed")
    for path, _ in targets[1:]:
        with _new(path) as out, open(targets[0][0], "rb") as first:  # noqa: PTH123  a path is text here
            shutil.copyfileobj(first, out, _CHUNK)


def _new(path: str) -> BinaryIO:
    return os.fdopen(os.open(path, _NEW, 0o600), "wb")


def _parts(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (part := file.read(min(_CHUNK, size))):
        size -= len(part)
        yield part


def discard(directory: Path) -> None:
    """Remove what `unpack` has written, where it did not come to its end."""
    with suppress(OSError):
        shutil.rmtree(directory)
