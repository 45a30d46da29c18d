"""Read JSON strictly: no key twice, no NaN, no number that would not be kept, and no text that cannot be stored."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Place, Problem, SeedError
from sqlmigrate.seeds.problems import refusal
from sqlmigrate.seeds.reading import document
from sqlmigrate.sql.position import place_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_DEPTH_MAX = 500  # our own ways through values are recursive, and Python has 1,000 frames
_CONTAINERS = (dict, list)


def read(path: Path, text: str) -> Any:
    """Read a JSON text strictly: no key twice, no NaN, no number that would not be kept."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counted = Counter(key for key, _ in pairs)
            key = next(key for key, count in counted.items() if count > 1)
            raise refusal(_twice(path, text, key))
        return found

    def refused(constant: str) -> Any:
        raise refusal(Problem(f"not valid JSON: {constant} is not a number in JSON", _word_place(path, text, constant)))

    def number(digits: str) -> Any:
        try:
            return int(digits) if digits.lstrip("-").isdigit() else document.exact(digits)
        except (ValueError, ArithmeticError):
            message = f"{digits[:40]} cannot be kept exactly as a number"
            raise refusal(Problem(message, _word_place(path, text, digits))) from None

    try:
        found = json.loads(text, object_pairs_hook=unique, parse_constant=refused, parse_int=number, parse_float=number)
        if not is_too_deep(text, found):
            return found
        problem = Problem(f"nested too deeply: more than {_DEPTH_MAX} levels", Place(path))
    except json.JSONDecodeError as error:
        problem = Problem(f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}", place_at(path, text, error.pos))
    except RecursionError:
        problem = Problem("nested too deeply", Place(path))
    raise refusal(problem)


def is_too_deep(text: str, value: Any) -> bool:
    """Tell whether lists and objects of a JSON text are nested so deeply that whoever looks into them fails."""
    if text.count("[") + text.count("{") <= _DEPTH_MAX:
        return False
    level = [value]
    for _ in range(_DEPTH_MAX):
        inner = (one.values() if one.__class__ is dict else one for one in level if one.__class__ in _CONTAINERS)
        level = [one for items in inner for one in items if one.__class__ in _CONTAINERS]
        if not level:
            return False
    return True


def _twice(path: Path, text: str, key: str) -> Problem:
    """Say that a key is there twice in an object, and where: YAML's reader has the places that JSON's has not."""
    try:
        document.parse(path, text)
    except SeedError as error:
        if (found := error.problems[0]).message.endswith("appears twice"):
            return found
    return Problem(f"the key '{key}' appears twice in one object", Place(path), "keep one of them")


def _word_place(path: Path, text: str, word: str) -> Place:
    """Return the place of a number or a word, which stands in a JSON text as it was read."""
    found = re.search(rf'(?<![\w."+-]){re.escape(word)}(?![\w."+-])', text)
    return place_at(path, text, found.start()) if found else Place(path)


@dataclass(slots=True)
class Places:
    """Finds places in a JSON text as YAML's reader sees it, where it can read it too (tabs, for one, it cannot)."""

    path: Path
    text: str
    _found: document.Places | None = None

    def offset(self, where: Sequence[str | int], key: str | None) -> int | None:
        """Return the offset of a value, or of a key in it; of the nearest one around it if it is not there."""
        if self._found is None:
            try:
                self._found = document.parse(self.path, self.text).places
            except SeedError:
                self._found = document.Nodes()
        return self._found.offset(where, key)


def located(path: Path, text: str, value: Any) -> document.Document:
    """Return the document of a JSON text; its places are looked for when one is wanted."""
    return document.Document(path, text, value, Places(path, text))


def read_document(path: Path, text: str) -> document.Document:
    """Read a JSON file of rows; raise one SeedError with what is wrong."""
    value = read(path, text) if text.strip() else None
    if (found := _ESCAPED.search(text)) and any(map(document.UNSTORABLE.search, _texts(value))):
        message = "PostgreSQL cannot store NUL or half a surrogate pair in a text"
        raise refusal(Problem(message, place_at(path, text, found.start())))
    return located(path, text, value)


def read_line(path: Path, text: str) -> Any:
    """Read a JSON text of one line, as `read_document` does, and fast where nothing is wrong."""
    if not _ESCAPED.search(text):
        try:
            found = _STRICT.decode(text)
        except (ValueError, ArithmeticError, RecursionError):
            pass
        else:
            if not is_too_deep(text, found):
                return found
    return read_document(path, text).value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _constant(name: str) -> Any:
    raise ValueError(name)


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant, parse_float=document.exact)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for child in value.values():
            yield from _texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child)
