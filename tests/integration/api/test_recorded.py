"""mark, accept, history and review of the Python API: they are those of the command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sqlmigrate import api
from sqlmigrate.errors import ExecutionError, HistoryError, UsageError
from sqlmigrate.events import Event
from support.api import states


def test_mark_records_without_running(database, shop):
    assert api.mark(database.url, shop.directory, ["2_b"]) == ("2_b",)
    assert api.mark(database.url, shop.directory, through="2_b") == ("1_a",)
    assert states(database.url, shop) == [("2_b", "marked"), ("1_a", "marked"), ("3_c", "pending")]
    assert api.mark(database.url, api.read(shop.directory), everything=True) == ("3_c",)


@pytest.mark.parametrize("given", [{}, {"ids": ["1_a"], "everything": True}, {"through": "1_a", "everything": True}])
def test_mark_takes_one_way_to_name_them(database, shop, given):
    with pytest.raises(UsageError, match="give one of ids, through and everything"):
        api.mark(database.url, shop.directory, **given)


def test_accept_records_an_edit_once(database, shop):
    api.apply(database.url, shop.directory)
    shop.migration("1_a", "CREATE TABLE a (id integer);\n")

    assert api.accept(database.url, shop.directory, "1_a", "a remark")
    assert not api.accept(database.url, shop.directory, "1_a", "a remark")
    assert api.history(database.url, operation="accept").operations[0].reason == "a remark"
    with pytest.raises(UsageError, match="cannot be empty"):
        api.accept(database.url, shop.directory, "1_a", " ")


def test_the_history_tells_operations_and_attempts(database, shop):
    api.apply(database.url, shop.directory)
    shop.migration("4_d", "SELECT 1/0;\n")
    with pytest.raises(ExecutionError):
        api.apply(database.url, shop.directory)

    log = api.history(database.url)

    assert [row.migration_id for row in log.operations] == ["1_a", "2_b", "3_c"]
    assert [row.error for row in log.attempts if row.state != "done"] == ["division by zero"]
    assert [row.migration_id for row in api.history(database.url, last=1).operations] == ["3_c"]
    assert api.history(database.url, attempts=False).attempts == ()
    assert [row.operation for row in api.history(database.url, migration_id="2_b").operations] == ["apply"]


def test_the_times_of_the_history_are_in_utc(database, shop):
    api.apply(database.url, shop.directory)
    now = datetime.now(UTC)
    day = timedelta(days=1)

    assert len(api.history(database.url, begin=now - day, end=now + day).operations) == 3
    assert api.history(database.url, begin=now + day).operations == ()
    assert api.history(database.url, end=(now - day).replace(tzinfo=None)).operations == ()


def test_a_history_that_is_not_there_is_an_error(database):
    with pytest.raises(HistoryError, match="there is no history"):
        api.history(database.url)


def test_review_reviews_what_is_pending_without_writing(database, shop):
    api.apply(database.url, shop.directory, steps=2)
    before = states(database.url, shop)
    told: list[Event] = []

    report = api.review(shop.directory, database=database.url, observer=told.append)

    assert [item.migration_id for item in report.migrations] == ["3_c"]
    assert report.target is not None
    assert told
    assert states(database.url, shop) == before


def test_a_dump_needs_a_database(shop):
    with pytest.raises(UsageError, match="none is named"):
        api.review(shop.directory, base="dump")
