"""Write files of the user's choosing: whole or not at all, and never out of the repository by a link in it.

See `links` for those that are followed.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.errors import Error, Place
from sqlmigrate.files.links import followed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LAST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_STEP = _LAST | getattr(os, "O_PATH", 0)  # Linux: a folder above need not be readable
_MODE = 0o666  # less the umask
_PRIVATE = 0o600
_NAME_MAX = 255  # bytes
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8 in place of the one that is there, whose mode it keeps.

    It is written beside it, brought to the disk and then renamed: whoever reads it finds the old one or the new one. A
    device or a pipe, such as /dev/stdout, is written to as it is. Raises Error where it cannot be written.
    """
    with _told(path):
        place = followed(path)
        if place is None or _is_special(place):
            _write_through(path, text, special=place is not None)
        else:
            with _folder(place.parent) as folder:
                _replace(folder, place.name, text)


def opened_to_append(path: Path) -> int:
    """Open a file to write at its end, made with mode 0600 where there is none, and return its descriptor.

    A pipe or device must have a reader; it does not block, since a slow reader must hold up nobody. Raises Error as
    `write_text`.
    """
    with _told(path):
        place = followed(path)
        if place is None or _is_special(place):
            return _opened_through(path, special=place is not None)
        with _folder(place.parent) as folder:
            return os.open(place.name, _APPEND, _PRIVATE, dir_fd=folder)


def write_new(path: Path, text: str) -> None:
    """Write a file in UTF-8 that must not be there yet; raises FileExistsError where it is, Error as `write_text`."""
    with _told(path), _folder(followed(path.parent) or path.parent) as folder:
        _create(folder, path.name, [text], _MODE)
        os.fsync(folder)


def write_new_parts(path: Path, parts: Iterable[str]) -> None:
    """Write a file as `write_new` does, part by part: it is there once it is whole, and not before."""
    with _told(path), _folder(followed(path.parent) or path.parent) as folder:
        require_new(path)
        new = _beside(path.name)
        _create(folder, new, parts, _MODE)
        try:
            _publish(folder, new, path.name)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(new, dir_fd=folder)
        os.fsync(folder)


def require_new(path: Path) -> None:
    """Raise FileExistsError where there is something of this name, be it a link that leads nowhere."""
    if os.path.lexists(path):
        raise FileExistsError(path)


def move(path: Path, folder: Path) -> None:
    """Move a file into another folder, which is made; raises Error where there is one of its name, or as elsewhere."""
    make_folder(folder)
    with _told(path), _folder(followed(path.parent) or path.parent) as here:
        with _folder(followed(folder) or folder) as there:
            if _status(there, path.name) is not None:
                raise Error("cannot be moved: there is a file of its name", place=Place(folder / path.name))
            os.rename(path.name, path.name, src_dir_fd=here, dst_dir_fd=there)
            os.fsync(there)
        os.fsync(here)


def make_folder(path: Path) -> None:
    """Make a folder and what is missing above it; raises Error as `write_text`."""
    with _told(path):
        place = followed(path)
        if place is None:
            path.mkdir(exist_ok=True)  # something of the system's own
            return
        try:
            with _folder(place, make=True):
                pass
        except NotADirectoryError:
            raise Error("cannot be created: there is something else of this name", place=Place(path)) from None


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the system says into an error that names the file; FileExistsError is left to the caller."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise Error(f"cannot be written: {error.strerror or error}", place=Place(path)) from None


def _is_special(path: Path) -> bool:
    """Tell whether something other than a file is there: a device, a pipe, a socket (or a folder, which fails then)."""
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _write_through(path: Path, text: str, *, special: bool) -> None:
    """Write to a device or a pipe, which must have a reader: one that never comes would be waited for.

    Where it was `special`, raises Error for a file that has taken its place.
    """
    descriptor = _opened_through(path, special=special)
    os.set_blocking(descriptor, True)  # a reader may be slow
    with os.fdopen(descriptor, "wb") as file:
        file.write(_bytes(text))


def _opened_through(path: Path, *, special: bool) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if special and stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Error("cannot be written: it has just been replaced", place=Place(path))
    return descriptor


@contextmanager
def _folder(path: Path, *, make: bool = False) -> Iterator[int]:
    """Hold a folder open, so that what is written and what is renamed are in the same one.

    Its path has no link any more. It is gone step by step, since whoever owns a folder above may put one there. With
    `make` those that are missing are made on the way.
    """
    folder = os.open("/", _STEP)
    try:
        *above, last = Path(os.path.abspath(path)).parts  # noqa: PTH100  as below
        for name, flags in (*((name, _STEP) for name in above[1:]), (last, _LAST)):
            inner = _made(folder, name) if make else os.open(name, flags, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _made(folder: int, name: str) -> int:
    """Open a folder in another one, where it is made if there is none."""
    try:
        return os.open(name, _STEP, dir_fd=folder)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
        return os.open(name, _STEP, dir_fd=folder)


def _replace(folder: int, name: str, text: str) -> None:
    """Write a new file beside the one of a name, and put it in its place."""
    before = _status(folder, name)
    new = _beside(name)
    _create(folder, new, [text], _MODE, before)
    try:
        os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(new, dir_fd=folder)
        raise
    os.fsync(folder)


def _beside(name: str) -> str:
    """Return the name of a file that is to become the one of a name."""
    mark = f".{os.urandom(8).hex()}.tmp"
    start = os.fsencode(name)[: _NAME_MAX - len(mark) - 1].decode(errors="ignore")
    return f".{start}{mark}"


def _publish(folder: int, new: str, name: str) -> None:
    """Give a file its name, unless there is one of it; where there are no hard links, that is asked before."""
    try:
        os.link(new, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if _status(folder, name) is not None:
            raise FileExistsError(name) from None
        os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)


def _create(folder: int, name: str, parts: Iterable[str], mode: int, before: os.stat_result | None = None) -> None:
    """Write a new file to the disk, with owner and mode of the one before; nothing of it stays where that fails."""
    descriptor = os.open(name, _NEW, mode, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if before is not None:
                with suppress(OSError):  # who is not root may only keep it where it is his own
                    os.fchown(descriptor, before.st_uid, before.st_gid)
                os.fchmod(descriptor, before.st_mode & 0o777)
            for part in parts:
                file.write(_bytes(part))
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise


def _bytes(text: str) -> bytes:
    """Return a text in UTF-8, also where it holds the name of a file that is none."""
    return text.encode(errors="backslashreplace")


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
