"""Write the files of migrations that another tool had: what is there already with other content stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.files import make_folder, read_bytes, write_new
from sqlmigrate.migrations.files import SAMPLES
from sqlmigrate.migrations.model import ROLLBACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlmigrate.importing.model import Part, Theirs

_EXPECT = ".expect.sql"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to be there, with its content."""

    path: Path
    text: str


def wanted(into: Path, migration_id: str, item: Theirs, depends: Sequence[str]) -> Iterator[Wanted]:
    """Yield the files of a migration, the script last: one without it is never taken for a whole."""
    if item.up is None:
        return
    if item.down is not None:
        differs = item.down.transactional is not item.up.transactional
        head = _head(item.down, (), said=differs)
        yield Wanted(into / f"{migration_id}{ROLLBACK}", head + item.down.text)
    if item.expect is not None:
        yield Wanted(into / SAMPLES / f"{migration_id}{_EXPECT}", item.expect)
    head = _head(item.up, depends, said=not item.up.transactional)
    yield Wanted(into / f"{migration_id}.sql", head + item.up.text)


def _head(part: Part, depends: Sequence[str], *, said: bool) -> str:
    """Return the directives of a script, with line ends like those of its text."""
    lines = [f"-- depends: {' '.join(depends)}"] if depends else []
    if said:
        lines.append(f"-- transactional: {'true' if part.transactional else 'false'}")
    if part.isolation:
        lines.append(f'-- sqlmigrate: isolation="{part.isolation}"')
    end = "\r\n" if "\r\n" in part.text.partition("\n")[0] + "\n" and "\r\n" in part.text else "\n"
    return "".join(line + end for line in lines)


def compared(files: Iterable[Wanted]) -> tuple[list[Wanted], list[Problem]]:
    """Return the files that are not there yet, and a problem for each that is there with other content."""
    new: list[Wanted] = []
    problems: list[Problem] = []
    for file in files:
        try:
            found = read_bytes(file.path)
        except FileNotFoundError:
            new.append(file)
        except OSError as error:
            problems.append(Problem(f"cannot be read: {error.strerror or error}", Place(file.path)))
        else:
            if found != file.text.encode():
                problems.append(_other(file))
    return new, problems


def write(files: Iterable[Wanted]) -> list[Problem]:
    """Write files that are not there, and return a problem for each that somebody has written meanwhile."""
    problems = []
    for file in files:
        make_folder(file.path.parent)
        try:
            write_new(file.path, file.text)
        except FileExistsError:
            problems.append(_other(file))
    return problems


def _other(file: Wanted) -> Problem:
    message = "is there already with other content; it was not overwritten"
    return Problem(message, Place(file.path), "compare the two; to import it anew, move this file away")
