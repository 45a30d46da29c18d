"""Servers that begin with what is kept find there what the scripts have made, for as long as it is true."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import ExitStack

import pytest

from sqlmigrate import events, roundtrip, shadow
from sqlmigrate.config import Config
from sqlmigrate.engine import Options
from sqlmigrate.roundtrip import Runner
from sqlmigrate.schema.rows import Reader
from sqlmigrate.shadow import Settings
from support.kept import HISTORY, SIZE, Run, behind

pytestmark = pytest.mark.pg


def test_a_second_run_begins_behind_what_came_before(history):
    first, second, fresh = Run(history), Run(history), Run(history, cache=0)

    assert (first.taken, first.kept) == (0, [(6, False)])
    assert (second.taken, second.kept) == (6, [])
    assert (fresh.taken, fresh.kept, fresh.told) == (None, [], [])
    assert first.verdicts == second.verdicts == fresh.verdicts
    assert first.verdicts[0][:2] == ("7", "exact")


def test_what_is_taken_holds_all_that_the_scripts_made(history):
    made, taken, fresh = behind(history), behind(history), behind(history, cache=0)

    assert any(isinstance(event, events.Taken) and event.done == 6 for event in taken[2])
    assert made[:2] == taken[:2] == fresh[:2]
    assert taken[1][1:] == (1000, 2, "12MB", 1000)


def test_another_setting_of_the_target_makes_another_state(history):
    tokyo, cairo = (Settings({"timezone": zone}) for zone in ("Asia/Tokyo", "Africa/Cairo"))
    first, second, third = (Run(history, settings=settings) for settings in (tokyo, tokyo, cairo))

    assert [first.taken, second.taken, third.taken] == [0, 6, 0]
    assert [dict(run.trips[0].settings) for run in (second, third)] == [dict(tokyo.values), dict(cairo.values)]


OF_ANOTHER = """
CREATE FUNCTION g() RETURNS date LANGUAGE sql AS 'SELECT current_date';
CREATE FUNCTION h() RETURNS date LANGUAGE sql AS 'SELECT g()';
SELECT h();
DROP FUNCTION h();
"""
DAY = "DO $$BEGIN EXECUTE format('CREATE TABLE day_%s ()', to_char(now(), 'YYYYMMDD')); END$$;"


def test_what_depends_on_the_day_is_kept_for_it_only(history, monkeypatch):
    history.migration("6", DAY)
    first, again = Run(history), Run(history)
    monkeypatch.setattr("sqlmigrate.shadow.bases.Bases._day", lambda _: "of another day")
    tomorrow = Run(history)

    assert (first.kept, again.taken, tomorrow.taken) == ([(6, True)], 6, 0)
    assert tomorrow.kept == [(6, True)]


def test_of_the_schema_that_was_kept_what_has_changed_is_read_again(history, monkeypatch):
    Run(history, "6")
    reads = []

    def spy(reader: Reader, units: Collection[int], files: Iterable[str]) -> None:
        reads.append(len(units))
        read(reader, units, files)

    read = Reader.read
    monkeypatch.setattr(Reader, "read", spy)
    history.migration("6", "CREATE VIEW v AS SELECT name FROM a;\nALTER TABLE a RENAME COLUMN name TO title;")
    taken, first = Run(history), reads[:]
    reads.clear()
    fresh = Run(history, cache=0)

    assert (taken.taken, taken.verdicts) == (5, fresh.verdicts)
    assert first[0] < reads[0]


@pytest.mark.parametrize(
    "script",
    [
        "CREATE FUNCTION g() RETURNS date LANGUAGE sql AS 'SELECT current_date';\nCREATE TABLE t AS SELECT g() AS at;",
        OF_ANOTHER,
        "CREATE VIEW w AS SELECT current_date AS d;\nCREATE TABLE t AS SELECT * FROM w;",
    ],
    ids=["function", "function of a function", "view"],
)
def test_what_scripts_call_is_looked_into(history, script):
    history.migration("6", script)

    assert Run(history).kept == [(6, True)]


def test_a_function_of_an_earlier_migration_is_looked_into(history):
    history.migration("5", "CREATE FUNCTION g() RETURNS date LANGUAGE plpgsql AS 'BEGIN RETURN current_date; END';")
    history.migration("6", "CREATE TABLE t AS SELECT g() AS at;")
    assert Run(history, "6").kept == [(5, False)]

    found = Run(history)
    assert (found.taken, found.kept) == (5, [(6, True)])


def test_what_only_writes_the_clock_down_is_kept_for_good(history):
    history.migration(
        "6",
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.at := now(); RETURN NEW; END$$;\n"
        "CREATE TRIGGER stamp BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION stamp();\n"
        "INSERT INTO a (name) SELECT lower('THREE');",
    )

    assert Run(history).kept == [(6, False)]


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE t (at date CHECK (at > current_date));\nINSERT INTO t VALUES ('infinity');",
        (
            "CREATE DOMAIN future AS date CHECK (VALUE > current_date);\nCREATE TABLE t (at future);\n"
            "INSERT INTO t VALUES ('infinity');"
        ),
        (
            "CREATE FUNCTION passed(date) RETURNS boolean LANGUAGE sql AS 'SELECT $1 < current_date';\n"
            "CREATE TABLE t (at date CHECK (NOT passed(at)));\nINSERT INTO t VALUES ('infinity');"
        ),
        (
            "CREATE TABLE t (at timestamptz DEFAULT now()) PARTITION BY RANGE (at);\n"
            "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);\n"
            "INSERT INTO t DEFAULT VALUES;"
        ),
        (
            "CREATE TABLE t (at timestamp DEFAULT now()) PARTITION BY RANGE (date_part('year', at));\n"
            "CREATE TABLE t1 PARTITION OF t DEFAULT;\nINSERT INTO t DEFAULT VALUES;"
        ),
        "ALTER TABLE a ADD CHECK (at <= now());",
        (
            "ALTER TABLE a ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;\n"
            "CREATE POLICY p ON a USING (at <= now());\nINSERT INTO a (name) VALUES ('three');"
        ),
    ],
    ids=["check", "domain", "function", "partition", "expression", "validated", "policy"],
)
def test_what_is_asked_of_rows_by_the_clock_is_kept_for_a_day(history, script):
    history.migration("6", script)

    assert Run(history).kept == [(6, True)]


@pytest.mark.parametrize(
    "script",
    [
        "DO $$DECLARE d date; BEGIN SELECT max(at) INTO d FROM a; EXECUTE format('CREATE TABLE %I ()', d); END$$;",
        (
            "CREATE FUNCTION part() RETURNS void LANGUAGE plpgsql AS $$BEGIN "
            "EXECUTE format('CREATE TABLE %I ()', (SELECT max(at)::date FROM a)); END$$;\nSELECT part();"
        ),
        (
            "CREATE VIEW newest AS SELECT max(at)::date AS d FROM a;\n"
            "DO $$BEGIN EXECUTE format('CREATE TABLE %I ()', (SELECT d FROM newest)); END$$;"
        ),
    ],
    ids=["block", "function", "view"],
)
def test_a_schema_that_is_made_by_rows_with_the_clock_is_kept_for_a_day(history, script):
    history.migration("6", script)

    assert Run(history).kept == [(6, True)]


def test_a_block_that_reads_no_such_row_is_kept_for_good(history):
    history.migration(
        "6", "DO $$BEGIN IF EXISTS (SELECT FROM b) THEN EXECUTE 'ALTER TABLE a ADD more integer'; END IF; END$$;"
    )

    assert Run(history).kept == [(6, False)]


def test_a_check_in_a_zone_of_its_own_is_not_kept(history):
    history.migration(
        "6",
        "CREATE TABLE t (at date CHECK (at > (now() AT TIME ZONE 'Asia/Tokyo')::date));\n"
        "INSERT INTO t VALUES ('infinity');",
    )
    found = Run(history)

    assert found.kept == []
    assert "zone of its own" in found.reasons


def test_a_clock_in_a_zone_of_its_own_is_not_kept(history):
    history.migration("6", "CREATE TABLE t AS SELECT (now() AT TIME ZONE 'Asia/Tokyo')::date AS d;")
    found = Run(history)

    assert found.kept == []
    assert "zone of its own" in found.reasons


def test_a_role_that_a_migration_makes_is_there(history):
    history.migration("6", "CREATE ROLE maker;\nGRANT SELECT ON a TO maker;")
    history.file("bootstrap/1.sql", "ALTER ROLE migrator CREATEROLE;")
    first, second = Run(history), Run(history)

    assert (first.kept, second.taken) == ([(6, False)], 6)
    assert first.verdicts == second.verdicts
    assert first.verdicts[0][-1] == ()


def test_a_base_is_as_it_was_kept_until_somebody_works_in_it(history):
    behind(history)
    before = history.load().ordered[: len(HISTORY)]
    config = Config(migrations=history.directory, cache_size=SIZE)
    wanted = shadow.wanted(config, [item.script for item in before], before=roundtrip.before(before, Options()))

    with shadow.opened(wanted) as server, ExitStack() as stack:
        runner = Runner(server, Options())
        ground = runner.ground(stack, before)
        assert ground.is_as_kept
        fork = ground.fork(stack)
        assert fork.is_as_kept

        runner.replay_all(history.load().ordered[len(HISTORY) :], fork)
        assert not fork.is_as_kept
        assert ground.is_as_kept
