"""Histories of earlier releases are brought up to date, and nothing of ours depends on the name of a constraint."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from sqlmigrate import connection, history
from sqlmigrate.errors import HistoryError
from support.runner import Runner, ids
from support.twins import Twins

UNIQUE = """
SELECT relation.relname::text, attribute.attname::text
FROM pg_index AS index
JOIN pg_class AS relation ON relation.oid = index.indrelid
JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid AND attribute.attnum = ANY (index.indkey)
WHERE index.indisunique AND NOT index.indisprimary AND relation.relnamespace = 'sqlmigrate'::regnamespace
ORDER BY 1
"""
CONSTRAINTS = "SELECT FROM pg_constraint WHERE contype = 'u' AND connamespace = 'sqlmigrate'::regnamespace"
# what some projects do to give all constraints and indexes names of one form
RENAME_ALL = """
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT conrelid::regclass AS relation, conname FROM pg_constraint
        WHERE conrelid <> 0 AND connamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_|^information')
    LOOP
        EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', one.relation, one.conname, md5(random()::text));
    END LOOP;
    FOR one IN
        SELECT indexrelid::regclass AS relation FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_|^information')
    LOOP
        EXECUTE format('ALTER INDEX %s RENAME TO %I', one.relation, md5(random()::text));
    END LOOP;
    FOR one IN SELECT seqrelid::regclass AS relation FROM pg_sequence LOOP
        EXECUTE format('ALTER SEQUENCE %s RENAME TO %I', one.relation, md5(random()::text));
    END LOOP;
END $$;
"""


@pytest.fixture
def first_release(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make histories as the first release did, for as long as `as_of(1)` is not followed by `as_of(None)`."""
    newest = history.VERSION

    def as_of(version: int | None) -> None:
        monkeypatch.setattr("sqlmigrate.history.tables.VERSION", version or newest)

    return as_of


@pytest.fixture
def old(runner, first_release) -> Runner:
    """A history of version 1 in which two migrations are applied, and one is pending."""
    for name in "abc":
        runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")
    first_release(1)
    runner.apply(to="b")
    first_release(None)
    return runner


def version(conn: psycopg.Connection[Any]) -> int:
    return conn.execute("SELECT max(version) FROM sqlmigrate.meta").fetchone()[0]


def test_a_history_of_the_first_release_is_read_as_it_is(old, conn):
    assert old.applied() == ["a", "b"]
    assert old.history().version == version(conn) == 1
    assert conn.execute(CONSTRAINTS).fetchall() != []


@pytest.mark.parametrize("renamed", [False, True])
def test_the_first_command_that_writes_brings_it_up_to_date(old, conn, renamed):
    if renamed:
        conn.execute(RENAME_ALL)

    assert ids(old.apply()) == ["c"]

    assert version(conn) == history.VERSION
    assert conn.execute(CONSTRAINTS).fetchall() == []
    assert conn.execute(UNIQUE).fetchall() == [("applied", "seq"), ("log", "seq")]
    assert old.applied() == ["a", "b", "c"]
    assert ids(old.rollback(everything=True)) == ["c", "b", "a"]


def test_a_new_history_is_like_one_that_was_brought_up_to_date(first_release, database_factory):
    dumps = []
    for first in (1, None):
        database = database_factory()
        session = database.connect()
        for release in (first, None):
            first_release(release)
            history.install(session, "sqlmigrate", history.read(session, "sqlmigrate"))
        dumps.append(database.dump("--schema=sqlmigrate", schema_only=True))

    assert dumps[0] == dumps[1]


def test_a_role_that_may_only_write_the_history_is_told_who_brings_it_up_to_date(
    old, admin, database, new_role, pg_server
):
    writer = new_role("LOGIN")
    admin.execute(
        f"GRANT USAGE ON SCHEMA sqlmigrate TO {writer};"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sqlmigrate TO {writer}"
    )
    other = Runner(pg_server.conninfo(database.name, writer), old.directory, history_owners=("migrator",))

    with pytest.raises(HistoryError, match="cannot be brought up to date in schema sqlmigrate") as caught:
        other.mark("c")

    assert "`sqlmigrate apply` as migrator, which owns the tables" in caught.value.hint
    assert version(admin) == 1


def test_a_release_that_knows_only_the_first_version_refuses_the_next_by_name(runner, first_release):
    runner.write("a", "SELECT 1;")
    runner.apply()
    first_release(1)

    with pytest.raises(HistoryError, match=r"has version 2; sqlmigrate .* knows up to 1"):
        runner.history()


def test_psql_brings_it_up_to_date_too(twins: Twins, first_release):
    twins.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    twins.write("b", "CREATE TABLE b ();", "DROP TABLE b;")
    first_release(1)
    for runner in (twins.applied, twins.planned):
        runner.apply(steps=1)
    first_release(None)

    twins.apply()  # compares the two databases, the tables of the history too

    assert version(twins.right.connect()) == history.VERSION


def test_nothing_of_ours_depends_on_the_name_of_a_constraint_an_index_or_a_sequence(runner, conn):
    runner.write("a", RENAME_ALL, "SELECT 1;")
    runner.write("b", "CREATE TABLE b ();", "DROP TABLE b;")
    runner.write("c", "-- transactional: false\nCREATE TABLE c ();\nSELECT 1/0;\n", "DROP TABLE c;")
    runner.write("d", RENAME_ALL, "SELECT 1;")

    assert ids(runner.apply(to="b")) == ["a", "b"]
    with pytest.raises(Exception, match="division by zero"):
        runner.apply()
    conn.execute(RENAME_ALL)
    runner.write("c", "-- transactional: false\nCREATE TABLE c ();\nSELECT 1;\n", "DROP TABLE c;")

    assert ids(runner.apply()) == ["c", "d"]
    with connection.session(runner.conninfo) as session:
        assert len(history.read_log(session, "sqlmigrate", history.LogFilter(operation="apply"))) == 4
    assert runner.unmark("d") == ["d"]
    assert runner.mark("d") == ["d"]
    assert ids(runner.rollback(everything=True, include_marked=("d",))) == ["d", "c", "b", "a"]
