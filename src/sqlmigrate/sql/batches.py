"""Read the remarks before a statement that let it run in batches.

`-- sqlmigrate-batch: table=NAME key=COLUMN,... [time=DURATION] [rows=MIN..MAX]` says how,
`-- sqlmigrate-throttle: KEY=VALUE ...` what to wait for between two batches, and
`-- sqlmigrate-verify: SELECT ...` what must be true behind the last one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.errors import Problem
from sqlmigrate.sql import throttles
from sqlmigrate.sql.directives import BATCH, PAIR, REMARK, THROTTLE, VERIFY, gaps, line_comments, parse_duration
from sqlmigrate.sql.position import place_at
from sqlmigrate.sql.throttles import Throttles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

# a letter, _ or what is beyond ASCII, written by what it is not, which compiles ten times faster
_NAME = r"""(?:"(?:[^"]|"")+"|[^\x00-@\[-\^`{-\x7f][\w$]*)"""
_PATH = re.compile(rf"({_NAME})(?:\.({_NAME}))?")
_COLUMNS = re.compile(rf"{_NAME}(?:[ \t]*,[ \t]*{_NAME})*")
_ONE_NAME = re.compile(_NAME)
_ROWS = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")
CTID = "ctid"
"""The system column that tells where a row lies."""
_COLUMNS_MAX = 32  # of an index, as PostgreSQL is built
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Batched:
    """How a statement runs in batches; `offset` is where it begins, `at` where the remark that says so stands.

    `table` is one name, or that of a schema and one; `key` are the columns by which batches are cut. A batch should
    take `time` milliseconds and has between `rows[0]` and `rows[1]` rows. `verify` is a query that must be true behind
    the last batch; it stands at `verify_at`, and the remark with `throttles` at `throttle_at`.
    """

    offset: int
    at: int
    table: tuple[str, ...]
    key: tuple[str, ...]
    time: int = 500
    rows: tuple[int, int] = (1, 100_000)
    verify: str | None = None
    verify_at: int = 0
    throttles: Throttles = field(default_factory=Throttles)
    throttle_at: int = 0

    @property
    def by_place(self) -> bool:
        """Whether batches are cut by where rows lie, `key=ctid`, so that a row that moves may be in two of them."""
        return self.key == (CTID,)

    @property
    def parameters(self) -> int:
        """How many parameters its statement has: a lower and an upper bound for each column of the key."""
        return 2 * len(self.key)


@dataclass(slots=True)
class _Reading:
    """What the remarks before one statement say."""

    values: dict[str, object] = field(default_factory=dict)
    throttles: dict[str, object] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)


def read_batched(text: str | None) -> dict[int, Batched]:
    """Read which statements of a script run in batches, by where they begin; what is badly written is a problem."""
    found = {}
    for offset, read, _ in _readings(text):
        if {"table", "key"} <= read.values.keys() and not read.problems:
            found[offset] = Batched(
                offset,
                read.at[BATCH],
                verify_at=read.at.get(VERIFY, 0),
                throttles=Throttles(**read.throttles),  # type: ignore[arg-type]
                throttle_at=read.at.get(THROTTLE, 0),
                **read.values,  # type: ignore[arg-type]
            )
    return found


def batch_problems(path: Path, text: str) -> list[Problem]:
    """Find what is wrong with these remarks, as far as they themselves tell."""
    found = []
    for _, read, is_last in _readings(text):
        found += read.problems
        if read.at and is_last:
            found.append((min(read.at.values()), "no statement follows that could run in batches"))
        elif read.at and BATCH not in read.at:
            found.append((min(read.at.values()), "there is no `-- sqlmigrate-batch:` before this statement"))
    return [Problem(message, place_at(path, text, offset)) for offset, message in sorted(found)]


def _readings(text: str | None) -> Iterator[tuple[int, _Reading, bool]]:
    """Yield what stands before each statement: where that begins, what was read, and whether there is none."""
    if text is None or "sqlmigrate-" not in text:
        return
    between = gaps(text, 0)
    for gap in between:
        read = _Reading()
        for hit in line_comments(REMARK, text, *gap):
            if hit[2] in (BATCH, VERIFY, THROTTLE):
                _read(hit, read)
        yield gap[1], read, gap == between[-1]


