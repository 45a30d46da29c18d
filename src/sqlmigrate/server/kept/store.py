"""The folder of kept data directories: the user's own, one file each, the oldest thrown out.

A file is written beside its place under a lock, brought to the disk and renamed: whoever looks finds a whole one or
none. What a killed writer left has no lock any more, and goes with the next writer.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlmigrate.files import may_be_tracked
from sqlmigrate.server.kept import archive
from sqlmigrate.server.kept.archive import Manifest, NotKept, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME = "sqlmigrate"
SUFFIX = ".base"
_KEPT = re.compile(r"[0-9a-f]{64}\.base")
_PART = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{16}\.part")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WAIT_SECONDS, _LOOK_INTERVAL = 2.0, 0.01
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Entry:
    """One kept file: its size in bytes, when it was last used in seconds since 1970, and what it says of itself.

    `manifest` is None where it cannot be used, for the reason in `problem`.
    """

    key: str
    size: int
    used: float
    manifest: Manifest | None = None
    problem: str = ""


def folder() -> Path | None:
    """Return the folder for what is kept, `$XDG_CACHE_HOME/sqlmigrate`; None where there is no home."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification tells programs to ignore a relative path.
    if named.startswith("/"):
        return Path(named) / NAME
    with suppress(RuntimeError):
        if (home := Path("~").expanduser()).is_absolute():
            return home / ".cache" / NAME
    return None


def key_of(*parts: Any) -> str:
    """Return the key of what decides a kept directory: plain data, as a digest that fits no other."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def opened(limit: int, place: Path | None = None) -> Store:
    """Make the folder where it is missing, and give the store in it, of at most `limit` bytes.

    Raises NotKept where there is none to be had, or where it is not the user's alone: what a repository tracks there,
    anybody may have made who commits to it.
    """
    place = place or folder()
    if place is None:
        raise NotKept("there is no home folder")
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            place.mkdir(mode=0o700)
    except OSError as error:
        raise NotKept(f"{place} cannot be made: {error.strerror}") from None
    if may_be_tracked(place):
        raise NotKept(f"{place} is in a repository that tracks files there, or that git cannot read", foreign=True)
    found = Store(place, limit)
    with found.held():
        return found


@dataclass(frozen=True, slots=True)
class Store:
    """Kept data directories in a folder of the user's own; together they take at most `limit` bytes.

    Whatever goes wrong with one raises NotKept or Unusable, and changes no other.
    """

    place: Path
    limit: int

    @contextmanager
    def held(self) -> Iterator[int]:
        """Hold the folder open; raises NotKept where it is somebody else's, a link, or open to others."""
        try:
            descriptor = os.open(self.place, _FOLDER)
        except OSError as error:
            raise NotKept(f"{self.place} is no folder of its own: {error.strerror}", foreign=True) from None
        try:
            found = os.fstat(descriptor)
            if found.st_uid != os.geteuid():
                raise NotKept(f"{self.place} belongs to somebody else", foreign=True)
            if found.st_mode & _OTHERS:
                raise NotKept(f"{self.place} is open to others (chmod 700 closes it)", foreign=True)
            yield descriptor
        finally:
            os.close(descriptor)

    def longest(self, keys: Sequence[str], day: str) -> Manifest | None:
        """Return the last of several keys that there is something for on this day; the key at 0 is the shortest.

        What is no good is thrown away on the way.
        """
        with self.held() as here:
            present = set(_names(here))
            for key in reversed(keys):
                if key + SUFFIX not in present:
                    continue
                try:
                    with _reading(here, key) as (file, manifest):
                        if manifest.day in {None, day}:
                            os.utime(file.fileno())
                            return manifest
                except (Unusable, OSError):
                    _forget(here, key + SUFFIX)
        return None

    def take(self, manifest: Manifest, directory: Path) -> None:
        """Copy a kept data directory to a new place; raises Unusable where it is not what its manifest says.

        Then the file is thrown away. Raises NotKept where the system stands in the way, by a full disk for example:
        that says nothing against the file. In both cases nothing is left in the new place.
        """
        with self.held() as here:
            try:
                with _reading(here, manifest.key) as (file, found):
                    archive.unpack(file, found, directory, wanted=manifest)
            except BaseException as error:
                archive.discard(directory)
                if isinstance(error, OSError):
                    raise NotKept(str(error.strerror or error)) from None
                if isinstance(error, Unusable):
                    _forget(here, manifest.key + SUFFIX)
                raise

    def keep(self, directory: Path, manifest: Manifest, *, owner: int) -> int:
        """Keep the data directory of a stopped server whose files are `owner`'s, and give its size in bytes.

        Raises NotKept where that cannot be done.
        """
        with self.held() as here:
            try:
                size = self._write(here, directory, manifest, owner)
                self._bound(here, besides=manifest.key + SUFFIX)
            except OSError as error:
                raise NotKept(str(error.strerror or error)) from None
        return size

    def entries(self) -> list[Entry]:
        """List what is kept, the one that was used last first."""
        with self.held() as here:
            found = [_entry(here, name) for name in _names(here) if _KEPT.fullmatch(name)]
        return sorted((entry for entry in found if entry), key=lambda entry: entry.used, reverse=True)

    def clear(self) -> int:
        """Throw away all that is kept, and give how many there were."""
        with self.held() as here:
            with _alone(here):
                _sweep(here)
            names = [name for name in _names(here) if _KEPT.fullmatch(name)]
            return sum(_forget(here, name) for name in names)

    def _write(self, here: int, directory: Path, manifest: Manifest, owner: int) -> int:
        name = f".{manifest.key}.{secrets.token_hex(8)}.part"
        with _alone(here):  # so that no other writer takes ours for one that a killed one has left
            _sweep(here)
            descriptor = os.open(name, _NEW, 0o600, dir_fd=here)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            with os.fdopen(descriptor, "wb") as out:
                archive.pack(directory, manifest, out, owner=owner, most=self.limit)
                out.flush()
                os.fsync(descriptor)
                size = os.fstat(descriptor).st_size
                os.rename(name, manifest.key + SUFFIX, src_dir_fd=here, dst_dir_fd=here)
        except BaseException:
            _forget(here, name)
            raise
        os.fsync(here)
        return size

    def _bound(self, here: int, besides: str) -> None:
        """Throw out the oldest until the rest is small enough."""
        found = []
        for name in _names(here):
            with suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=here, follow_symlinks=False)
                found.append((name == besides, status.st_mtime_ns, name, status.st_size))
        total = sum(size for *_, size in found)
        for _, _, name, size in sorted(found):
            if total <= self.limit:
                return
            if _KEPT.fullmatch(name) and _forget(here, name):
                total -= size


