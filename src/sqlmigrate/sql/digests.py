"""The digests of a script: of its bytes, and of its text with LF line ends."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, ScriptError

if TYPE_CHECKING:
    from pathlib import Path

BOM = codecs.BOM_UTF8


@dataclass(frozen=True, slots=True)
class Digests:
    """Both digests of a script; see `Script`. `marks` are the SHA-256 of its bytes up to the end of each part."""

    checksum: str
    sha256: str
    marks: tuple[bytes, ...] = ()


def digests_of(raw: bytes) -> Digests:
    """Return the digests of a whole file."""
    sha256 = hashlib.sha256(raw).hexdigest()
    if b"\r" not in raw and not raw.startswith(BOM):
        return Digests(sha256, sha256)
    return Digests(hashlib.sha256(raw.removeprefix(BOM).replace(b"\r\n", b"\n")).hexdigest(), sha256)


class Meter:
    """Take both digests of a file while it is read; they are one until a byte order mark or a CR tells them apart."""

    def __init__(self) -> None:
        self._raw = hashlib.sha256()
        self._normal: hashlib._Hash | None = None
        self._held = b""
        self._marks: list[bytes] = []

    def update(self, raw: bytes, first: bool) -> None:  # noqa: FBT001  one call, in `streamed.reader`
        """Take the next bytes into both digests."""
        body = raw.removeprefix(BOM) if first else raw
        if self._normal is None and (b"\r" in raw or len(body) < len(raw)):
            self._normal = self._raw.copy()
        self._raw.update(raw)
        self._marks.append(self._raw.digest())
        if self._normal is not None:
            body = self._held + body
            self._held = b"\r" if body.endswith(b"\r") else b""  # its LF may come with the next bytes
            self._normal.update(body[: len(body) - len(self._held)].replace(b"\r\n", b"\n"))

    def digests(self) -> Digests:
        """Return the digests of all that was taken."""
        sha256 = self._raw.hexdigest()
        if self._normal is None:
            return Digests(sha256, sha256, tuple(self._marks))
        self._normal.update(self._held)
        self._held = b""
        return Digests(self._normal.hexdigest(), sha256, tuple(self._marks))


def changed(path: Path) -> ScriptError:
    """Return the error of a file that is another one than before."""
    return ScriptError("the file changed since it was checked; run the command again", place=Place(path))
