"""What a history cannot vouch for is told, and it is written to where its rows came from elsewhere."""

from __future__ import annotations

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sqlmigrate import connection, engine
from sqlmigrate.errors import ExecutionError
from sqlmigrate.plan import contradictions
from support.runner import Runner, ids

BEHIND = "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence({}, 'seq'), 1, false)"


@pytest.fixture
def applied(runner) -> Runner:
    """A history in which two migrations are applied, and one is pending."""
    for name in ("a", "b", "c"):
        runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")
    runner.apply(steps=2)
    return runner


@pytest.fixture
def subscribed(applied, admin, database):
    """The history gets rows from another server: a subscription as it is once it has been refreshed."""
    name = sql.Identifier(f"feed_{database.name}")
    admin.execute(
        sql.SQL(
            "CREATE SUBSCRIPTION {} CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p"
            " WITH (connect = false, enabled = false, slot_name = NONE)"
        ).format(name)
    )
    admin.execute("SET allow_system_table_mods TO on")
    admin.execute(
        "INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)"
        " SELECT oid, 'sqlmigrate._yoyo_migration'::regclass, 'r' FROM pg_subscription WHERE subname = %s",
        [f"feed_{database.name}"],
    )
    yield applied
    admin.execute(sql.SQL("DROP SUBSCRIPTION {}").format(name))


def said(runner: Runner) -> list[str]:
    """Give what `status` says of the history."""
    with connection.session(runner.conninfo) as session:
        states, found = engine.states(session, runner.load(), runner.options({}))
    errors, warnings = contradictions(states, found)
    assert not errors
    return [problem.message for problem in warnings]


def test_rows_that_come_from_another_server_are_told(subscribed, database):
    [message] = said(subscribed)

    assert f"gets rows from another server (subscription feed_{database.name})" in message
    assert "another server" in subscribed.apply(steps=1).plan.notes[0]
    assert "another server" in subscribed.rollback().plan.notes[0]


def test_a_history_that_a_crash_empties_is_told(applied, admin):
    assert said(applied) == []

    admin.execute("ALTER TABLE sqlmigrate.journal SET UNLOGGED")

    [message] = said(applied)
    assert "UNLOGGED" in message
    assert "UNLOGGED" in applied.apply(steps=1).plan.notes[0]


@pytest.mark.parametrize("table", ["applied", "log"])
def test_sequences_that_stayed_behind_the_rows_are_moved_on(applied, admin, table):
    admin.execute(sql.SQL(BEHIND).format(f"sqlmigrate.{table}"))

    assert ids(applied.apply()) == ["c"]
    assert ids(applied.rollback(steps=3)) == ["c", "b", "a"]


def test_who_may_not_move_them_on_is_told_who_can(applied, admin, new_role, database):
    writer = new_role("LOGIN")
    admin.execute(
        f"GRANT USAGE ON SCHEMA sqlmigrate TO {writer}; GRANT CREATE ON SCHEMA public TO {writer};"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sqlmigrate TO {writer}"
    )
    admin.execute(sql.SQL(BEHIND).format("sqlmigrate.log"))
    other = Runner(make_conninfo(database.conninfo, user=writer), applied.directory, history_owners=("migrator",))

    with pytest.raises(ExecutionError, match="duplicate key") as caught:
        other.apply()

    assert "run the command once as the role that owns the tables" in str(caught.value.hint)
    assert ids(applied.apply()) == ["c"]
