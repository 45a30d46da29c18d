"""Check values with a JSON Schema, in time that is bounded whatever the schema says.

jsonschema does the work. What could run for ever in it is ours: patterns, `$ref` to itself, and comparing every item
with every other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Place, Problem
from sqlmigrate.files.patterns import PatternError, Patterns
from sqlmigrate.seeds.model import canonical
from sqlmigrate.seeds.problems import shown
from sqlmigrate.seeds.reading import quick
from sqlmigrate.seeds.reading.wording import explain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jsonschema.exceptions import ValidationError

    from sqlmigrate.seeds.model import Located
    from sqlmigrate.seeds.reading.document import Document

Keyword = Callable[[Any, Any, Any, Any], Iterable["ValidationError"]]

_REFERENCES_MAX = 20_000  # references that may be followed for a small file; a large one has so many for each value
_REFERENCES_EACH = 20


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the rows of a file, as the value that the file would have with these alone; `first` is their index."""

    value: Any
    first: int
    document: Located

    @property
    def path(self) -> Path:
        """The file."""
        return self.document.path

    def place(self, where: Sequence[str | int] = (), *, key: str | None = None) -> Place:
        """Return the place of a value in the whole file."""
        return self.document.place(where, key=key)


class _EndlessError(Exception):
    """A schema refers to itself without end, or too often."""

    def __init__(self, reference: str, what: str) -> None:
        super().__init__(f"$ref '{reference}' {what}")
        self.reference = reference


def violations(
    file: Document | Part,
    schema: Mapping[str, Any],
    place: Place | None = None,
    places: Mapping[str, Place] | None = None,
) -> list[Problem]:
    """Return every way in which a document does not fit a schema, or the one reason why it cannot be checked.

    `place` is the schema's, `places` has that of each pattern and of each `$ref`. There is no way to the network.
    """
    from referencing.exceptions import Unresolvable  # noqa: PLC0415  jsonschema brings it

    place, places = place or file.place(), places or {}
    try:
        return list(shown(_explained(file, schema), file.path))
    except Unresolvable as error:
        reference = f"#{str(error.ref).removeprefix('#')}"
        return [Problem(f"$ref '{reference}' leads nowhere in the schema", places.get(reference, place))]
    except PatternError as error:
        return [Problem(str(error), places.get(error.pattern, place), "write it so that it can match in one way only")]
    except _EndlessError as error:
        return [Problem(str(error), places.get(error.reference, place), "let each $ref lead to a smaller part")]
    except (ValueError, TypeError):  # of an $id that is no URI, or a $ref through what is neither object nor list
        return [Problem("not valid JSON Schema: a $ref or an $id in it cannot be followed", place)]
    except RecursionError:
        return [Problem("the schema and the values are nested too deeply to be checked", place)]


def _explained(file: Document | Part, schema: Mapping[str, Any]) -> Iterator[Problem]:
    check, first = _Check(file.value), file.first if isinstance(file, Part) else 0
    if (fits := quick.compiled(schema, check.patterns)) and fits(file.value):
        return
    for error in check.validator(schema).iter_errors(file.value):
        if first and len(error.relative_path) > 1:
            error.relative_path[1] += first
        yield from explain(error, file)


class _Check:
    """The keywords that are ours, and what one check has to remember for them."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self.patterns = Patterns()
        self._active: set[tuple[str, int, int]] = set()
        self._left: int | None = None

    def validator(self, schema: Mapping[str, Any]) -> Any:
        """Return jsonschema's validator for draft 2020-12, with keywords of ours."""
        import jsonschema  # noqa: PLC0415  slow to import, and most commands validate nothing
        import referencing  # noqa: PLC0415  same

        base = jsonschema.Draft202012Validator
        ours: dict[str, Keyword] = {
            "pattern": self._pattern,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "multipleOf": _multiple_of,
            "uniqueItems": _unique_items,
            "$ref": self._guarded(base.VALIDATORS["$ref"]),
            "$dynamicRef": self._guarded(base.VALIDATORS["$dynamicRef"]),
        }
        # with $schema, what refers to the whole schema would be checked by jsonschema's own class again
        plain = {key: value for key, value in schema.items() if key != "$schema"}
        return jsonschema.validators.extend(base, ours)(  # type: ignore[no-untyped-call]
            plain, registry=referencing.Registry()
        )

    def _pattern(self, validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[ValidationError]:
        if validator.is_type(instance, "string") and not self.patterns.matches(pattern, instance):
            yield _error(f"{instance!r} does not match {pattern!r}")

    def _pattern_properties(
        self, validator: Any, patterns: Mapping[str, Any], instance: Any, _: Any
    ) -> Iterator[ValidationError]:
        if validator.is_type(instance, "object"):
            for pattern, subschema in patterns.items():
                for key, value in instance.items():
                    if self.patterns.matches(pattern, key):
                        yield from validator.descend(value, subschema, path=key, schema_path=pattern)

    def _additional_properties(
        self, validator: Any, rule: Any, instance: Any, schema: Mapping[str, Any]
    ) -> Iterator[ValidationError]:
        if not validator.is_type(instance, "object"):
            return
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        extra = [
            key
            for key in instance
            if key not in known and not any(self.patterns.matches(pattern, key) for pattern in patterns)
        ]
        for key in extra:
            if rule is False:
                yield _error(f"{key!r} is not allowed")
            else:
                yield from validator.descend(instance[key], rule, path=key)

    def _guarded(self, follow: Keyword) -> Keyword:
        """Follow a reference, unless it is being followed for the same value already, or too many were."""

        def keyword(validator: Any, reference: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
            step = (reference, id(schema), id(instance))
            if step in self._active:
                raise _EndlessError(reference, "leads back to itself without end")
            self._count(reference)
            self._active.add(step)
            try:
                yield from follow(validator, reference, instance, schema)
            finally:
                self._active.discard(step)

        return keyword

    def _count(self, reference: str) -> None:
        if self._left is None:
            self._left = max(_REFERENCES_MAX, _REFERENCES_EACH * _size(self._value))
        self._left -= 1
        if self._left < 0:
            raise _EndlessError(reference, "and others lead to the same value again and again")


def _multiple_of(validator: Any, step: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    """Compare as the numbers are written: 0.3 is a multiple of 0.1."""
    if validator.is_type(instance, "number") and (quick.exact(instance) / quick.exact(step)).denominator != 1:
        yield _error(f"{instance!r} is not a multiple of {step}")


def _unique_items(validator: Any, rule: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    """Compare items by their text, since jsonschema compares each with each."""
    if rule and validator.is_type(instance, "array"):
        texts = [canonical(_plain(item)) for item in instance]
        if len(set(texts)) < len(texts):
            yield _error(f"{instance!r} has non-unique elements")


def _plain(value: Any) -> Any:
    """Return the same form for numbers that are equal: to JSON Schema, 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def _size(value: Any) -> int:
    """Count the values in a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_size, inner))


def _error(message: str) -> ValidationError:
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415  as above

    return ValidationError(message)
