"""A snapshot as plain data, for what is kept of a server together with the schema of its database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlmigrate.schema.model import Name, Schema
from sqlmigrate.schema.read import KEPT, Origin, Snapshot, all_objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.schema.model import Value


def kept(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot for those servers that go on from where its own was stopped."""
    return replace(snapshot, origin=replace(snapshot.origin, server=KEPT))


def as_data(snapshot: Snapshot) -> list[Any]:
    """Return a snapshot as lists, numbers and texts."""
    units = [[unit, [_row(*item) for item in objects.items()]] for unit, objects in snapshot.units.items()]
    return [sorted(snapshot.origin.leave_out), list(snapshot.stamps.items()), units]


def from_data(data: list[Any]) -> Snapshot:
    """Return the snapshot of such data, as it was kept."""
    leave_out, stamps, rows = data
    units = {unit: dict(map(_object, found)) for unit, found in rows}
    return Snapshot(Schema(all_objects(units)), Origin(KEPT, frozenset(leave_out), cluster=False), dict(stamps), units)


def _row(name: Name, properties: Mapping[str, Value]) -> list[Value]:
    return [*name, *(part for item in properties.items() for part in item)]


def _object(row: list[Any]) -> tuple[Name, dict[str, Value]]:
    values = (tuple(value) if isinstance(value, list) else value for value in row[3::2])
    return Name(row[0], row[1]), dict(zip(row[2::2], values, strict=True))
