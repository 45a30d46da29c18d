"""yoyo itself reads our history, and we read what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yoyo
from psycopg.rows import dict_row
from yoyo.migrations import get_migration_hash

from sqlmigrate.migrations import migration_hash
from support.runner import Runner, ids

pytestmark = pytest.mark.contract


@pytest.fixture
def depending_runner(database, tmp_path: Path) -> Runner:
    depending_runner = Runner(database.conninfo, tmp_path)
    depending_runner.write("0001.a", "CREATE TABLE a ();", "DROP TABLE a;")
    depending_runner.write("0002-b", "-- depends: 0003_c\nCREATE TABLE b ();", "DROP TABLE b;")
    depending_runner.write("0003_c", "-- depends: 0001.a\nCREATE TABLE c ();", "DROP TABLE c;")
    return depending_runner


@pytest.fixture
def backend(database, depending_runner) -> Iterator[Any]:
    """yoyo's own backend on our history's schema, as `yoyo list --database ...` opens it."""
    host = quote(database.server.host, safe="")
    url = f"postgresql+psycopg://migrator@/{database.name}?host={host}&port={database.server.port}&schema=sqlmigrate"
    depending_runner.apply(steps=1)
    backend = yoyo.get_backend(url)
    yield backend
    backend.connection.close()


def listed(backend: Any, runner: Runner) -> dict[str, bool]:
    """Give what `yoyo list` prints: each id, and whether it is applied."""
    migrations = yoyo.read_migrations(str(runner.directory))
    return {item.id: backend.is_applied(item) for item in migrations}


def test_yoyo_lists_our_history_as_applied(backend, depending_runner):
    assert listed(backend, depending_runner) == {"0001.a": True, "0002-b": False, "0003_c": False}

    depending_runner.apply()

    assert listed(backend, depending_runner) == {"0001.a": True, "0002-b": True, "0003_c": True}
    assert list(backend.to_apply(yoyo.read_migrations(str(depending_runner.directory)))) == []


def test_yoyo_finds_the_same_pending_in_the_same_order(backend, depending_runner):
    pending = [item.id for item in backend.to_apply(yoyo.read_migrations(str(depending_runner.directory)))]

    assert pending == ["0003_c", "0002-b"]
    assert ids(depending_runner.apply()) == pending


def test_what_we_rolled_back_yoyo_lists_as_not_applied(backend, depending_runner):
    depending_runner.apply()
    depending_runner.rollback()

    assert listed(backend, depending_runner) == {"0001.a": True, "0002-b": False, "0003_c": True}


def test_what_yoyo_marks_and_unmarks_we_see(backend, depending_runner, database):
    migrations = {item.id: item for item in yoyo.read_migrations(str(depending_runner.directory))}
    with backend.lock():
        backend.mark_one(migrations["0003_c"])
    assert depending_runner.applied() == ["0001.a", "0003_c"]
    assert depending_runner.history().get("0003_c").checksum is None

    with backend.lock():
        backend.unmark_one(migrations["0001.a"])
    assert depending_runner.applied() == ["0003_c"]
    database.connect().execute("DROP TABLE a")
    assert ids(depending_runner.apply(to="0001.a", allow_out_of_order=True)) == ["0001.a"]


def test_our_log_has_the_columns_and_the_content_of_yoyos(backend, depending_runner, database):
    depending_runner.apply()
    depending_runner.rollback()
    migrations = {item.id: item for item in yoyo.read_migrations(str(depending_runner.directory))}

    expected = backend.get_log_data(migrations["0002-b"], operation="rollback")

    cursor = database.connect().cursor(row_factory=dict_row)
    cursor.execute("SELECT * FROM sqlmigrate._yoyo_log ORDER BY created_at_utc DESC")
    entry = cursor.fetchone()
    same = ("migration_id", "migration_hash", "username", "operation")
    assert {key: entry[key] for key in same} == {key: expected[key] for key in same}
    assert set(entry) == {*expected, "comment"}
    assert abs(entry["created_at_utc"] - expected["created_at_utc"]) < timedelta(minutes=1)


def test_opening_our_history_with_yoyo_changes_none_of_its_tables(backend, depending_runner, database):
    before = database.dump("--schema=sqlmigrate", schema_only=True)

    listed(backend, depending_runner)
    backend.ensure_internal_schema_updated()

    assert database.dump("--schema=sqlmigrate", schema_only=True) == before


@pytest.mark.parametrize("name", ["a", "20260304_x", "ä€😀", "with space", "x" * 255, "a.b.c"])
def test_ids_are_hashed_as_yoyo_does(name):
    assert migration_hash(name) == get_migration_hash(name)
