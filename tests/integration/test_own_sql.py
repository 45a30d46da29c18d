"""Our own SQL means PostgreSQL's operators, whatever else has a name and types that fit better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from sqlmigrate import connection as connections
from sqlmigrate import queries as own
from sqlmigrate.schema.session import reading
from support import own_sql

_USED = """
SELECT pg_catalog.pg_describe_object(refclassid, refobjid, 0)
FROM pg_catalog.pg_depend
WHERE objid = 'public.what_it_uses'::pg_catalog.regproc::pg_catalog.oid
  AND refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid
"""


@pytest.fixture
def session(hostile) -> psycopg.Connection[Any]:
    """A session that looks into pg_catalog first, as everybody's does: only what fits better is found elsewhere."""
    session = hostile.connect_superuser(autocommit=False, prepare_threshold=None)
    session.execute(f"CREATE SCHEMA {own_sql.SCHEMA}")
    for _, text in own_sql.upgrades():
        session.execute(text)
    session.execute(own_sql.OF_OTHER_TOOLS)
    session.execute("CREATE SCHEMA sqlmigrate_fleet")
    for block in ("create_run", "create_target"):
        session.execute(own.load("fleet")[block])
    session.execute(f"CREATE TABLE {own_sql.SCHEMA}.yoyo_lock (locked integer, ctime timestamp, pid integer)")
    session.commit()
    return session


def uses(session: psycopg.Connection[Any], text: str) -> Iterator[str]:
    """Give the operators of a query that are not PostgreSQL's own: pg_depend notes them for a function of it."""
    with session.transaction(force_rollback=True):
        session.execute("SET LOCAL search_path TO pg_catalog, public")
        body = sql.SQL("CREATE FUNCTION public.what_it_uses() RETURNS void LANGUAGE sql BEGIN ATOMIC {}; END")
        session.execute(body.format(sql.SQL(text + "\n")))  # type: ignore[arg-type]
        session.execute("SET LOCAL search_path TO pg_catalog")
        for (name,) in session.execute(_USED).fetchall():
            yield name


def queries(major: int) -> Iterator[tuple[str, str]]:
    """Give what is a query as it stands: names that are filled in come from tables of users."""
    for where, text in [*own_sql.in_files(major), *own_sql.in_python()]:
        filled = own_sql.filled(text)
        if not text.startswith(("CREATE", "ALTER")) and "some_name" not in filled:
            yield where, filled


def test_every_operator_of_ours_fits_exactly(session, binaries):
    found = {}
    for where, text in queries(binaries.major):
        if names := list(uses(session, text)):
            found[where] = names

    assert found == {}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SELECT FROM sqlmigrate.applied WHERE migration_hash = NULL", "=(character varying,character varying)"),
        ("SELECT FROM sqlmigrate.applied JOIN sqlmigrate.journal USING (migration_hash)", "=(character varying,"),
        ("SELECT 1000 * extract(epoch FROM pg_catalog.now())", "*(integer,numeric)"),
        ("SELECT FROM pg_catalog.pg_class WHERE oid >= 16384", ">=(oid,integer)"),
        ("SELECT CASE oid WHEN 0 THEN 1 END FROM pg_catalog.pg_class", "=(oid,integer)"),
        ("SELECT nullif(relacl, '{}') FROM pg_catalog.pg_class", "=(aclitem[],aclitem[])"),
    ],
)
def test_an_operator_that_does_not_fit_is_found(session, text, name):
    assert any(name in found for found in uses(session, text))


def test_there_are_queries_to_look_at(binaries):
    assert len(list(queries(binaries.major))) > 100


def test_a_temporary_type_does_not_come_before_postgresqls_own(hostile, traps):
    with connections.session(hostile.superuser_conninfo) as session:
        session.execute("CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (public.hostile('pg_temp.text'))")
        assert session.execute("SELECT 'x'::text").fetchone() == ("x",)
        with reading(session):
            assert session.execute("SELECT 'x'::text").fetchone() == ("x",)
        session.execute("RESET search_path")
        with pytest.raises(psycopg.errors.RaiseException):
            session.execute("SELECT 'x'::text")

    assert traps.used() == ["pg_temp.text"]
