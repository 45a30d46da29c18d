"""Read files that somebody else may have written.

None makes us wait for ever, none fills the memory, and none is a link of a repository to a file outside of it, which
our messages would show to whoever sees the log.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Mapping
from contextlib import contextmanager
from errno import EFBIG, ELOOP
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, get_args, get_origin, get_type_hints

from sqlmigrate.files.links import leads_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T = TypeVar("T")
_BIGINT, _SHOWN = 2**63, 20
_ESCAPED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")  # NUL, or half of a pair
SMALL = 64 << 20
"""Bytes: far more than a configuration, a proof, figures or a seed file ever has."""


@contextmanager
def folder_of_files(path: Path) -> Iterator[int | None]:
    """Open a folder of which many files are to be read, for `open_file`; None where it has to find each by its path."""
    if os.open not in os.supports_dir_fd or leads_out(path) is not None:
        yield None
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(path: Path, *, pipe: bool = False, anywhere: bool = False, folder: int | None = None) -> BinaryIO:
    """Open a file to read its bytes, in a folder that is open already where one is given.

    Raises OSError where it is none: a folder, a device, a socket or, unless `pipe` allows it for a path that the user
    has typed, a pipe, at which we would wait for whoever writes; and, unless `anywhere`, where a symbolic link of a
    repository leads out of it.
    """
    return os.fdopen(_opened(path, pipe=pipe, anywhere=anywhere, folder=folder)[0], "rb")


def read_whole(path: Path, most: int, *, folder: int | None = None) -> tuple[bytes | None, int]:
    """Read a whole file at once, and give its size; None where that is more than `most` bytes.

    One that grows meanwhile has a byte more than its size. Raises OSError as `open_file` does.
    """
    descriptor, size = _opened(path, folder=folder)
    try:
        if size > most:
            return None, size
        found = os.read(descriptor, size + 1)
        if len(found) != size:  # it has changed, or comes in parts, as over a network
            while len(found) <= size and (more := os.read(descriptor, size + 1 - len(found))):
                found += more
    finally:
        os.close(descriptor)
    return found, size


def _opened(path: Path, *, pipe: bool = False, anywhere: bool = False, folder: int | None = None) -> tuple[int, int]:
    """Open a file as `open_file` does; gives its descriptor and its size."""
    # What is looked at is what is opened: a pipe that has just taken a file's place does not hold us up.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | (0 if pipe else os.O_NONBLOCK)
    descriptor = None if folder is None else _in_folder(folder, path.name, flags)
    if descriptor is None:
        if not anywhere and (target := leads_out(path)) is not None:
            raise OSError(ELOOP, f"a symbolic link leads out of the repository, to {target}; it is not followed")
        descriptor = os.open(path, flags)
    try:
        found = os.fstat(descriptor)
        _require_file(found.st_mode, pipe=pipe)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, found.st_size


def _in_folder(folder: int, name: str, flags: int) -> int | None:
    """Open a file of a folder unless it is a symbolic link, and without a look at each part of its path."""
    try:
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno == ELOOP:
            return None
        raise


def read_bytes(path: Path, *, most: int = SMALL, pipe: bool = False, anywhere: bool = False) -> bytes:
    """Read a whole file of at most `most` bytes; raises OSError where it holds more, and as `open_file` does."""
    with open_file(path, pipe=pipe, anywhere=anywhere) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise OSError(EFBIG, f"it has more than {most >> 20} MB")
    return found


def read_json(path: Path, *, pipe: bool = False, anywhere: bool = False) -> Any:
    """Read a JSON document; raises OSError as `read_bytes` does, and ValueError where it is none."""
    return json_of(read_bytes(path, pipe=pipe, anywhere=anywhere))


def json_of(text: bytes) -> Any:
    """Return what a JSON document holds that somebody else may have written; raises ValueError where it is none."""
    try:
        found = json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_limited)
        strange = _ESCAPED.search(text) and not all(map(_is_sendable, _texts(found)))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if strange:
        raise ValueError("it has a character that no text of PostgreSQL's can have")
    return found


def _texts(found: Any) -> Iterator[str]:
    """Yield all texts of a JSON document."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        yield from found
        yield from (text for value in found.values() for text in _texts(value))
    elif isinstance(found, list):
        yield from (text for value in found for text in _texts(value))


def _is_sendable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _finite(text: str) -> float:
    """Take a number that a double can hold: whoever prints the others writes no JSON."""
    if math.isinf(number := float(text)):
        raise ValueError(f"the number {text[:_SHOWN]} is too large")
    return number


def _limited(text: str) -> int:
    """Take a number that PostgreSQL's bigint can hold; to print a larger one as a double may fail."""
    # Python reads no more than 4,300 digits, and says so in words for programmers
    if len(text) > len(str(-_BIGINT)) or abs(number := int(text)) > _BIGINT:
        raise ValueError(f"the number {text[:_SHOWN]} is too large")
    return number


def record(kind: type[T], values: Mapping[str, Any]) -> T:
    """Make a dataclass of what a file holds; raises TypeError where fields are not those, or of another type."""
    hints = _hints(kind)  # type: ignore[arg-type]  # every class is hashable
    for name, value in values.items():
        if name in hints and not _fits(value, hints[name]):
            raise TypeError(f"{name} has a value of another type")
    return kind(**values)


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a value of JSON has a type: a union, a mapping of texts, or a class."""
    if isinstance(hint, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if get_origin(hint) is Mapping:
        return isinstance(value, dict) and all(_fits(part, get_args(hint)[1]) for part in value.values())
    if (generic := get_origin(hint)) is not None:  # what is in it the caller has made
        return isinstance(value, generic)
    if hint in (int, float):
        return isinstance(value, (int, float) if hint is float else int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _require_file(mode: int, *, pipe: bool) -> None:
    if stat.S_ISREG(mode) or (pipe and stat.S_ISFIFO(mode)):
        return
    kinds = ((stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"))
    kind = next((name for is_one, name in kinds if is_one(mode)), "device")
    raise OSError(0, f"it is a {kind}, not a file")
