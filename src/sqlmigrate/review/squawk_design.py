"""The columns that squawk's rules of design speak of, as the catalog has them behind the statement that made them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.schema import Value

    Properties = Mapping[str, Value]
    Fits = Callable[[State, str, Properties], bool]

_ARRAY = re.compile(r"(\[\])+$")
_INTEGERS = frozenset({"integer", "smallint"})
_KEY = re.compile(r"PRIMARY KEY \((.*?)\)")


def columns_made(one: Traced) -> Iterator[tuple[str, Properties]]:
    """Yield the columns that a statement made, alone or with their tables."""
    after = one.step.after
    tables = {text.removeprefix("table ") for text in one.changes.made if text.startswith("table ")}
    for text in one.changes.made:
        if text.startswith("column ") and text in after:
            yield text.removeprefix("column "), after[text]
    if tables:
        yield from ((name, item) for name, item in after.of("column").items() if str(item.get("table")) in tables)


def _of(fits: Fits) -> Callable[[Traced], list[str]]:
    return lambda one: [name for name, properties in columns_made(one) if fits(one.step.after, name, properties)]


def _type(properties: Properties) -> str:
    return _ARRAY.sub("", str(properties.get("type")))


def _is_zoneless(_: State, __: str, properties: Properties) -> bool:
    return _type(properties).startswith("timestamp") and _type(properties).endswith("without time zone")


def _is_char(_: State, __: str, properties: Properties) -> bool:
    return _type(properties).startswith("character(") or _type(properties) == "bpchar"


def _is_serial(_: State, __: str, properties: Properties) -> bool:
    return str(properties.get("default", "")).startswith("nextval(")


def _is_narrow_key(state: State, name: str, properties: Properties) -> bool:
    """Whether a column holds numbers that count up and may run out: identity, serial, or the only column of a key."""
    if _type(properties) not in _INTEGERS:
        return False
    return bool(properties.get("identity")) or _is_serial(state, name, properties) or _is_key(state, name, properties)


def _is_key(state: State, name: str, properties: Properties) -> bool:
    table = str(properties.get("table"))
    return any(
        (match := _KEY.match(str(item.get("definition", "")))) and match[1] == name[len(table) + 1 :]
        for item in state.of("constraint").values()
        if item.get("table") == table
    )


OF_SQUAWK: Mapping[str, Callable[[Traced], list[str]]] = {
    "prefer-timestamp-tz": _of(_is_zoneless),
    "ban-char-field": _of(_is_char),
    "prefer-bigint-over-int": _of(_is_narrow_key),
    "prefer-bigint-over-smallint": _of(_is_narrow_key),
    "prefer-identity": _of(_is_serial),
}
"""Rules of squawk about the design of columns, and which of those that a statement made they are right about."""

DESIGN = ("prefer-text-field", *OF_SQUAWK)
"""All rules of squawk about design, which can be switched off."""