def _read(hit: re.Match[str], read: _Reading) -> None:
    name = hit[2]
    if name in read.at:
        read.problems.append((hit.start(1), f"{hit[1]} is there twice before this statement"))
        return
    read.at[name] = hit.start(1)
    if not hit[3]:
        read.problems.append((hit.start(1), f"write `-- {hit[1]}:`, with a colon"))
    elif name == VERIFY:
        _read_verify(hit, read)
    elif name == THROTTLE:
        _read_pairs(hit, read, throttles.KEYS, read.throttles)
    else:
        _read_pairs(hit, read, KEYS, read.values)
        if missing := [key for key in ("table", "key") if key not in read.values and not read.problems]:
            read.problems.append((hit.start(1), f"{' and '.join(missing)} is missing: write table=NAME key=COLUMN"))


def _read_verify(hit: re.Match[str], read: _Reading) -> None:
    query = hit[4].strip()
    if not query:
        read.problems.append((hit.start(1), "write `-- sqlmigrate-verify: SELECT ...`, a query that gives true"))
    read.values["verify"] = query
    read.at[VERIFY] = hit.end(4) - len(hit[4].lstrip())


def _read_pairs(
    hit: re.Match[str], read: _Reading, keys: Mapping[str, Callable[[str], object]], values: dict[str, object]
) -> None:
    start, value = hit.start(4), hit[4]
    rest = PAIR.sub(lambda pair: " " * len(pair[0]), value)
    if rest.strip():
        at = start + len(rest) - len(rest.lstrip())
        read.problems.append((at, f"write `-- {hit[1]}: key=value ...`; {rest.split()[0][:_SHOWN]!r} is no key=value"))
    for pair in PAIR.finditer(value):
        key, raw = pair.groups()
        try:
            values[key] = _value(key, raw, keys, values)
        except ValueError as error:
            read.problems.append((start + pair.start(), str(error)))


def _value(key: str, raw: str, keys: Mapping[str, Callable[[str], object]], known: dict[str, object]) -> object:
    if key not in keys:
        raise ValueError(f"unknown key {key!r}; the keys are {', '.join(sorted(keys))}")
    if key in known:
        raise ValueError(f"{key} is set twice")
    return keys[key](raw[1:-1] if raw[0] in "\"'" else raw)


def _table(text: str) -> tuple[str, ...]:
    if not (match := _PATH.fullmatch(text.strip())):
        raise ValueError(f"table is a name, or a schema and a name such as public.users, not {text[:_SHOWN]!r}")
    return tuple(_folded(name) for name in match.groups() if name)


def _key(text: str) -> tuple[str, ...]:
    if not _COLUMNS.fullmatch(text.strip()):
        raise ValueError(f"key is a column, or several with commas such as tenant,id, not {text[:_SHOWN]!r}")
    columns = tuple(_folded(name[0]) for name in _ONE_NAME.finditer(text))
    if len(set(columns)) < len(columns) or len(columns) > _COLUMNS_MAX:
        raise ValueError("key names a column twice, or more columns than an index can have")
    if CTID in columns and len(columns) > 1:
        raise ValueError("ctid tells where a row lies, and is a key without other columns")
    return columns


def _folded(name: str) -> str:
    """Return a name as PostgreSQL keeps it: what is not quoted in lower case."""
    return name[1:-1].replace('""', '"') if name[0] == '"' else name.lower()


def _time(text: str) -> int:
    if (value := parse_duration(text)) == 0:
        raise ValueError("time is how long a batch should take, such as 500ms; 0 is no such time")
    return value


def _rows(text: str) -> tuple[int, int]:
    match = _ROWS.fullmatch(text.strip())
    if not match or not 0 < int(match[1]) <= int(match[2]):
        raise ValueError(f"rows is the least and the most of a batch, such as rows=100..50000, not {text[:_SHOWN]!r}")
    return int(match[1]), int(match[2])


KEYS: dict[str, Callable[[str], object]] = {"table": _table, "key": _key, "time": _time, "rows": _rows}
"""What a `-- sqlmigrate-batch:` may say, and how each value is read; ValueError where it is none."""
