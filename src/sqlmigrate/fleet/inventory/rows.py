"""Lists that have a target in each line or row, as the same kind of document as a YAML file is."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Place, Problem
from sqlmigrate.seeds.problems import refusal, refuse
from sqlmigrate.seeds.reading.document import Document, Nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_OF_A_LIST = 2  # steps to a target in a document: the key, and its number


@dataclass(frozen=True, slots=True)
class Rows(Document):
    """Targets with the number of the line, or of the row, at which each stands."""

    lines: Sequence[int] = ()

    def place(self, where: Sequence[str | int] = (), *, key: str | None = None) -> Place:  # noqa: ARG002  as Document
        """Return the line of a target."""
        if len(where) < _OF_A_LIST or not isinstance(at := where[1], int) or at >= len(self.lines):
            return Place(self.path)
        return Place(self.path, self.lines[at])


def of_values(path: Path, found: Iterable[tuple[int, Mapping[str, Any]]]) -> Rows:
    """Make a document of targets and their lines; values that are missing, or empty, are left out."""
    numbered = [(line, _given(values)) for line, values in found]
    targets = [values for _, values in numbered]
    return Rows(path, "", {"targets": targets}, Nodes(), [line for line, _ in numbered])


def of_csv(path: Path, text: str) -> Rows:
    """Read a table with a heading; tags stand in one column, with spaces or semicolons in between."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, restkey="")

    def numbered() -> Iterator[tuple[int, dict[str, Any]]]:  # one by one: there may be very many
        if "name" not in (reader.fieldnames or ()):  # it may be the first target, and show its password
            hint = "begin with a heading, such as name,url_env,schema,tags"
            raise refusal(Problem("the first line names no column 'name'", Place(path, 1), hint))
        if len(set(reader.fieldnames or ())) < len(reader.fieldnames or ()):
            raise refusal(Problem("a column appears twice in the heading", Place(path, 1), "keep one of them"))
        for values in reader:
            if "" in values:
                raise refusal(Problem("there are more values than headings", Place(path, reader.line_num)))
            yield reader.line_num, values

    try:
        return of_values(path, numbered())
    except csv.Error as error:
        raise refusal(Problem(f"not valid CSV: {error}", Place(path, reader.line_num))) from None


def of_json_lines(path: Path, text: str) -> Rows:
    """Read an object in each line; empty lines are passed over."""
    found, problems = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line, object_pairs_hook=_once)
        except _TwiceError:
            problems.append(Problem("a key appears twice in one object", Place(path, number), "keep one of them"))
            continue
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict):
            found.append((number, values))
        else:
            problems.append(Problem("not a JSON object", Place(path, number), 'print {"name": ..., "url_env": ...}'))
    refuse(problems)
    return of_values(path, found)


class _TwiceError(ValueError):
    """A key is there twice in an object, so it is not known which of its values is meant."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON; raises _TwiceError."""
    if len(found := dict(pairs)) < len(pairs):
        raise _TwiceError
    return found


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that there are, with tags as a list, also where they are one text."""
    given = {key: value for key, value in values.items() if value is not None and value != ""}
    if isinstance(tags := given.get("tags"), str):
        given["tags"] = tags.replace(";", " ").split()
    return given
