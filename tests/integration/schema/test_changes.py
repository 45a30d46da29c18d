"""Every single change of a schema is seen, is gone with its inverse, and is found by reading the rest anew, too."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from sqlmigrate.schema.diff import as_text, compare, is_order
from sqlmigrate.schema.read import Snapshot, read_schema
from support.schema_changes import Case, read_cases

CASES = read_cases()


def both_ways(session: psycopg.Connection[Any], since: Snapshot) -> Snapshot:
    """Read in whole, after having made sure that reading what has changed gives the same."""
    full = read_schema(session, cluster=True)
    partly = read_schema(session, cluster=True, since=since)
    assert as_text(compare(full.schema, partly.schema)) == []
    assert partly.schema == full.schema
    return partly


def skip_unless_possible(session: psycopg.Connection[Any], case: Case) -> None:
    if session.info.server_version < int(case.since) * 10000:
        pytest.skip(f"PostgreSQL {case.since} or newer")
    if session.info.server_version // 10000 > int(case.until):
        pytest.skip(f"PostgreSQL {case.until} or older")
    query = "SELECT 1 FROM pg_available_extensions WHERE name = %s"
    if case.extension and not session.execute(query, [case.extension]).fetchone():
        pytest.skip(f"no extension {case.extension}")


def test_there_are_at_least_a_hundred_changes():
    assert len([case for case in CASES if case.seen]) >= 100


@pytest.mark.parametrize("case", [case for case in CASES if case.seen], ids=str)
def test_a_single_change_is_seen_and_gone_with_its_inverse(case, rich, start):
    skip_unless_possible(rich, case)
    if case.setup:
        rich.execute(case.setup)
    before = read_schema(rich, cluster=True, since=start)

    rich.execute("SAVEPOINT before")
    rich.execute(case.do)
    after = both_ways(rich, before)
    rich.execute(case.undo)
    again = both_ways(rich, after)

    text = as_text(compare(before.schema, after.schema))
    assert any(case.seen in line for line in text), text
    assert as_text(compare(before.schema, again.schema)) == []
    assert before.schema.fingerprint() == again.schema.fingerprint() != after.schema.fingerprint()


@pytest.mark.parametrize("case", [case for case in CASES if not case.seen], ids=str)
def test_what_does_not_change_a_schema_is_not_seen(case, rich, start):
    before = read_schema(rich, cluster=True, since=start)
    rich.execute(case.do)

    assert as_text(compare(before.schema, both_ways(rich, before).schema)) == []


def test_a_column_dropped_and_added_again_stands_elsewhere_and_nothing_else_differs(rich, start):
    before = read_schema(rich, cluster=True, since=start)
    rich.execute("ALTER TABLE app.items DROP COLUMN id; ALTER TABLE app.items ADD COLUMN id integer")
    changes = compare(before.schema, both_ways(rich, before).schema)

    assert all(map(is_order, changes))
    assert as_text(changes) == ["~ column app.items.id: position 1 -> 3"]
