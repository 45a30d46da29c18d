from __future__ import annotations

import json
from datetime import datetime

import pytest

from sqlmigrate.errors import Error
from sqlmigrate.review.columns import ColumnFigures, read_columns
from sqlmigrate.review.model import TableSize
from sqlmigrate.review.statistics import as_json, described, from_file, read_statistics
from sqlmigrate.shadow import read_settings


@pytest.fixture
def analyzed_session(database):
    session = database.connect()
    session.execute("CREATE SCHEMA sqlmigrate")
    session.execute("CREATE TABLE sqlmigrate.ours (a integer)")
    session.execute("CREATE TABLE large (a integer)")
    session.execute("INSERT INTO large SELECT generate_series(1, 5000)")
    session.execute("CREATE TABLE parts (a integer) PARTITION BY RANGE (a)")
    session.execute("CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000)")
    session.execute("CREATE TABLE never (a integer)")
    session.execute("INSERT INTO parts SELECT generate_series(1, 500)")
    session.execute("ANALYZE large, parts, parts_1")
    return session


def test_rows_and_sizes_are_read_and_a_partitioned_table_is_the_sum(analyzed_session):
    found = read_statistics(analyzed_session, name="shop", history_schema="sqlmigrate")

    tables = {table.name: table for table in found.tables}
    assert tables.keys() == {"public.large", "public.parts", "public.parts_1", "public.never"}
    assert (tables["public.large"].rows, tables["public.parts"].rows) == (5000, 500)
    assert tables["public.never"].rows is None
    assert tables["public.large"].size > tables["public.parts"].size == tables["public.parts_1"].size > 0
    assert tables["public.large"].writes is not None
    assert (found.name, found.source) == ("shop", "the target")


def test_what_was_loaded_a_moment_ago_is_no_traffic(analyzed_session):
    found = read_statistics(analyzed_session, name="shop", history_schema="sqlmigrate")

    large = next(table for table in found.tables if table.name == "public.large")
    assert large.writes is not None
    assert large.writes <= 5000 / 3600


def test_a_start_of_the_server_does_not_begin_the_counters_anew(analyzed_session):
    """Before the server of the tests was started, initdb has had its counters."""
    if analyzed_session.info.server_version < 150000:
        pytest.skip("a database has a time of its own")
    (begun,) = analyzed_session.execute("SELECT stats_reset FROM pg_stat_archiver").fetchone()

    found = read_statistics(analyzed_session, name="shop", history_schema="sqlmigrate")

    assert datetime.fromisoformat(found.since) <= begun


def test_the_oldest_transaction_is_reported(analyzed_session, database):
    other = database.connect(autocommit=False, application_name="reports")
    other.execute("SELECT 1")

    found = read_statistics(analyzed_session, name="shop", history_schema="sqlmigrate")

    assert found.oldest_transaction >= 0
    assert "'reports'" in found.oldest_transaction_of


def test_nothing_is_written_and_a_locked_table_does_not_stop_it_for_long(analyzed_session, database):
    other = database.holding("LOCK TABLE large IN ACCESS EXCLUSIVE MODE")

    with pytest.raises(Exception, match="lock timeout"):
        read_statistics(analyzed_session, name="shop", history_schema="sqlmigrate")

    other.rollback()
    assert read_statistics(analyzed_session, name="shop", history_schema="sqlmigrate").tables


def test_a_file_gives_the_same_figures(analyzed_session, tmp_path):
    found = read_statistics(analyzed_session, name="shop", history_schema="sqlmigrate")
    path = tmp_path / "stats.json"
    columns = read_columns(analyzed_session)
    path.write_text(json.dumps(as_json(found, read_settings(analyzed_session), columns)))

    again = from_file(path).target

    assert columns["public.large"]["a"] == ColumnFigures(0, -1)
    assert from_file(path).columns == columns
    assert again.tables == found.tables
    assert (again.source, again.read_at) == ("stats.json", found.read_at)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 3, "command": "stats", "target": {"tables": []}}'])
def test_a_file_of_another_kind_is_refused(tmp_path, text):
    path = tmp_path / "stats.json"
    path.write_text(text)

    with pytest.raises(Error, match="not a file of `sqlmigrate stats`"):
        from_file(path)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TableSize("t", 120_000_000, 48 << 30, 830.4), "120 M rows, 48 GiB, 830 writes/s"),
        (TableSize("t", 0, 0), "0 rows, 0 bytes"),
        (TableSize("t", None, 8192, 0.1), "an unknown number of rows, 8 KiB"),
        (TableSize("t", 1_234, 5 << 40), "1.23 k rows, 5 TiB"),
    ],
)
def test_a_size_is_said_in_words(table, words):
    assert described(table) == words


def test_a_file_of_before_settings_is_still_read(analyzed_session, tmp_path):
    figures = as_json(
        read_statistics(analyzed_session, name="shop", history_schema="sqlmigrate"), read_settings(analyzed_session)
    )
    del figures["settings"]
    path = tmp_path / "stats.json"
    path.write_text(json.dumps(figures | {"version": 1}))

    assert from_file(path).settings is None
