"""Which COMMIT of a run leaves its flush to a later one, and which never does."""

from __future__ import annotations

import pytest
from psycopg.conninfo import make_conninfo

from sqlmigrate.events import MadeDurable, ScriptFinished
from support.proxy import Proxy
from support.runner import Runner, ids
from support.sessions import is_there

PLAIN = "SELECT 1;"


@pytest.fixture
def waiting(runner) -> Runner:
    """Runs whose login waits at COMMIT; the server under test has that switched off."""
    return as_login(runner, "on")


def as_login(runner: Runner, synchronous_commit: str) -> Runner:
    runner.conninfo = make_conninfo(runner.conninfo, options=f"-c synchronous_commit={synchronous_commit}")
    return runner


def left(runner: Runner) -> list[str]:
    """Give the migrations that were told as committed and not as durable yet."""
    return [event.migration_id for event in runner.told(ScriptFinished) if not event.durable]


def test_the_last_commit_makes_all_of_them_durable(waiting):
    for name in "abc":
        waiting.write(name, PLAIN, PLAIN)

    assert ids(waiting.apply()) == ["a", "b", "c"]
    assert left(waiting) == ["a", "b"]
    assert [event.migration_ids for event in waiting.told(MadeDurable)] == [("a", "b")]

    waiting.events.clear()
    waiting.rollback(everything=True)
    assert left(waiting) == ["c", "b"]
    assert [event.migration_ids for event in waiting.told(MadeDurable)] == [("c", "b")]


@pytest.mark.parametrize("options", [{"durable": "each"}, {"single_transaction": True}, {"steps": 1}])
def test_nothing_is_left_where_it_should_not_or_need_not_be(waiting, options):
    for name in "ab":
        waiting.write(name, PLAIN)

    waiting.apply(**options)

    assert left(waiting) == []
    assert waiting.told(MadeDurable) == []


@pytest.mark.parametrize("own", ["off", "local", "remote_write", "on", "remote_apply"])
def test_what_the_login_wants_counts_for_scripts_and_for_the_last_commit(runner, conn, own):
    as_login(runner, own)
    conn.execute("CREATE TABLE seen (name text, own text)")
    for name in "abc":
        runner.write(name, f"INSERT INTO seen VALUES ('{name}', current_setting('synchronous_' || 'commit'));")

    runner.apply()

    assert conn.execute("SELECT DISTINCT own FROM seen").fetchall() == [(own,)]
    assert left(runner) == ([] if own == "off" else ["a", "b"])


OUTSIDE = "-- transactional: false\nSELECT 1;"
KINDS = {
    "notifies": "NOTIFY news;",
    "notifies in a block": "DO $$BEGIN PERFORM pg_notify('news', ''); END$$;",
    "changes a role": "ALTER ROLE migrator SET work_mem = '5MB';",
    "changes a role in a block": "DO $$BEGIN EXECUTE 'ALTER ROLE migrator SET work_mem = 5000'; END$$;",
    "asks another server": "-- dblink('host=other', 'DELETE FROM orders')",
    "sets it": "SET LOCAL synchronous_commit TO on;",
    "sets it by a function": "SELECT set_config('synchronous_commit', 'on', true);",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_that_reaches_out_waits_and_so_does_the_one_before_it(waiting, kind):
    for name, text in {"a": PLAIN, "b": PLAIN, "c": KINDS[kind], "d": PLAIN, "e": PLAIN}.items():
        waiting.write(name, text)

    waiting.apply()

    assert left(waiting) == (["a", "b", "d"] if kind.startswith("sets") else ["a", "d"])


def test_everything_is_durable_before_a_script_outside_a_transaction(waiting):
    for name, text in {"a": PLAIN, "b": PLAIN, "c": OUTSIDE, "d": PLAIN}.items():
        waiting.write(name, text)

    waiting.apply()

    assert left(waiting) == ["a"]


def test_one_that_sets_it_itself_is_made_durable_before_a_script_outside_a_transaction(waiting):
    for name, text in {"a": PLAIN, "b": "SET synchronous_commit TO off;", "c": OUTSIDE}.items():
        waiting.write(name, text)

    waiting.apply()

    told = [type(event).__name__ for event in waiting.events if isinstance(event, ScriptFinished | MadeDurable)]
    assert left(waiting) == ["a", "b"]
    assert told == ["ScriptFinished", "ScriptFinished", "MadeDurable", "ScriptFinished"]


@pytest.mark.parametrize("options", [{}, {"durable": "each"}, {"single_transaction": True}], ids=str)
@pytest.mark.parametrize("names", ["a", "ab"])
def test_one_that_says_that_its_commit_does_not_wait_is_made_durable_at_the_end(waiting, options, names):
    for name in names:
        waiting.write(name, "SET synchronous_commit TO off;")

    waiting.apply(**options)

    assert left(waiting) == ([] if "single_transaction" in options else list(names))
    assert waiting.told(MadeDurable) == [MadeDurable(tuple(names))]


def test_where_there_are_foreign_tables_every_commit_waits(waiting, admin):
    admin.execute("CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing")
    admin.execute("CREATE FOREIGN TABLE away (n integer) SERVER nowhere")
    for name in "abc":
        waiting.write(name, PLAIN)

    waiting.apply()

    assert left(waiting) == []


def test_where_nothing_may_be_written_into_the_wal_every_commit_waits(waiting, admin):
    admin.execute(
        "DO $$DECLARE name text; BEGIN FOR name IN SELECT oid::regprocedure FROM pg_proc "
        "WHERE proname = 'pg_logical_emit_message' "
        "LOOP EXECUTE 'REVOKE EXECUTE ON FUNCTION ' || name || ' FROM PUBLIC'; END LOOP; END$$"
    )
    for name in "abc":
        waiting.write(name, PLAIN)

    waiting.apply()

    assert left(waiting) == []


def test_a_long_run_is_made_durable_now_and_then(waiting, monkeypatch):
    monkeypatch.setattr("sqlmigrate.engine.transaction.durable.AT_MOST_SECONDS", 0.0)
    for name in "abc":
        waiting.write(name, PLAIN)

    waiting.apply()

    assert left(waiting) == []


def test_a_slow_script_waits_as_well(waiting, monkeypatch):
    monkeypatch.setattr("sqlmigrate.engine.transaction.durable.AT_MOST_SECONDS", 1.0)
    for name, text in {"a": PLAIN, "b": "SELECT pg_sleep(1.1);", "c": PLAIN}.items():
        waiting.write(name, text)

    waiting.apply()

    assert left(waiting) == ["a"]


@pytest.mark.usefixtures("unwatched")
def test_it_costs_no_round_trip(waiting, database, conn):
    counts = dict.fromkeys(("each", "end"), 1_000)
    with Proxy(database.server.host, database.server.port, delay=0.02) as proxy:
        waiting.write("0", PLAIN)
        waiting.apply()
        waiting.conninfo = make_conninfo(waiting.conninfo, host=proxy.host, port=proxy.port)
        for attempt in range(5):
            for durable in counts:
                for number in range(4):
                    waiting.write(f"{attempt}{durable}{number}", f"CREATE TABLE t{attempt}{durable}{number} ();")
                before = proxy.round_trips
                waiting.events.clear()
                assert len(ids(waiting.apply(durable=durable))) == 4
                counts[durable] = min(counts[durable], proxy.round_trips - before)
                assert is_there(conn, f"t{attempt}{durable}3")
            assert left(waiting) == [f"{attempt}end{number}" for number in range(3)]
            if counts["end"] == counts["each"]:  # what holds a run up costs one more now and then, and nothing one less
                return
    raise AssertionError(counts)
