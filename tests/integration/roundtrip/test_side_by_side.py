"""Pairs and reviews on several servers: the same verdicts in the same order as on one, and an end at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg
import pytest

from sqlmigrate import roundtrip, shadow
from sqlmigrate.engine import Options
from sqlmigrate.errors import Error
from sqlmigrate.events import ScriptStarted
from sqlmigrate.review.question import Question
from sqlmigrate.review.reviewer import review
from sqlmigrate.roundtrip import Verdict, servers_worth, side_by_side
from support.trips import compared
from support.waiting import wait_until

pytestmark = pytest.mark.pg

SETTING = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = %L', current_database(), '{}'); END $$;"
PAIRS = {
    "01": ("CREATE TABLE a (id int);", "DROP TABLE a;"),
    "02": ("CREATE ROLE teller; GRANT SELECT ON a TO teller;", "REVOKE SELECT ON a FROM teller; DROP ROLE teller;"),
    "03": ("ALTER TABLE a ADD b int;", "SELECT 1;"),
    "04": ("-- transactional: false\nCREATE TABLE half ();\nDROP TABLE missing;", "DROP TABLE half;"),
    "05": ("CREATE TABLE half ();", "DROP TABLE half;"),
    "06": ("-- transactional: false\nCREATE INDEX CONCURRENTLY i ON a (id);", "DROP INDEX CONCURRENTLY i;"),
    "07": ("GRANT UPDATE ON a TO teller;", "REVOKE UPDATE ON a FROM teller;"),
    "08": ("DROP TABLE missing;", "SELECT 1;"),
    "09": ("TRUNCATE a;", "SELECT 1;"),
    "10": ("CREATE ROLE forgotten; CREATE TABLE c ();", "DROP TABLE c;"),
    "11": ("GRANT SELECT ON c TO forgotten;", "REVOKE SELECT ON c FROM forgotten;"),
    "12": (SETTING.format("9MB"), SETTING.format("4MB")),
    "13": (SETTING.format("8MB"), SETTING.format("9MB")),
    "14": (
        "DROP OWNED BY teller; DROP ROLE teller;",
        "CREATE ROLE teller; GRANT SELECT, UPDATE ON a TO teller;",
    ),
    "15": ("-- transactional: false\nALTER SYSTEM SET work_mem = '7MB';", "SELECT 1;"),
}
VERDICTS = [
    *("exact", "exact", "not_restored", "fails", "exact", "exact", "exact", "fails", "lossy"),
    *("not_restored", "exact", "not_restored", "exact", "exact", "not_restored"),
]
REVIEWED = ("01", "03", "04", "05", "06", "08", "09", "13")
"""Pairs that do not need the roles of others: what fails, stops half way and is left out is among them."""


@contextmanager
def opened(number: int) -> Iterator[list[shadow.Shadow]]:
    with ExitStack() as stack:
        yield [stack.enter_context(shadow.opened(shadow.Wanted(superuser=True))) for _ in range(number)]


@pytest.fixture(scope="module")
def shadows(clean_environment: None) -> Iterator[list[shadow.Shadow]]:
    """Three servers for the tests that leave them as they were."""
    with opened(3) as servers:
        yield servers


@pytest.fixture
def doomed(clean_environment: None) -> Iterator[list[shadow.Shadow]]:
    """Two servers for a test that ends one."""
    with opened(2) as servers:
        yield servers


def test_verdicts_and_their_order_are_those_of_one_server(project, shadows):
    for migration_id, (script, rollback) in PAIRS.items():
        project.migration(migration_id, script, rollback=rollback)
    found, (last, *several) = project.load(), shadows
    alone = list(roundtrip.round_trips(found, [*PAIRS], last, Options()))
    together = list(side_by_side(found, [*PAIRS], several, Options()))

    assert [trip.verdict.value for trip in together] == VERDICTS
    assert [compared(trip) for trip in together] == [compared(trip) for trip in alone]


def test_a_review_on_several_servers_is_that_of_one(project, shadows):
    for migration_id in REVIEWED:
        script, rollback = PAIRS[migration_id]
        project.migration(migration_id, script, rollback=rollback)
    project.migration("16", "ALTER TABLE missing ADD b int;")
    found, (last, *several) = project.load(), shadows
    question = Question(found, tuple(found.ordered[:-1]))
    heard = []
    alone = review(question, last, Options())
    together = review(question, several[0], Options(), heard.append, beside=several[1:])

    assert [item.migration_id for item in together.migrations] == [*REVIEWED]
    assert _reported(together) == _reported(alone)
    begun = [event for event in heard if isinstance(event, ScriptStarted)]
    for operation in ("roundtrip", "review"):
        assert [one.number for one in begun if one.operation == operation] == [*range(1, len(REVIEWED) + 1)]
        assert [one.total for one in begun if one.operation == operation][-1] == len(REVIEWED)


def _reported(report):
    return report.to_json() | {"made_at": None}


def _tables(project, names):
    for name in names:
        project.migration(name, f"CREATE TABLE {name} ();", rollback=f"DROP TABLE {name};")


def test_what_stops_half_way_outside_a_transaction_leaves_nothing_for_the_next(project, shadows):
    project.migration("1", *PAIRS["04"][:1], rollback=PAIRS["04"][1])
    project.migration("2", *PAIRS["05"][:1], rollback=PAIRS["05"][1])
    (trip,) = roundtrip.round_trips(project.load(), ["2"], shadows[0], Options())

    assert (trip.verdict, trip.without) == (Verdict.EXACT, ("1",))


def test_more_servers_than_pairs_do_no_harm(project, shadows):
    _tables(project, "a")

    assert [trip.migration_id for trip in side_by_side(project.load(), ["a"], shadows, Options())] == ["a"]


def test_a_caller_who_leaves_ends_the_scripts_that_run(project, doomed):
    _tables(project, "a")
    project.migration("b", "SELECT pg_sleep(600);", rollback="SELECT 1;")
    run = side_by_side(project.load(), ["a", "b"], doomed, Options())
    with closing(run):
        next(run)
        with doomed[1].database() as any_, psycopg.connect(any_.admin_conninfo, autocommit=True) as watcher:
            asleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            wait_until(lambda: watcher.execute(asleep).fetchone(), timeout=20)

    assert list(run) == []


def test_a_server_that_goes_away_is_an_error_and_no_hang(project, doomed):
    _tables(project, "abcd")
    doomed[1].kill()

    with pytest.raises((Error, psycopg.Error)):
        list(side_by_side(project.load(), [*"abcd"], doomed, Options()))


def test_few_pairs_are_worth_one_server():
    assert servers_worth(0) == servers_worth(19) == 1
    assert 1 <= servers_worth(10_000) <= 4
