"""An event as plain data: what `--events` writes, a line each, and what hooks are given.

`VERSION` rises when a field goes or changes its meaning; new fields and new events may come without it.
`docs/events.schema.json` is made from the types.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Place, redact

if TYPE_CHECKING:
    from sqlmigrate.events import Event

VERSION = 1
_DECIMALS = 6
_INNER_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def record(event: Event, *, run_id: str, command: str) -> dict[str, Any]:
    """Return an event as plain data for `json.dumps`, with the time now in UTC; passwords are blanked out."""
    values = {field.name: plain(getattr(event, field.name)) for field in fields(event)}
    head = {"version": VERSION, "at": utc(datetime.now(UTC)), "run_id": run_id, "command": command}
    return {**head, "event": name_of(type(event)), "migration_id": None, **values}


def name_of(kind: type) -> str:
    """Return the name of an event in records: `ScriptStarted` is `script_started`."""
    return _INNER_CAPITAL.sub("_", kind.__name__).lower()


def utc(moment: datetime) -> str:
    """Write a moment in UTC, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """Return a value of an event as JSON has it."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, Place):
        return {"file": str(value.path), "line": value.line, "column": value.column}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return value
