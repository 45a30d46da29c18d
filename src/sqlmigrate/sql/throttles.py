"""Read what a statement that runs in batches waits for between two of them: `-- sqlmigrate-throttle: KEY=VALUE ...`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.sql.directives import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE = re.compile(r"([0-9]{1,9})(kB|MB|GB|TB)")
_UNITS = {"kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_NUMBER = re.compile(r"[0-9]{1,6}")
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Throttles:
    """What holds the next batch back; None means that it does not.

    `lag` is how many milliseconds a standby may lag, `waiters` how many sessions may wait behind a batch, `vacuum` that
    a vacuum of the table is waited for, `wal` how many bytes of WAL the server may write in a second, `oldest` how
    many milliseconds a transaction of others may be old, `slots` how many bytes of WAL a replication slot may keep,
    `archive` how many may wait to be archived.
    `query` holds the next batch back while it gives true.
    """

    lag: int | None = None
    waiters: int | None = None
    vacuum: str | None = None
    wal: int | None = None
    oldest: int | None = None
    slots: int | None = None
    archive: int | None = None
    query: str | None = None


def _time(text: str) -> int:
    if (value := parse_duration(text)) == 0:
        raise ValueError("0 would hold every batch back; give a time such as 5s")
    return value


def _waiters(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"waiters is a number of sessions, such as 0, not {text[:_SHOWN]!r}")
    return int(text)


def _vacuum(text: str) -> str:
    if text != "wait":
        raise ValueError(f"vacuum is wait, not {text[:_SHOWN]!r}")
    return text


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if not match or not int(match[1]):
        raise ValueError(f"write a size such as 500MB or 10GB, not {text[:_SHOWN]!r}")
    return int(match[1]) * _UNITS[match[2]]


def _rate(text: str) -> int:
    if not text.endswith("/s"):
        raise ValueError(f"wal is a rate such as 50MB/s, not {text[:_SHOWN]!r}")
    return _size(text.removesuffix("/s"))


def _query(text: str) -> str:
    if not text.strip():
        raise ValueError('query is one query that gives true while batches are to wait: query="SELECT ..."')
    return text


KEYS: dict[str, Callable[[str], object]] = {
    "lag": _time,
    "waiters": _waiters,
    "vacuum": _vacuum,
    "wal": _rate,
    "oldest": _time,
    "slots": _size,
    "archive": _size,
    "query": _query,
}
"""What a `-- sqlmigrate-throttle:` may say, and how each value is read; ValueError where it is none."""
