"""Say in plain words how a value does not fit its JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Problem
from sqlmigrate.seeds.model import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jsonschema.exceptions import ValidationError

    from sqlmigrate.seeds.model import Located

_TYPES = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}
_MAX_MESSAGE = 240


def explain(error: ValidationError, file: Located) -> Iterator[Problem]:
    """Yield the problems behind one violation; of several allowed forms the one that came closest is judged."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415  slow to import

    error = best_match([error]) or error
    where = list(error.absolute_path)
    value: Any = error.instance
    rule: Any = error.validator_value
    label = _label(where)
    match error.validator:
        case "additionalProperties" if rule is False and isinstance(value, dict):
            allowed = dict(error.schema).get("properties", {}) if isinstance(error.schema, dict) else {}
            hint = f"allowed here: {_names(allowed)}" if allowed else None
            key = next(key for key in value if error.message == f"{key!r} is not allowed")
            yield Problem(f"{label}the key '{key}' is not allowed", file.place(where, key=key), hint)
        case "required":
            # Each missing key is reported by an error of its own; the message is all that names it.
            missing = next(key for key in rule if error.message.startswith(repr(key)))
            yield Problem(f"{label}'{missing}' is missing", file.place(where))
        case "type":
            allowed = [rule] if isinstance(rule, str) else rule
            wanted = " or ".join(_TYPES.get(name, name) for name in allowed)
            hint = "put it in quotes" if "string" in allowed and not isinstance(value, dict | list) else None
            yield Problem(f"{label}must be {wanted}, not {_describe(value)}", file.place(where), hint)
        case "enum":
            choices = ", ".join(quoted(choice) for choice in rule)
            yield Problem(f"{label}{_describe(value)} is not one of {choices}", file.place(where))
        case "anyOf" | "oneOf" if error.context:
            yield Problem(f"{label}{_describe(value)} fits none of the allowed forms", file.place(where))
        case _:
            yield Problem(f"{label}{_shortened(error)}", file.place(where))


def _label(where: Iterable[str | int]) -> str:
    """Return the path of a value in front of a message, as in `agents[0].config.temperature: `."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return f"{text.removeprefix('.')}: " if text else ""


def _names(keys: Iterable[str]) -> str:
    return ", ".join(f"'{key}'" for key in keys)


def _describe(value: Any) -> str:
    """Name a value shortly: its kind, and its content only where that is small."""
    match value:
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {quoted(value)}"
    return quoted(value)


def _shortened(error: ValidationError) -> str:
    """Return jsonschema's own message with the value cut short; whole mappings are never shown."""
    message = error.message.replace(repr(error.instance), _describe(error.instance))
    return message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}..."
