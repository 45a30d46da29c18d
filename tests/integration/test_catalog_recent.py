"""What the open transaction has changed is found from its own rows, and is what a reading of all stamps finds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import psycopg
import pytest

from sqlmigrate.review.trace import passes
from sqlmigrate.review.trace.follow import Follower, Step
from sqlmigrate.schema.read import Snapshot, read_changes, read_schema
from sqlmigrate.schema.recent import Recent, recent
from support.schema_changes import Case, read_cases
from support.statement_kinds import GROUND, KINDS
from support.tracing import run, run_whole, shadow_on, trace_text

FROM_ROWS = (
    *("ALTER TABLE app.orders ADD COLUMN", "ALTER TABLE app.orders ALTER COLUMN", "ALTER TABLE app.orders RENAME"),
    *("COMMENT ON TABLE", "COMMENT ON COLUMN", "GRANT SELECT ON app.orders", "CREATE INDEX", "CREATE VIEW"),
    *("CREATE TABLE app.t", "ALTER TABLE app.orders ENABLE"),
)


class Spied(Recent):
    """Remembers which answers came from the rows of the transaction alone."""

    def __init__(self, catalogs: dict[str, int]) -> None:
        super().__init__(catalogs, may_stop=False)
        self.sure: list[bool] = []

    def changed(self, connection: psycopg.Connection[Any], leave_out: Collection[str]) -> dict[int, bool] | None:
        found = super().changed(connection, leave_out)
        self.sure.append(found is not None)
        return found


def spied(session: psycopg.Connection[Any]) -> Spied:
    """Follow a session that might stop the server from counting, and does not."""
    return Spied(recent(session).catalogs)


def read_both_ways(session: psycopg.Connection[Any], recent: Recent, before: Snapshot) -> Snapshot:
    """Read what has changed from the rows, where that is possible, and make sure that all stamps tell the same."""
    whole = read_schema(session, since=before)
    found, changed = read_changes(session, recent, before)
    assert found.schema == whole.schema
    assert found.stamps.keys() == whole.stamps.keys()
    assert changed >= before.stamps.keys() ^ whole.stamps.keys()
    assert changed >= {unit for unit in before.stamps.keys() & whole.stamps if before.stamps[unit] != whole.stamps[unit]}
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
    read_both_ways(rich, recent, after)

    assert recent.sure[1] or not case.do.startswith(FROM_ROWS)


class _Both(Follower):
    """Follows a session in both ways, and compares each step."""

    made: list[Spied]

    def __init__(self, connection: psycopg.Connection[Any], **options: Any) -> None:
        super().__init__(connection, **options)
        self._whole = Follower(connection, **options)
        self._whole._recent.may_stop = True
        self._recent = spied(connection)
        self._recent.changed(connection, ())
        self.made.append(self._recent)

    def look(self, connection: psycopg.Connection[Any]) -> Step:
        step, whole = super().look(connection), self._whole.look(connection)
        assert self.snapshot.schema == self._whole.snapshot.schema
        assert (step.gone, step.changes, step.rewrites) == (whole.gone, whole.changes, whole.rewrites)
        assert step.known == whole.known
        assert dict(step.before) == dict(whole.before)
        assert dict(step.after) == dict(whole.after)
        return step


@pytest.fixture(scope="module")
def ground(pg_server):
    with shadow_on(pg_server) as shadow, shadow.database() as database:
        run(database, GROUND.read_text())
        yield shadow, database


@pytest.fixture
def both(monkeypatch) -> Iterator[list[Spied]]:
    _Both.made = []
    monkeypatch.setattr(passes, "Follower", _Both)
    return _Both.made


@pytest.fixture
def traced(ground, both):
    """Trace a script on a copy of the ground; gives, look by look, whether its rows told what it had changed."""
    shadow, base = ground

    def traced(text: str, *, transactional: bool = True) -> list[bool]:
        with shadow.clone(base) as copy:
            found = trace_text(shadow, copy, text, transactional=transactional)
            assert found.error is None
        return both[-1].sure[1:]

    return traced


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.alone], ids=str)
def test_a_statement_between_others_is_followed_as_by_all_stamps(ground, both, kind):
    _, base = ground
    text = f"ALTER TABLE customers ADD COLUMN a1 integer; {kind.sql}; COMMENT ON TABLE customers IS 'after'; SELECT 1 / 0"
    run_whole(base, text)
    sure = both[-1].sure[1:]

    assert sure[0]
    assert len(sure) >= 2


def test_what_is_taken_back_is_followed_as_by_all_stamps(traced):
    text = """
        ALTER TABLE orders ADD COLUMN a integer;
        SAVEPOINT here;
        ALTER TABLE orders DROP COLUMN note;
        ALTER TABLE customers ADD COLUMN b integer;
        ROLLBACK TO here;
        ALTER TABLE orders ADD COLUMN c integer;
        DO $$ BEGIN
            ALTER TABLE customers ADD COLUMN d integer;
            BEGIN
                ALTER TABLE customers ADD COLUMN e integer;
                RAISE 'no';
            EXCEPTION WHEN raise_exception THEN NULL;
            END;
        END $$;
        ALTER TABLE orders ADD COLUMN f integer;
        CREATE TABLE parcels (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);
        ALTER TABLE parcels RENAME TO boxes;
        DROP TABLE boxes;
        ALTER TABLE orders ALTER COLUMN c SET DEFAULT 1, ALTER COLUMN f SET DEFAULT 2;
        ALTER TABLE orders ALTER COLUMN c DROP DEFAULT;
        ALTER TABLE orders DROP COLUMN c;
        ALTER TABLE orders DROP COLUMN f;
    """

    sure = traced(text)

    assert sure.count(True) >= 6
    assert False in sure


def test_each_transaction_of_a_script_is_followed_as_by_all_stamps(traced):
    text = """
        ALTER TABLE orders ADD COLUMN a integer;
        BEGIN;
        ALTER TABLE orders ADD COLUMN b integer;
        ALTER TABLE orders ADD COLUMN c integer;
        ROLLBACK;
        BEGIN;
        ALTER TABLE orders ADD COLUMN d integer;
        ALTER TABLE orders ADD COLUMN e integer;
        COMMIT;
        CREATE INDEX CONCURRENTLY ON orders (e);
        ALTER TABLE orders DROP COLUMN e;
    """

    assert traced(text, transactional=False).count(True) >= 2


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
