"""Say of most values at once that they fit a JSON Schema; of all others jsonschema has to be asked.

What is accepted here has no violation; what is not accepted may have none either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlmigrate.files.patterns import Patterns

Check = Callable[[Any], bool]
Columns = Mapping[str, Sequence[Any]]

_PARTS_MAX = 2_000  # references to references to others may stand for very many
_SAID = {
    *("$schema", "$defs", "$comment", "title", "description", "default", "examples", "format"),
    *("deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType"),
}
_OF_OBJECT = {"properties", "required", "additionalProperties"}
_TYPES: dict[str, Check] = {
    "string": lambda value: value.__class__ is str,
    "object": lambda value: value.__class__ is dict,
    "array": lambda value: value.__class__ is list,
    "null": lambda value: value is None,
    "boolean": lambda value: value.__class__ is bool,
    "integer": lambda value: value.__class__ is int,
    "number": lambda value: value.__class__ is int or value.__class__ is float,
}


class _UnknownError(Exception):
    """A schema says something that only jsonschema knows."""


def compiled(schema: Mapping[str, Any], patterns: Patterns) -> Check | None:
    """Make a check of a schema, or None where it says something that only jsonschema knows.

    Only what names neither another base (`$id`, `$anchor`) nor itself is known.
    """
    try:
        return _Compiler(schema, patterns).check(schema)
    except (_UnknownError, RecursionError):
        return None


def compiled_for_columns(schema: Mapping[str, Any], row: Any, patterns: Patterns) -> Callable[[Columns], bool] | None:
    """Make a check of rows by the columns of their values, where `row` is what a schema says of each of them."""
    try:
        return _Compiler(schema, patterns).columns(row)
    except (_UnknownError, RecursionError):
        return None


class _Compiler:
    def __init__(self, root: Mapping[str, Any], patterns: Patterns) -> None:
        self._root = root
        self._patterns = patterns
        self._open: list[str] = []
        self._left = _PARTS_MAX

    def check(self, schema: Any) -> Check:
        """Make a check of a part of the schema; raises _UnknownError where only jsonschema knows it."""
        self._left -= 1
        if self._left < 0:
            raise _UnknownError
        if isinstance(schema, bool):
            return lambda _: schema
        if not isinstance(schema, dict):
            raise _UnknownError
        checks = self._checks(schema)
        return checks[0] if len(checks) == 1 else _all(checks)

    def columns(self, row: Any) -> Callable[[Columns], bool]:
        """Make a check of rows that all have the same keys."""
        rules = _rules(row) if isinstance(row, dict) else {}
        if rules.pop("type", None) != "object" or not rules.keys() <= _OF_OBJECT:
            raise _UnknownError
        known = {name: self._column(rule) for name, rule in rules.get("properties", {}).items()}
        other = self._column(rules.get("additionalProperties", True))
        required = set(rules.get("required", ()))
        return lambda columns: (
            required <= columns.keys() and all(known.get(name, other)(column) for name, column in columns.items())
        )

    def _column(self, schema: Any) -> Callable[[Sequence[Any]], bool]:
        if not isinstance(schema, dict):
            return partial(_each, (self.check(schema),))
        pattern = schema.get("pattern")
        others = partial(_each, self._checks({key: rule for key, rule in schema.items() if key != "pattern"}))
        if pattern is None:
            return others
        matches = self._patterns.match_all
        return lambda values: others(values) and matches(pattern, [value for value in values if value.__class__ is str])

    def _checks(self, schema: Mapping[str, Any]) -> tuple[Check, ...]:
        made = (self._keyword(key, rule, schema) for key, rule in _rules(schema).items())
        return tuple(check for check in made if check is not None)

    def _keyword(self, key: str, rule: Any, schema: Mapping[str, Any]) -> Check | None:
        if key in _OF_OBJECT:
            first = next(name for name in schema if name in _OF_OBJECT)
            return self._object(schema) if key == first else None
        make = _MAKERS.get(key)
        if make is not None:
            return make(rule)
        if key == "pattern":
            matches = self._patterns.matches
            return lambda value: value.__class__ is not str or matches(rule, value)
        if key == "items":
            item = self.check(rule)
            return lambda value: value.__class__ is not list or all(map(item, value))
        if key == "allOf":
            return _all(tuple(map(self.check, rule)))
        if key == "anyOf":
            some = tuple(map(self.check, rule))
            return lambda value: any(check(value) for check in some)
        if key == "$ref":
            return self._reference(rule)
        raise _UnknownError

    def _object(self, schema: Mapping[str, Any]) -> Check:
        if "patternProperties" in schema:
            raise _UnknownError
        known = {name: self.check(rule) for name, rule in schema.get("properties", {}).items()}
        required = tuple(schema.get("required", ()))
        other = self.check(schema.get("additionalProperties", True))

        def check(value: Any) -> bool:
            if value.__class__ is not dict:
                return True
            for name in required:
                if name not in value:
                    return False
            return all(known.get(name, other)(child) for name, child in value.items())

        return check

    def _reference(self, reference: str) -> Check:
        """Follow a reference to a part of the schema by its path; what leads in a circle is not known."""
        if reference in self._open or not reference.startswith("#/") or "%" in reference or "~" in reference:
            raise _UnknownError
        node: Any = self._root
        for step in reference[2:].split("/"):
            if not isinstance(node, dict) or step not in node:
                raise _UnknownError
            node = node[step]
        self._open.append(reference)
        found = self.check(node)
        self._open.pop()
        return found


def _rules(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a schema asks for."""
    return {key: rule for key, rule in schema.items() if key not in _SAID and not key.startswith("x-")}


