"""Others insert, update, delete and move rows meanwhile: what was ahead has its batch once, what was behind none."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlmigrate.events import Backfilling
from support.backfill import EMPTY_HISTORY, numbered, progress, script
from support.examples import examples
from support.sessions import beside
from support.waiting import LONG, wait_until

Key = tuple[Any, ...]

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
_WHEN = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis adds it
KINDS: dict[str, tuple[tuple[str, ...], st.SearchStrategy[Key]]] = {
    "number": (("bigint",), st.tuples(st.integers(-(2**63), 2**63 - 1))),
    "uuid": (("uuid",), st.tuples(st.uuids())),
    "text": (("text",), st.tuples(_TEXT)),
    "moment": (("timestamptz",), st.tuples(_WHEN)),
    "pair": (("text", "bigint"), st.tuples(st.sampled_from(["", "a", "B", "é"]), st.integers(-3, 3))),
}
"""The types of a key's columns, and values for them."""


@dataclass
class Case:
    """Rows of a table, the size of its batches, and what others do behind each of them."""

    kind: str
    keys: list[Key]
    size: int
    doings: list[list[tuple[str, int, Key]]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(sorted(KINDS)))
    keys = KINDS[kind][1]
    doing = st.tuples(st.sampled_from(["insert", "touch", "delete", "move"]), st.integers(0, 99), keys)
    return Case(
        kind,
        draw(st.lists(keys, max_size=12, unique=True)),
        draw(st.integers(1, 4)),
        draw(st.lists(st.lists(doing, max_size=4), max_size=4)),
    )


@dataclass
class Expected:
    """How often each row was changed by now, and which of them lie behind the batches."""

    session: psycopg.Connection[Any]
    case: Case
    times: dict[Key, int] = field(default_factory=dict)
    passed: set[Key] = field(default_factory=set)
    batches: int = 0

    @property
    def names(self) -> str:
        return ", ".join("ab"[: len(self.types)])

    @property
    def types(self) -> tuple[str, ...]:
        return KINDS[self.case.kind][0]

    @property
    def values(self) -> str:
        return ", ".join(f"%s::{name}" for name in self.types)

    def insert(self, key: Key) -> None:
        if key not in self.times:
            self.session.execute(f"INSERT INTO {self.case.kind} ({self.names}) VALUES ({self.values})", key)
            self.times[key] = 0

    def behind(self, position: list[str]) -> set[Key]:
        """Give the rows up to a position."""
        query = f"SELECT {self.names} FROM {self.case.kind} WHERE ({self.names}) <= ({self.values})"
        return set(self.session.execute(query, position).fetchall())

    def after_a_batch(self) -> None:
        """Look at what the batch has changed, and do what others do then."""
        position = progress(self.session)[1]
        for key in self.behind(position) - self.passed:
            self.times[key] += 1
        self.hold()
        for what, number, key in self._doings():
            getattr(self, what)(*([key] if what == "insert" else [number, key]))
        self.batches += 1
        self.passed = self.behind(position)

    def _doings(self) -> list[tuple[str, int, Key]]:
        return self.case.doings[self.batches] if self.batches < len(self.case.doings) else []

    def touch(self, number: int, _: Key) -> None:
        self._change("UPDATE {} SET note = 'seen' WHERE ({}) = ({})", number)

    def delete(self, number: int, _: Key) -> None:
        if (old := self._change("DELETE FROM {} WHERE ({}) = ({})", number)) is not None:
            del self.times[old]

    def move(self, number: int, key: Key) -> None:
        """Change a key: from behind the position to ahead of it, that row has a second batch."""
        if key in self.times:
            return
        change = f"UPDATE {{}} SET ({self.names}) = ROW ({self.values}) WHERE ({{}}) = ({{}})"
        if (old := self._change(change, number, *key)) is not None:
            self.times[key] = self.times.pop(old)

    def _change(self, statement: str, number: int, *before: object) -> Key | None:
        if not self.times:
            return None
        old = list(self.times)[number % len(self.times)]
        done = self.session.execute(statement.format(self.case.kind, self.names, self.values), [*before, *old])
        assert done.rowcount == 1
        return old

    def hold(self) -> None:
        rows = self.session.execute(f"SELECT {self.names}, coalesce(n, 0) FROM {self.case.kind}").fetchall()
        assert {row[:-1]: row[-1] for row in rows} == self.times


def test_rows_that_others_bring_change_and_take_away(runner, conn):
    for kind, (types, _) in KINDS.items():
        columns = ", ".join(f"{name} {of}" for name, of in zip("ab", types, strict=False))
        names = ", ".join("ab"[: len(types)])
        conn.execute(f"CREATE TABLE {kind} ({columns}, n integer, note text, PRIMARY KEY ({names}))")
    tell = runner.observe
    runner.write("a", "SELECT 1")
    runner.apply()

    @settings(max_examples=examples(20))
    @given(cases())
    def holds(case: Case) -> None:
        conn.execute(f"{EMPTY_HISTORY}; TRUNCATE {case.kind}")
        expected = Expected(conn, case)
        for key in case.keys:
            expected.insert(key)

        def observe(event):
            tell(event)
            if isinstance(event, Backfilling):
                expected.after_a_batch()

        runner.observe = observe
        lower, upper = (
            ", ".join(f"${at + n}" for n in range(len(expected.types))) for at in (1, 1 + len(expected.types))
        )
        bounds = f"({expected.names}) >= ({lower}) AND ({expected.names}) <= ({upper})"
        batch = f"table={case.kind} key={expected.names.replace(' ', '')} rows={case.size}..{case.size}"
        runner.write("a", script(f"UPDATE {case.kind} SET n = coalesce(n, 0) + 1 WHERE {bounds}", batch=batch))
        runner.apply()
        expected.hold()

    holds()


def test_others_write_while_batches_are_at_work(runner, conn, database):
    """Which of their rows are met is up to chance; those that were there before are changed once."""
    numbered(conn, 300)
    conn.execute("ALTER TABLE t ADD note text")
    other, over, written = database.connect(), threading.Event(), []

    def write():
        chance = random.Random(23)
        while not over.is_set():
            key = 3 * chance.randint(0, 300) + 1
            other.execute("INSERT INTO t (id) VALUES (%s) ON CONFLICT DO NOTHING", [key])
            other.execute("UPDATE t SET note = 'seen' WHERE id = %s", [3 * chance.randint(1, 300)])
            other.execute("DELETE FROM t WHERE id = %s", [3 * chance.randint(0, 300) + 1])
            written.append(key)

    runner.write("a", script(batch="table=t key=id rows=10..10"))
    with beside(write) as (writing,):
        try:
            wait_until(lambda: written, timeout=LONG)
            runner.apply()
        finally:
            over.set()
        writing.result(LONG)

    assert conn.execute("SELECT count(*), min(n), max(n) FROM t WHERE id % 3 = 0").fetchone() == (300, 1, 1)
    assert conn.execute("SELECT count(*) FROM t WHERE id % 3 <> 0 AND n > 1").fetchone() == (0,)
