"""Write docs/events.schema.json from the classes of the events: python tools/event_schema.py."""

from __future__ import annotations

import inspect
import json
import types
import typing
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmigrate import events
from sqlmigrate.errors import Place, ServerMessage
from sqlmigrate.events import record

TARGET = Path(__file__).parent.parent / "docs" / "events.schema.json"
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_NULLABLE = {"type": ["string", "null"]}
_PLACE = {
    "type": "object",
    "description": "A place in a file; line and column count from 1, the column in characters.",
    "properties": {"file": {"type": "string"}} | {key: {"type": ["integer", "null"]} for key in ("line", "column")},
    "required": ["file", "line", "column"],
}


def schema() -> dict[str, Any]:
    """Give the JSON Schema of one line."""
    definitions: dict[str, Any] = {"Place": _PLACE}
    kinds = typing.get_args(events.Event)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of sqlmigrate: one line of a file of --events, and what a hook reads",
        "type": "object",
        "oneOf": [_event(kind, definitions) for kind in kinds],
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """Give the schema as the file holds it."""
    return json.dumps(schema(), indent=2) + "\n"


def _event(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    own = _object(kind, definitions)
    head = {
        "version": {"const": record.VERSION},
        "at": {"type": "string", "format": "date-time"},
        "run_id": {"type": "string"},
        "command": {"type": "string"},
        "event": {"const": record.name_of(kind)},
        "migration_id": _NULLABLE,
    }
    own["properties"] = head | own["properties"]
    own["required"] = list(own["properties"])
    return own


def _object(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    names = {"Place": Place, "datetime": datetime, "ServerMessage": ServerMessage}
    hints = typing.get_type_hints(kind, localns=names)
    named = {field.name: _type(hints[field.name], definitions) for field in fields(kind)}
    description = " ".join((inspect.getdoc(kind) or "").split())
    return {"type": "object", "description": description, "properties": named, "required": list(named)}


def _type(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if hint is datetime:
        return {"type": "string", "format": "date-time"}
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0], definitions)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_type(argument, definitions) for argument in arguments]}
    if not is_dataclass(hint):
        raise TypeError(f"no JSON Schema for {hint}")
    name = hint.__name__  # type: ignore[union-attr]
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _object(hint, definitions)
    return {"$ref": f"#/$defs/{name}"}


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
