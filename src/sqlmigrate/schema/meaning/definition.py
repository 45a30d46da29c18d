"""Cut a printed definition into what must be the same to the letter, and the expressions in it, each as a query.

What is cut is what PostgreSQL itself prints (`pg_get_constraintdef` and its like): without comments, its white space
and parentheses always in the same places. Where a cut is wrong all the same, its pieces cannot be made or differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.schema.model import TABLE
from sqlmigrate.sql.scan import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlmigrate.schema.model import Name, Schema, Value

_HOLE = "\0"  # no definition can hold it
_CALL = re.compile(r"[\w$.]+\(")
_RULE = re.compile(r"CREATE RULE (.+?) AS\s+ON (INSERT|UPDATE|DELETE) TO ", re.DOTALL)
# Columns of these are expressions as they stand; those of a domain see VALUE.
_EXPRESSIONS = {
    "column": ("default", "generated"),
    "domain": ("default",),
    "policy": ("using", "with check"),
    "publication table": ("where",),
}


@dataclass(frozen=True, slots=True)
class Query:
    """What CREATE VIEW can be given: a view's own definition, or one that computes an expression."""

    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule without its name; `relation` is what it belongs to, `head` stands before that name, `text` behind it."""

    head: str
    relation: str
    text: str


@dataclass(frozen=True, slots=True)
class Routine:
    """A function or procedure; `kind` is its word, `text` begins with its arguments."""

    kind: str
    text: str


Part = Query | Rule | Routine


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition: `frame` with a hole for each of the parts."""

    frame: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Text:
    """A text, and itself with the quotes blanked out, so that parentheses and commas are what they seem."""

    text: str
    mask: str

    def part(self, start: int, stop: int | None = None) -> _Text:
        """Return a part of it, from one place up to another or to the end; places are counted as in a slice."""
        return _Text(self.text[start:stop], self.mask[start:stop])


def cut(schema: Schema, name: Name, key: str) -> Definition | None:
    """Cut the definition that is a property of an object; None where it is none, or of no known kind."""
    found = schema.objects[name]
    value = found.get(key)
    if not isinstance(value, str):
        return None
    source = _source(schema, name, found)
    if key in _EXPRESSIONS.get(name.kind, ()):
        return Definition(_HOLE, (_query(value, source),))
    if name.kind == "table" and key == "partition key":
        return _cut(value, source, _list)
    if key != "definition":
        return None
    if name.kind in ("view", "materialized view"):
        return Definition(_HOLE, (Query(value),))
    if name.kind in ("function", "procedure"):
        return _routine(name, value)
    if name.kind == "rule":
        return _rule(str(found.get(TABLE)), value)
    cutter = _CUTTERS.get(name.kind)
    return _cut(value, source, cutter) if cutter else None


def _source(schema: Schema, name: Name, found: Mapping[str, Value]) -> str:
    """Return what the columns in an expression are columns of."""
    whole = found.get(TABLE)
    if name.kind == "trigger":
        return f" FROM {whole} AS old, {whole} AS new"
    if name.kind == "domain constraint":
        for domain, properties in schema.objects.items():
            if domain == ("domain", whole):
                return f" FROM (SELECT NULL::{properties.get('base type')} AS value) AS domain"
    if name.kind == "table":
        return f" FROM {name.name}"
    return f" FROM {whole}" if whole and name.kind != "domain" else ""


def _query(expression: str, source: str) -> Query:
    return Query(f"SELECT ({expression}) AS value{source}")


def _cut(value: str, source: str, cutter: Callable[[_Text], Iterator[tuple[int, int]]]) -> Definition:
    """Put holes where a cutter finds expressions."""
    frame, parts, last = [], [], 0
    for start, stop in cutter(_masked(value)):
        frame.append(value[last:start])
        parts.append(_query(value[start:stop], source))
        last = stop
    return Definition(_HOLE.join([*frame, value[last:]]), tuple(parts))


def _masked(text: str) -> _Text:
    mask = list(text)
    for start, stop in quoted(text):
        mask[start:stop] = "x" * (stop - start)
    return _Text(text, "".join(mask))


def _check(definition: _Text) -> Iterator[tuple[int, int]]:
    if definition.text.startswith("CHECK "):
        yield from _group(definition, 0)
    elif definition.text.startswith("EXCLUDE "):
        yield from _list(definition)
        if (at := _top(definition, " WHERE ")) is not None:
            yield from _group(definition, at)


def _index(definition: _Text) -> Iterator[tuple[int, int]]:
    yield from _list(definition)
    if (at := _top(definition, " WHERE ")) is not None:
        yield at + len(" WHERE "), len(definition.text)


def _statistics(definition: _Text) -> Iterator[tuple[int, int]]:
    start, stop = _top(definition, " ON "), _top(definition, " FROM ", last=True)
    if start is not None and stop is not None:
        yield from _elements(definition, start + len(" ON "), stop)


def _trigger(definition: _Text) -> Iterator[tuple[int, int]]:
    if (at := _top(definition, " WHEN (")) is not None:
        yield from _group(definition, at)


_CUTTERS: dict[str, Callable[[_Text], Iterator[tuple[int, int]]]] = {
    "constraint": _check,
    "domain constraint": _check,
    "index": _index,
    "statistics object": _statistics,
    "trigger": _trigger,
}


def _group(text: _Text, at: int) -> Iterator[tuple[int, int]]:
    """Yield what stands in the next parentheses."""
    start = text.mask.find("(", at)
    if start >= 0:
        yield start + 1, _closing(text.mask, start) - 1


def _list(text: _Text) -> Iterator[tuple[int, int]]:
    """Yield the expressions in the first list of columns and expressions."""
    for start, stop in _group(text, 0):
        yield from _elements(text, start, stop)


def _elements(text: _Text, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the expressions among elements between commas; behind one may stand an operator class and more."""
    while start < stop:
        start += len(text.mask[start:stop]) - len(text.mask[start:stop].lstrip())
        call = _CALL.match(text.mask, start)
        end = start
        if call or text.mask[start] == "(":
            end = _closing(text.mask, call.end() - 1 if call else start)
            yield start, end
        start = _comma(text.mask, end, stop) + 1


def _comma(mask: str, at: int, stop: int) -> int:
    while at < stop and mask[at] != ",":
        at = _closing(mask, at) if mask[at] == "(" else at + 1
    return at


def _closing(mask: str, at: int) -> int:
    """Return the end of what the parenthesis at a place opens."""
    depth = 0
    for place in range(at, len(mask)):
        depth += {"(": 1, ")": -1}.get(mask[place], 0)
        if depth == 0:
            return place + 1
    return len(mask)


def _top(text: _Text, word: str, *, last: bool = False) -> int | None:
    """Find a word outside of all parentheses."""
    places = [
        match.start()
        for match in re.finditer(re.escape(word), text.mask)
        if text.mask.count("(", 0, match.start()) == text.mask.count(")", 0, match.start())
    ]
    return places[-1 if last else 0] if places else None


def _rule(relation: str, definition: str) -> Definition | None:
    match = _RULE.match(_masked(definition).mask)
    if match is None or not definition.startswith(relation, match.end()):
        return None
    part = Rule(f"ON {match[2]} TO ", relation, definition[match.end() + len(relation) :])
    return Definition(_HOLE, (part,))


def _routine(name: Name, definition: str) -> Definition | None:
    start = f"CREATE OR REPLACE {name.kind.upper()} {name.name.partition('(')[0]}"
    if "(" not in name.name or not definition.startswith(start + "("):
        return None
    return Definition(_HOLE, (Routine(name.kind.upper(), definition[len(start) :]),))
