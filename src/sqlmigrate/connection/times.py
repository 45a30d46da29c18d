"""Times of a server that Python has no value for: `infinity`, years before Christ and those behind 9999."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.datetime import TimestampLoader, TimestamptzLoader

if TYPE_CHECKING:
    from psycopg.abc import Buffer

_FIRST, _LAST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001  a day from the end: zones may move it


def take_all_times(session: psycopg.Connection[Any]) -> None:
    """Read such a time as the first or the last one: a row that somebody has written is no reason to fail."""
    session.adapters.register_loader("timestamp", _Timestamp)
    session.adapters.register_loader("timestamptz", _Timestamptz)


class _Timestamp(TimestampLoader):
    def load(self, data: Buffer) -> datetime:
        """Return the time, or the first or last one that Python has."""
        try:
            return super().load(data)
        except psycopg.DataError:
            return _end(data)


class _Timestamptz(TimestamptzLoader):
    def load(self, data: Buffer) -> datetime:
        """Return the time, or the first or last one that Python has."""
        try:
            return super().load(data)
        except psycopg.DataError:
            return _end(data).replace(tzinfo=UTC)


def _end(data: Buffer) -> datetime:
    text = bytes(data)
    return _FIRST if text.startswith(b"-") or text.endswith(b"BC") else _LAST
