"""Make the values that a seed file has of what PostgreSQL prints, so that seeding takes them for the same."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sqlmigrate.seeds.exporting.yaml_text import DEPTH_MAX, Written
from sqlmigrate.seeds.reading.document import UNSTORABLE, exact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlmigrate.seeds.exporting.live import LiveColumn

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_DIGITS = 4000  # Python refuses to read more than 4,300
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|((?:[^",{}\\]|\\.)+)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_KINDS = {bool: "boolean", int: "integer", Written: "number", list: "array", dict: "object", str: "string"}


class NoFileError(ValueError):
    """No seed file can hold a value."""


def reader(column: LiveColumn) -> Callable[[str], Any]:
    """Return what makes a value of the text that PostgreSQL prints for one of a column; it raises NoFileError."""
    if column.own in {"json", "jsonb"}:
        return of_json
    if column.element:
        return _array(_of(column.element if column.element_kind == "b" else "", scaled=False))
    return _of(column.own, scaled=column.modifier >= 0)


def _of(own: str, *, scaled: bool) -> Callable[[str], Any]:
    match own:
        case "bool":
            return lambda text: text == "t"
        case "int2" | "int4" | "int8":
            return int
        case "numeric" | "float4" | "float8":
            return lambda text: _number(text, padded=scaled or own != "numeric")
    return str


def fitting(value: Any, text: str, types: Collection[str], *, is_json: bool) -> Any:
    """Return a value, or what PostgreSQL prints where the schema wants text of it."""
    kind = _KINDS[value.__class__]
    wanted = not types or kind in types or (kind == "integer" and "number" in types)
    return value if wanted or is_json or "string" not in types else text


def _number(text: str, *, padded: bool) -> Any:
    """Return a number where a file keeps it: the zeros at its end, too, unless its type has them all the same."""
    if len(text) > _DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        number = exact(text) if _NUMBER.fullmatch(text) else None
    except (ValueError, ArithmeticError):
        number = None
    return text if number is None or text == "-0" or not (padded or repr(number) == text) else Written(text)


def of_json(text: str) -> Any:
    """Read JSON; raises NoFileError for what a file cannot say."""
    try:
        value = json.loads(text, parse_float=_exactly)
    except (ValueError, ArithmeticError) as error:
        raise NoFileError(error.args[0] if isinstance(error, NoFileError) else "a number has too many digits") from None
    except RecursionError:
        raise NoFileError(_TOO_DEEP) from None
    if value is None:
        raise NoFileError("it is the JSON null, and a file can say the NULL of SQL only")
    _require_sayable(value, 0)
    return value


_TOO_DEEP = f"it has more than {DEPTH_MAX} levels"


def _exactly(text: str) -> Written:
    try:
        exact(text)
    except (ValueError, ArithmeticError):
        raise NoFileError(f"the number {text[:40]} cannot be kept exactly") from None
    return Written(text)


def plain(value: Any) -> Any:
    """Return a value as a file of it is read: its numbers are of no class of ours."""
    if value.__class__ is Written:
        return float(value)
    if value.__class__ is list:
        return [plain(inner) for inner in value]
    return {key: plain(inner) for key, inner in value.items()} if value.__class__ is dict else value


def _require_sayable(value: Any, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise NoFileError(_TOO_DEEP)
    if isinstance(value, str) and UNSTORABLE.search(value):
        raise NoFileError("it has a NUL character, or half a surrogate pair")
    if isinstance(value, list | dict):
        for inner in value:
            _require_sayable(inner, depth + 1)
    if isinstance(value, dict):
        for inner in value.values():
            _require_sayable(inner, depth + 1)


def _array(of: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return what makes a list of an array; one of several dimensions, or that does not begin at 1, stays text."""

    def read(text: str) -> Any:
        inner = text[1:-1]
        if not text.startswith("{") or _has_braces(inner):
            return text
        return [
            None if not quoted and bare == "NULL" else of(_ESCAPE.sub(r"\1", quoted or bare))
            for quoted, bare in _ELEMENT.findall(inner)
        ]

    return read


def _has_braces(inner: str) -> bool:
    """Tell whether an array has arrays in it: its elements have braces within quotes only."""
    return inner.startswith("{")
