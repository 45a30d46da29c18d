"""Read a script part by part: one that is large, so that its text is never held whole, and one that is no text."""

from __future__ import annotations

import codecs
import hashlib
import os
from collections import deque
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, ScriptError
from sqlmigrate.files import open_file
from sqlmigrate.sql.digests import BOM, Digests, Meter, changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_CHUNK = 1 << 18
_UNDER_WAY = 4  # parts that wait for their digest: one would have the reader wait for the GIL's next turn
_LINE_SHOWN = 1000  # bytes of a line that are shown behind a bad one


def head(path: Path, folder: int | None = None) -> tuple[str, int, tuple[bytes, ...]]:
    """Read the first part of a large script; gives its text, the size of the file, and its mark."""
    meter = Meter()
    with read_errors(path), open_file(path, folder=folder) as file:
        size = os.fstat(file.fileno()).st_size
        text = reader(path, size, file.read, meter.update)()
    return text, size, meter.digests().marks


@contextmanager
def opened(path: Path) -> Iterator[Callable[[int], bytes]]:
    """Yield a function that reads the next bytes of a file; it raises ScriptError where that cannot be done."""
    with ExitStack() as stack:
        with read_errors(path):
            file = stack.enter_context(open_file(path))

        def read(size: int) -> bytes:
            with read_errors(path):
                return file.read(size)

        yield read


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Raise ScriptError, with the file's path, where a file cannot be read in a block."""
    try:
        yield
    except OSError as error:
        raise ScriptError(f"cannot be read: {error.strerror}", place=Place(path)) from None


def compared(path: Path, read: Callable[[int], bytes], marks: Iterable[bytes]) -> Callable[[int], bytes]:
    """Read on only as long as a file is what it was when its marks were taken, in parts of the same size."""
    digest, left = hashlib.sha256(), iter(marks)

    def compared(size: int) -> bytes:
        raw = read(size)
        digest.update(raw)
        if next(left, None) != (digest.digest() if raw else None):
            raise changed(path)
        return raw

    return compared


@contextmanager
def metered(path: Path, size: int) -> Iterator[tuple[Callable[[], str], Callable[[], Digests]]]:
    """Read a large file part by part; a thread digests each part (without the GIL) while it is worked on.

    The second function gives the digests of what was read.
    """
    from concurrent.futures import Future, ThreadPoolExecutor  # noqa: PLC0415  only for large scripts

    meter = Meter()
    under_way: deque[Future[None]] = deque()

    def take(raw: bytes, first: bool) -> None:  # noqa: FBT001  as `Meter.update`
        under_way.append(pool.submit(meter.update, raw, first))
        if len(under_way) > _UNDER_WAY:
            under_way.popleft().result()

    def digests() -> Digests:
        for part in under_way:
            part.result()
        return meter.digests()

    with opened(path) as read, ThreadPoolExecutor(1) as pool:
        yield reader(path, size, read, take), digests


def reader(
    path: Path, size: int, read: Callable[[int], bytes], take: Callable[[bytes, bool], None]
) -> Callable[[], str]:
    """Return a function that reads the next part of a file as text; it raises ScriptError where that is none.

    `take` gets the bytes of each part, and whether it is the first. A file that turns out to have more than the `size`
    that it was said to have is refused: it might grow for ever.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0  # of the next byte in the file

    def part() -> str:
        nonlocal offset
        while raw := read(_CHUNK):
            first, begin = offset == 0, offset - len(decoder.getstate()[0])
            take(raw, first)
            offset += len(raw)
            if offset > size:
                raise changed(path)
            body = raw.removeprefix(BOM) if first else raw
            text = decode(path, decoder, body, begin + len(raw) - len(body))
            if text:
                return text
        decode(path, decoder, b"", offset - len(decoder.getstate()[0]), final=True)
        return ""

    return part


def decode(path: Path, decoder: codecs.IncrementalDecoder, raw: bytes, begin: int, *, final: bool = False) -> str:
    """Decode bytes of which the first, with what the decoder holds, is at `begin` of the file."""
    try:
        text = decoder.decode(raw, final)
    except UnicodeDecodeError as error:
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ScriptError(message, place=_byte_place(path, begin + error.start, is_text=False)) from None
    if (nul := text.find("\0")) >= 0:
        place = _byte_place(path, begin + len(text[:nul].encode()), is_text=True)
        raise ScriptError("a NUL character would cut the script short; remove it", place=place)
    return text


def require_text(path: Path, raw: bytes) -> None:
    """Raise ScriptError with the place of what makes the bytes of a whole file no text."""
    body = raw.removeprefix(BOM)
    decode(path, codecs.getincrementaldecoder("utf-8")(), body, len(raw) - len(body), final=True)


def _byte_place(path: Path, offset: int, *, is_text: bool) -> Place:
    """Return the place of a byte of a file: everything before it is good UTF-8, and so is it where `is_text`."""
    line, tail = 1, b""
    with read_errors(path), open_file(path) as file:
        while offset > 0 and (raw := file.read(min(_CHUNK, offset))):
            offset -= len(raw)
            line += raw.count(b"\n")
            tail = (tail + raw).rpartition(b"\n")[2]
        rest = codecs.utf_8_decode(file.readline(_LINE_SHOWN).rstrip(b"\r\n"), "ignore")[0] if is_text else ""
    before = tail.removeprefix(BOM if line == 1 else b"").decode(errors="replace")
    return Place(path, line, len(before) + 1, before + rest)
