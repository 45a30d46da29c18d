"""Say in JSON Schema what simple CHECK constraints demand; what cannot be said exactly is left to the server."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sqlmigrate.files.patterns import PatternError, Patterns
from sqlmigrate.seeds.reading.document import exact
from sqlmigrate.sql.statement.conditions import conditions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.seeds.exporting.live import LiveColumn
    from sqlmigrate.sql.statement.conditions import Condition

_TEXT = {"text", "varchar", "bpchar"}
_WHOLE = {"int2", "int4", "int8"}
_NUMBERS = {*_WHOLE, "numeric", "float4", "float8"}
_ANY = {"numeric", "float8"}
_EXACT = {"float4": {"float8"}, "float8": {"float8"}}  # what a column is cast to without another value
_LENGTH = {"length", "char_length", "character_length"}
_BOUNDS = {">=": "minimum", "<=": "maximum", ">": "exclusiveMinimum", "<": "exclusiveMaximum"}
# What means the same in PostgreSQL and in ECMA-262; there, `.` is no line break, and \d and \w are ASCII.
_SAME_PATTERN = re.compile(
    r"""(?:
        [A-Za-z0-9 _\-@/:,;\#%&=<>!~'"] | \^ | \$ | \( (?!\?) | \(\?: | \) | \|
      | \\[.\\/()\[\]{}*+?^$|]
      | \[ \^? (?: [A-Za-z0-9]-[A-Za-z0-9] | [A-Za-z0-9 _@/:,;.+*\#%&=] )+ -? \]
      | [*+?] (?![*+?]) | \{ [0-9]+ (?: , [0-9]* )? \} (?![*+?{])
    )+""",
    re.VERBOSE,
)
_RANGE = re.compile(r"([A-Za-z0-9])-([A-Za-z0-9])")


def with_rules(said: dict[str, Any], column: LiveColumn, definitions: Iterable[str]) -> dict[str, Any]:
    """Add to what is said of a column's values what its domain and these constraints of its table demand."""
    said = _with(said, column, column.checks, "value")  # as the parser writes VALUE
    return _with(said, column, definitions, column.name)


def _with(said: dict[str, Any], column: LiveColumn, definitions: Iterable[str], named: str) -> dict[str, Any]:
    found = dict(said)
    for definition in definitions:
        for condition in conditions(definition):
            if condition.column == named:
                for keyword, value in _said(column, condition):
                    found[keyword] = _stricter(keyword, found[keyword], value) if keyword in found else value
    return found


def _said(column: LiveColumn, condition: Condition) -> Iterator[tuple[str, Any]]:
    if column.own in _TEXT and column.plain_text and condition.casts <= _TEXT:
        padded = column.own == "bpchar"
        yield from _of_length(condition) if condition.function else _of_text(condition, is_padded=padded)
    elif column.own in _NUMBERS and condition.casts <= _EXACT.get(column.own, _ANY) and not condition.function:
        yield from _of_number(column, condition)


def _of_text(condition: Condition, *, is_padded: bool) -> Iterator[tuple[str, Any]]:
    match condition.operator, condition.constants:
        case "=", choices:
            yield "enum", [choice.rstrip(" ") for choice in choices] if is_padded else list(choices)
        case "<>", ("",):
            yield "minLength", 1
        case "~", (pattern,) if not is_padded and _is_same(pattern):
            yield "pattern", pattern


def _of_length(condition: Condition) -> Iterator[tuple[str, Any]]:
    if condition.function not in _LENGTH or len(condition.constants) != 1 or not condition.constants[0].isdigit():
        return
    length = int(condition.constants[0])
    match condition.operator:
        case ">=" | ">":
            yield "minLength", length + (condition.operator == ">")
        case "<=" | "<" if length:
            yield "maxLength", length - (condition.operator == "<")
        case "=":
            yield "minLength", length
            yield "maxLength", length


def _of_number(column: LiveColumn, condition: Condition) -> Iterator[tuple[str, Any]]:
    numbers = [_number(text) for text in condition.constants]
    if None in numbers or (column.own == "float4" and float in map(type, numbers)):  # 0.1::real is more than 0.1
        return
    if condition.operator == "=":
        if column.own in _WHOLE:  # others may be written as text
            yield "enum", numbers
    elif condition.operator in _BOUNDS and len(numbers) == 1:
        yield _BOUNDS[condition.operator], numbers[0]


def _number(text: str) -> float | None:
    try:
        number = Decimal(text)
        return int(number) if number == number.to_integral_value() else exact(str(number))
    except (InvalidOperation, ValueError, ArithmeticError):
        return None


def _stricter(keyword: str, one: Any, other: Any) -> Any:
    """Return what both demand; where a keyword cannot say that, the first one."""
    if keyword == "enum":
        return [choice for choice in one if choice in other]
    if keyword.startswith(("min", "exclusiveMin")):
        return max(one, other)
    return one if keyword == "pattern" else min(one, other)


def _is_same(pattern: str) -> bool:
    """Tell whether a pattern of PostgreSQL means the same in JSON Schema."""
    if not _SAME_PATTERN.fullmatch(pattern):
        return False
    if any(_kind(first) != _kind(last) for first, last in _RANGE.findall(pattern)):
        return False
    try:
        Patterns().require(pattern)
    except PatternError:
        return False
    return True


def _kind(letter: str) -> str:
    return "9" if letter.isdigit() else "A" if letter.isupper() else "a"