def _each(checks: tuple[Check, ...], values: Sequence[Any]) -> bool:
    return all(all(map(check, values)) for check in checks)


def _all(checks: tuple[Check, ...]) -> Check:
    def check(value: Any) -> bool:
        for each in checks:  # noqa: SIM110  a generator for each value takes twice as long
            if not each(value):
                return False
        return True

    return check


def _type(rule: Any) -> Check:
    allowed = [_TYPES[name] for name in ([rule] if isinstance(rule, str) else rule)]
    if len(allowed) == 1:
        return allowed[0]
    return lambda value: any(check(value) for check in allowed)


def _enum(rule: list[Any]) -> Check:
    texts = frozenset(value for value in rule if isinstance(value, str))
    others = tuple((type(value), value) for value in rule if isinstance(value, int | bool | None))

    def check(value: Any) -> bool:
        if value.__class__ is str:
            return value in texts
        return any(value.__class__ is kind and value == other for kind, other in others)

    return check


def _length(least: int, most: float, kind: type[Any]) -> Check:
    return lambda value: value.__class__ is not kind or least <= len(value) <= most


def _number(fits: Check) -> Check:
    return lambda value: not (value.__class__ is int or value.__class__ is float) or fits(value)


def _multiple(rule: float) -> Check:
    """Compare as the numbers are written: 0.3 is a multiple of 0.1."""
    step = exact(rule)
    return lambda value: (value.__class__ is int and step.numerator == 1) or (exact(value) / step).denominator == 1


def exact(number: float) -> Fraction:
    """Return a number as it is written."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


_MAKERS: dict[str, Callable[[Any], Check]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda rule: _enum([rule]),
    "minLength": lambda rule: _length(rule, float("inf"), str),
    "maxLength": lambda rule: _length(0, rule, str),
    "minItems": lambda rule: _length(rule, float("inf"), list),
    "maxItems": lambda rule: _length(0, rule, list),
    "minimum": lambda rule: _number(lambda value: value >= rule),
    "maximum": lambda rule: _number(lambda value: value <= rule),
    "exclusiveMinimum": lambda rule: _number(lambda value: value > rule),
    "exclusiveMaximum": lambda rule: _number(lambda value: value < rule),
    "multipleOf": lambda rule: _number(_multiple(rule)),
}