@contextmanager
def _reading(here: int, key: str) -> Iterator[tuple[BinaryIO, Manifest]]:
    """Open a kept file and check its seal; raises Unusable, or OSError where it cannot be opened."""
    descriptor = os.open(key + SUFFIX, _READ, dir_fd=here)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
            raise Unusable("it is no file of ours")
        manifest = archive.read_manifest(file)
        if manifest.key != key:
            raise Unusable("it is another one than its name says")
        yield file, manifest


def _names(here: int) -> list[str]:
    return os.listdir(here)


def _entry(here: int, name: str) -> Entry | None:
    key = name.removesuffix(SUFFIX)
    try:
        found = os.stat(name, dir_fd=here, follow_symlinks=False)
    except FileNotFoundError:
        return None
    try:
        with _reading(here, key) as (_, manifest):
            return Entry(key, found.st_size, found.st_mtime, manifest)
    except (Unusable, OSError) as error:
        return Entry(key, found.st_size, found.st_mtime, problem=str(error))


@contextmanager
def _alone(here: int) -> Iterator[None]:
    """Let one writer at a time make his file; whoever is killed holds no lock, but somebody may be stopped."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            fcntl.flock(here, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise NotKept("another process writes there, and does not go on") from None
            time.sleep(_LOOK_INTERVAL)
    try:
        yield
    finally:
        fcntl.flock(here, fcntl.LOCK_UN)


def _sweep(here: int) -> None:
    """Remove what killed writers have left: a living one holds a lock."""
    for name in _names(here):
        if not _PART.fullmatch(name):
            continue
        with suppress(OSError):
            descriptor = os.open(name, _READ, dir_fd=here)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(name, dir_fd=here)
            finally:
                os.close(descriptor)


def _forget(here: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=here)
    except OSError:
        return False
    return True
