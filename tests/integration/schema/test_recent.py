"""What the open transaction has changed is found from its own rows, and is what a reading of all stamps finds."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from sqlmigrate.schema.read import Snapshot, read_changes, read_schema
from sqlmigrate.schema.recent import Recent, recent
from support.recent import spied
from support.schema_changes import Case, read_cases

FROM_ROWS = (
    *("ALTER TABLE app.orders ADD COLUMN", "ALTER TABLE app.orders ALTER COLUMN", "ALTER TABLE app.orders RENAME"),
    *("COMMENT ON TABLE", "COMMENT ON COLUMN", "GRANT SELECT ON app.orders", "CREATE INDEX", "CREATE VIEW"),
    *("CREATE TABLE app.t", "ALTER TABLE app.orders ENABLE"),
)


def read_both_ways(session: psycopg.Connection[Any], recent: Recent, before: Snapshot) -> Snapshot:
    """Read what has changed from the rows, where that is possible, and make sure that all stamps tell the same."""
    whole = read_schema(session, since=before)
    found, changed = read_changes(session, recent, before)
    assert found.schema == whole.schema
    assert found.stamps.keys() == whole.stamps.keys()
    units = before.stamps.keys() | whole.stamps.keys()
    assert changed >= {unit for unit in units if before.stamps.get(unit) != whole.stamps.get(unit)}
    return whole


@pytest.fixture(scope="module")
def begun(rich_session) -> Snapshot:
    found = read_schema(rich_session)
    rich_session.rollback()
    return found


@pytest.mark.parametrize("case", read_cases(), ids=str)
def test_a_single_change_is_found_from_the_rows_as_from_all_stamps(case: Case, rich, begun):
    major = rich.info.server_version // 10000
    query = "SELECT FROM pg_available_extensions WHERE name = %s"
    if not int(case.since) <= major <= int(case.until):
        pytest.skip("another version")
    if case.extension and not rich.execute(query, [case.extension]).fetchone():
        pytest.skip(f"no extension {case.extension}")
    if case.setup:
        rich.execute(case.setup)
    before, recent = read_schema(rich, since=begun), spied(rich)
    recent.changed(rich, ())

    rich.execute("SAVEPOINT before")
    rich.execute(case.do)
    after = read_both_ways(rich, recent, before)
    rich.execute(case.undo)
    if case.undo.startswith("ROLLBACK"):
        recent.doubt()
    read_both_ways(rich, recent, after)

    assert recent.sure[1] or not case.do.startswith(FROM_ROWS)


def test_what_another_session_commits_meanwhile_is_not_overlooked(rich_database):
    with psycopg.connect(rich_database) as session, psycopg.connect(rich_database, autocommit=True) as other:
        before, recent = read_schema(session), spied(session)
        session.commit()
        recent.changed(session, ())
        session.commit()
        session.execute("ALTER TABLE app.orders ADD COLUMN a integer")
        other.execute("CREATE TABLE app.from_elsewhere ()")
        try:
            read_both_ways(session, recent, before)
            assert recent.sure == [False, False]
        finally:
            session.rollback()
            other.execute("DROP TABLE app.from_elsewhere")


def test_nothing_is_believed_of_a_session_that_may_stop_the_server_from_counting(rich):
    assert recent(rich).may_stop
    rich.execute("SET LOCAL SESSION AUTHORIZATION migrator")
    assert not recent(rich).may_stop
    rich.execute("RESET SESSION AUTHORIZATION; SET LOCAL track_counts = off")
    following = spied(rich)
    following.changed(rich, ())
    rich.execute("ALTER TABLE app.orders ADD COLUMN a integer")
    assert following.changed(rich, ()) is None
