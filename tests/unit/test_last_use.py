"""When something was last used: what is evidence, and what only looks like it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sqlmigrate.sql.script import read_script
from sqlmigrate.sql.statement.names import Named
from sqlmigrate.sql.statement.removals import Removals, Removed, removals_of
from sqlmigrate.usage.counted import Counted, Row
from sqlmigrate.usage.finding import find_in_statements
from sqlmigrate.usage.found import Object
from sqlmigrate.usage.model import Use

NOW = datetime(2026, 6, 1, tzinfo=UTC)
START = NOW - timedelta(days=14)
GOOD = Counted((), NOW, NOW - timedelta(days=31), "all", utility=True, collects=True, evicted=0, unread=0)
FAX = Removed("column", "drops", Named("", "customers"), "fax", 1)


def use(counted: Counted, *texts: str) -> Use:
    rows = tuple(Row(text, "shop", 7, 1.0) for text in texts)
    item = Object("column", (FAX.name,), (), FAX, "fax")
    return find_in_statements(item, replace(counted, rows=rows), start=START)


def test_what_no_statement_names_was_not_used():
    found = use(GOOD, "SELECT name FROM customers", "SELECT fax FROM orders")

    assert found.verdict == "unused"
    assert found.said == "column customers.fax was not used by any of 2 statements in 31 days"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"since": NOW - timedelta(days=1)}, "statements are counted only since 2026-05-31 00:00:00+00:00"),
        ({"since": None}, "it is not known since when statements are counted"),
        ({"evicted": 3}, "statements were thrown out 3 times to make room"),
        ({"evicted": None}, "whether statements were thrown out is not known"),
        ({"unread": 12}, "the texts of 12 statements cannot be read: the role needs pg_read_all_stats"),
        ({"collects": False}, "pg_stat_statements counts nothing now"),
    ],
)
def test_what_is_no_evidence_is_said_and_a_use_is_one_all_the_same(changed, why):
    counted = replace(GOOD, **changed)

    assert use(counted).verdict == "unknown"
    assert why in use(counted).said
    assert use(counted, "SELECT fax FROM customers").verdict == "used"


def test_what_is_not_covered_is_noted():
    found = use(replace(GOOD, track="top", utility=False), "COPY public.customers (id, fax) TO stdout")

    assert found.verdict == "unused"
    assert len([note for note in found.notes if "COPY as pg_dump" in note or "not counted" in note]) == 3


def test_a_statement_that_cannot_be_read_uses_what_it_names_and_values_are_not_shown():
    assert use(GOOD, "SELECT fax FROM customers WHERE").verdict == "used"
    assert use(GOOD, "SELECT name FROM customers WHERE").verdict == "unused"
    assert "4711" not in use(GOOD, "DO $$BEGIN UPDATE customers SET fax = '4711'; END$$").said


def removals(folder: Path, text: str) -> Removals:
    path = folder / "a.sql"
    path.write_text(text)
    return removals_of(read_script(path)[0])


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("DROP TABLE a, b.c", ["drops relation a", "drops relation b.c"]),
        ("DROP MATERIALIZED VIEW a; DROP INDEX CONCURRENTLY b", ["drops relation a", "drops relation b"]),
        ("DROP FUNCTION a.f(int); DROP PROCEDURE p", ["drops routine a.f", "drops routine p"]),
        ("ALTER TABLE a DROP COLUMN x, DROP y CASCADE", ["drops column a.x", "drops column a.y"]),
        ("ALTER TABLE a DROP CONSTRAINT k", ["drops constraint a.k"]),
        ("ALTER TABLE a RENAME x TO y", ["renames column a.x"]),
        ("ALTER VIEW a RENAME TO b; ALTER INDEX i RENAME TO j", ["renames relation a", "renames relation i"]),
        ("ALTER TABLE a SET SCHEMA b", ["moves relation a"]),
        ("DROP SCHEMA a CASCADE", ["drops schema a"]),
        ("DROP TRIGGER t ON a; DROP POLICY p ON a; ALTER TABLE a DISABLE TRIGGER ALL", []),
        ("DO $$BEGIN IF true THEN DROP TABLE a; END IF; END$$", ["drops relation a"]),
        ("CREATE TABLE a (x int); SELECT 'DROP TABLE a'", []),
    ],
)
def test_what_a_script_drops_or_renames_is_found(tmp_path, text, objects):
    found = removals(tmp_path, text + ";")

    assert ([f"{item.how} {item}" for item in found.objects], found.unclear) == (objects, [])


@pytest.mark.parametrize(
    "text",
    [
        "DO $$BEGIN EXECUTE format('DROP TABLE %I', 'a'); END$$",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN DROP TABLE a; END$$; SELECT f()",
        "DROP TYPE t",
        "DROP EXTENSION e",
        "DROP OWNED BY r",
        "ALTER TYPE t RENAME ATTRIBUTE a TO b",
        "DROP TABLE a WITH SOMETHING NEW",
    ],
)
def test_what_cannot_be_told_is_unclear(tmp_path, text):
    assert len(removals(tmp_path, text + ";").unclear) == 1
