"""Write docs/review.schema.json from the classes of the review's model: python tools/report_schema.py."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from sqlmigrate.review import model

TARGET = Path(__file__).parent.parent / "docs" / "review.schema.json"
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def schema() -> dict[str, Any]:
    """Give the JSON Schema of a report."""
    definitions: dict[str, Any] = {}
    report = _object(model.Report, definitions)
    report["properties"] = {"version": {"const": model.VERSION}, "command": {"const": "review"}} | report["properties"]
    report["required"] = ["version", "command", *report["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of sqlmigrate review",
        **report,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """Give the schema as the file holds it."""
    return json.dumps(schema(), indent=2) + "\n"


def _object(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    named = {field.name: _type(hints[field.name], definitions) for field in fields(cls)}
    description = " ".join((inspect.getdoc(cls) or "").split())
    # Other programs may rely on a field that has a default just as well: asdict writes all of them.
    assert all(field.default_factory is MISSING for field in fields(cls))  # noqa: S101  a promise of the model
    return {"type": "object", "description": description, "properties": named, "required": list(named)}


def _type(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0], definitions)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_type(argument, definitions) for argument in arguments]}
    if origin is Mapping:
        return {"type": "object"}
    if not is_dataclass(hint):
        raise TypeError(f"no JSON Schema for {hint}")
    name = hint.__name__  # type: ignore[union-attr]
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _object(hint, definitions)
    return {"$ref": f"#/$defs/{name}"}


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
