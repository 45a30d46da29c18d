"""What a statement has changed is the same, whether the rows of its transaction tell it or all stamps do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from sqlmigrate import connection as connections
from sqlmigrate.review.trace import passes
from sqlmigrate.review.trace.follow import Follower, State, Step
from sqlmigrate.review.trace.objects import read_objects
from sqlmigrate.schema.read import read_schema
from support.recent import Spied, spied
from support.statement_kinds import GROUND, KINDS
from support.tracing import run, run_whole, shadow_on, trace_text


class _Both(Follower):
    """Follows a session in both ways, and compares each step."""

    made: list[Spied]

    def __init__(self, connection: psycopg.Connection[Any], *options: Any) -> None:
        super().__init__(connection, *options)
        self._whole = Follower(connection, *options)
        self._whole._recent.may_stop = True
        self._recent = spied(connection)
        self._recent.changed(connection, ())
        self.made.append(self._recent)

    def look(self, connection: psycopg.Connection[Any], *, taken_back: bool = False) -> Step:
        step, whole = super().look(connection, taken_back=taken_back), self._whole.look(connection)
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


NAMED = """
    SET search_path = public;
    CREATE FUNCTION f("which one" int, d text DEFAULT 'x', VARIADIC b text[] DEFAULT '{}', OUT c int)
        LANGUAGE sql AS 'SELECT 1';
    CREATE PROCEDURE p(a int, INOUT b numeric) LANGUAGE sql AS 'SELECT 1.0';
    CREATE AGGREGATE agg(int) (sfunc = int4pl, stype = int);
    CREATE TYPE "E" AS ENUM ('a');
    CREATE DOMAIN d AS int CHECK (value > 0);
    CREATE FUNCTION odd(a "E", b d[]) RETURNS void LANGUAGE sql AS '';
    CREATE TYPE span AS RANGE (subtype = int, multirange_type_name = spans);
    CREATE PUBLICATION pub FOR ALL TABLES;
    CREATE TABLE "Q" (id int GENERATED ALWAYS AS IDENTITY, "A" int UNIQUE);
    CREATE RULE r AS ON DELETE TO "Q" DO INSTEAD NOTHING;
    CREATE POLICY pp ON "Q" USING (true);
    ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
"""


def test_what_a_statement_changes_is_named_as_the_schema_names_it(ground):
    shadow, base = ground
    with shadow.clone(base) as database:
        run(database, NAMED)
        with connections.session(database.conninfo) as session:
            state = State(read_schema(session).schema)
            things = [str(thing) for thing in read_objects(session).values()]

    assert len(things) > 80
    assert [text for text in things if text not in state] == ["type public.spans"]  # it comes with its range


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
    run_whole(base, f"ALTER TABLE customers ADD COLUMN a1 integer; {kind.sql}; COMMENT ON TABLE customers IS 'after'")
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
