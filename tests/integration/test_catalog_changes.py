"""Every single change of a schema is seen, is gone with its inverse, and is found by reading the rest anew, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sqlmigrate import catalog
from sqlmigrate.schemadiff import as_text, compare, order_only
from sqlmigrate.server import PrivateServer, drop_database, ensure_database
from support.schema_changes import CHANGES, UNSEEN, Case

BASE = Path(__file__).parents[1] / "support" / "catalog_base.sql"


@pytest.fixture(scope="session")
def rich_database(pg_server: PrivateServer) -> Iterator[str]:
    """A database in which each kind of object is there."""

    def fill(conninfo: str) -> None:
        with psycopg.connect(conninfo, autocommit=True) as session:
            session.execute(BASE.read_text(encoding="utf-8"))

    ensure_database(pg_server, name="rich", owner="migrator", initialize=fill)
    yield pg_server.conninfo("rich")
    with psycopg.connect(pg_server.conninfo("rich"), autocommit=True) as session:
        session.execute("DROP SUBSCRIPTION cat_subscription")
        session.execute("DROP OWNED BY cat_owner, cat_reader, cat_writer CASCADE")
    drop_database(pg_server, "rich")
    with psycopg.connect(pg_server.conninfo(), autocommit=True) as session:
        session.execute("DROP ROLE cat_owner, cat_reader, cat_writer")


@pytest.fixture(scope="session")
def rich_session(rich_database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(rich_database, prepare_threshold=2) as session:
        yield session


@pytest.fixture
def rich(rich_session: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """A session in a transaction of that database that is rolled back."""
    rich_session.execute("SET LOCAL client_min_messages = error")
    yield rich_session
    rich_session.rollback()


@pytest.fixture
def start(rich: psycopg.Connection[Any]) -> catalog.Snapshot:
    return catalog.read(rich, cluster=True)


def both_ways(session: psycopg.Connection[Any], since: catalog.Snapshot) -> catalog.Snapshot:
    """Read in whole, after having made sure that reading what has changed gives the same."""
    full = catalog.read(session, cluster=True)
    partly = catalog.read(session, cluster=True, since=since)
    assert as_text(compare(full.schema, partly.schema)) == []
    assert partly.schema == full.schema
    return partly


def skip_unless_possible(session: psycopg.Connection[Any], case: Case) -> None:
    if session.info.server_version < case.since * 10000:
        pytest.skip(f"PostgreSQL {case.since} or newer")
    query = "SELECT 1 FROM pg_available_extensions WHERE name = %s"
    if case.extension and not session.execute(query, [case.extension]).fetchone():
        pytest.skip(f"no extension {case.extension}")


@pytest.mark.parametrize("case", CHANGES, ids=str)
def test_a_single_change_is_seen_and_gone_with_its_inverse(case, rich):
    skip_unless_possible(rich, case)
    if case.setup:
        rich.execute(case.setup)
    before = catalog.read(rich, cluster=True)

    rich.execute("SAVEPOINT before")
    rich.execute(case.change)
    after = both_ways(rich, before)
    rich.execute(case.undo or "ROLLBACK TO before")
    again = both_ways(rich, after)

    text = as_text(compare(before.schema, after.schema))
    assert any(case.seen in line for line in text), text
    assert as_text(compare(before.schema, again.schema)) == []
    assert before.schema.fingerprint() == again.schema.fingerprint() != after.schema.fingerprint()


@pytest.mark.parametrize("statement", UNSEEN)
def test_what_is_no_change_of_a_schema_is_not_seen(statement, rich, start):
    rich.execute(statement)

    assert as_text(compare(start.schema, both_ways(rich, start).schema)) == []


def test_a_column_dropped_and_added_again_stands_elsewhere_and_nothing_else_differs(rich, start):
    rich.execute("ALTER TABLE app.items DROP COLUMN id; ALTER TABLE app.items ADD COLUMN id integer")
    changes = compare(start.schema, both_ways(rich, start).schema)

    assert order_only(changes)
    assert as_text(changes) == ["~ column app.items.id: position 1 -> 3"]
