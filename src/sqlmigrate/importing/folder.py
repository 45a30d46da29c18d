"""Read the files of another tool: within bounds, and by no symbolic link that leads out of the repository."""

from __future__ import annotations

import codecs
import os
import sys
from dataclasses import dataclass, field
from errno import EFBIG
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem, UsageError
from sqlmigrate.files import leads_out, read_bytes, read_json
from sqlmigrate.files.reading import SMALL
from sqlmigrate.importing.model import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

STDIN = Path("-")
_MOST_FILES = 100_000
_DEEPEST = 8


@dataclass(slots=True)
class Folder:
    """A folder of theirs, or the files that were named; what cannot be read is kept in `problems`."""

    path: Path
    named: tuple[Path, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    _streams: dict[Path, bytes] = field(default_factory=dict, repr=False)

    def files(self, *, deep: bool = False, ending: str = ".sql") -> Iterator[Path]:
        """Yield the files of an ending by their names, with `deep` those of folders within it, too."""
        yield from (path for path in self.entries(deep=deep) if path.name.endswith(ending))

    def entries(self, *, deep: bool = False) -> Iterator[Path]:
        """Yield all files, but for hidden ones."""
        for number, path in enumerate(self._within(self.path, _DEEPEST if deep else 0), 1):
            if number > _MOST_FILES:
                raise UsageError(f"{self.path} has more than {_MOST_FILES} files; name the folder of the migrations")
            yield path

    def folders(self) -> Iterator[Path]:
        """Yield the folders in it by their names."""
        for path in sorted(self.path.iterdir()):
            if path.is_dir() and not path.name.startswith(".") and not self._is_elsewhere(path):
                yield path

    def _within(self, folder: Path, depth: int) -> Iterator[Path]:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith("."):
                continue
            if not _is_folder(path):
                yield path
            elif depth and not self._is_elsewhere(path):
                yield from self._within(path, depth - 1)

    def _is_elsewhere(self, path: Path) -> bool:
        """Tell whether a folder is a symbolic link: it could lead in a circle, or out of the repository."""
        if not path.is_symlink():
            return False
        self.problems.append(Problem("is a symbolic link to a folder; it is not followed", Place(path)))
        return True

    @staticmethod
    def has(path: Path) -> bool:
        """Tell whether it is there; a name that another file of theirs gave may be none that the system takes."""
        try:
            return path.exists()
        except OSError:
            return False

    def read(self, path: Path) -> Source | None:
        """Read a file; None where that cannot be done, which is a problem."""
        if path not in self.named and ".." in path.relative_to(self.path).parts:  # a name that a file of theirs gave
            self.problems.append(Problem(f"leads out of {self.path}; it is not read", Place(path)))
            return None
        try:
            raw = self._stream(path) if path in self.named else read_bytes(path)
        except OSError as error:
            self.problems.append(Problem(f"cannot be read: {error.strerror or error}", Place(path)))
            return None
        mark = "\ufeff" if raw.startswith(codecs.BOM_UTF8) else ""
        raw = raw.removeprefix(codecs.BOM_UTF8)
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
            self.problems.append(Problem(message, Place(path, line), "save the file as UTF-8"))
            return None
        if "\0" in text:
            self.problems.append(Source(path, text).problem("a NUL character is in it", text.index("\0"), "remove it"))
            return None
        return Source(path, text, mark)

    def _stream(self, path: Path) -> bytes:
        """Read a file that was named: what comes through a pipe can be read but once."""
        if path not in self._streams:
            self._streams[path] = _standard_input() if path == STDIN else read_bytes(path, pipe=True)
        return self._streams[path]

    def json(self, path: Path, check: Callable[[Any], str | None]) -> Any:
        """Read a JSON document; None where that cannot be done, or `check` says what is wrong with it."""
        try:
            found = read_json(path)
            wrong = check(found)
        except OSError as error:
            wrong = f"cannot be read: {error.strerror or error}"
        except ValueError as error:
            wrong = f"is not JSON that can be used: {error}"
        if wrong is None:
            return found
        self.problems.append(Problem(wrong, Place(path)))
        return None


def _standard_input() -> bytes:
    found = sys.stdin.buffer.read(SMALL + 1)
    if len(found) > SMALL:
        raise OSError(EFBIG, f"it has more than {SMALL >> 20} MB")
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def opened(paths: Sequence[Path], usual: Sequence[str], *, label: str, streams: bool) -> Folder:
    """Return the folder or files that are meant: those that are named, or else where the tool keeps them.

    `streams` says that the tool's migrations are read from what it prints. Raises UsageError where there is none.
    """
    if streams:
        if not paths:
            raise UsageError(f"name the file that holds what {label} prints, or - for the standard input")
        if all(path != STDIN and path.is_dir() for path in paths):
            raise UsageError(f"{paths[0]} is a folder; name the file that holds what {label} prints")
        return Folder(Path(), named=tuple(paths))
    if len(paths) > 1:
        raise UsageError("name one folder")
    looked = paths or [Path(name) for name in usual]
    for path in looked:
        if not _is_folder(path):
            continue
        if (target := leads_out(path)) is not None:
            raise UsageError(f"{path} leads out of the repository by a symbolic link, to {target}; it is not followed")
        return Folder(path)
    if paths:
        raise UsageError(f"there is no folder {paths[0]}")
    raise UsageError(f"there is no folder {' or '.join(usual)}", hint=f"name the folder of {label}'s files")
