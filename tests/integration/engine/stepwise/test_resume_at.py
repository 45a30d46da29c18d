"""A script that --resume-at sent back, and that fails or is killed there, still stands half way."""

from __future__ import annotations

import pytest

from sqlmigrate.events import Resumed
from support.runner import Runner, ids
from support.sessions import is_there
from support.stepwise import OUTSIDE, half_way, indexes, journal

SCRIPT = f"{OUTSIDE}CREATE TABLE t (n integer);\nINSERT INTO t VALUES (1);\nSELECT 1/0;\nINSERT INTO t VALUES (4);\n"
BLOCK = f"{OUTSIDE}BEGIN;\nCREATE TABLE t (n integer);\nCOMMIT;\nSELECT 1/0;\n"
UNDO = f"{OUTSIDE}DROP TABLE t;\nDROP TABLE nope;\n"


def numbers(conn):
    return [n for (n,) in conn.execute("SELECT n FROM t ORDER BY n")]


@pytest.fixture
def stopped(runner) -> Runner:
    """A script of which two statements are done; the third one failed."""
    runner.write("a", SCRIPT, "DROP TABLE t;\n")
    half_way(runner.apply)
    return runner


def killed_when_resumed(runner, operation: str = "apply", **options) -> None:
    """Let a run end between what it writes down of --resume-at and its first statement."""

    def observe(event):
        if isinstance(event, Resumed):
            raise KeyboardInterrupt

    runner.observe = observe
    with pytest.raises(KeyboardInterrupt):
        getattr(runner, operation)(**options)
    runner.observe = runner.events.append


def test_the_first_statement_that_fails_again_is_what_it_stopped_at(stopped, conn):
    error = half_way(lambda: stopped.apply(resume_at=1))

    assert 'relation "t" already exists' in error.message
    assert (error.statement, error.done_statements, error.kept) == (1, 0, True)
    assert "statements 1 to 2 were done before --resume-at: if that is still so, --resume-at 3" in error.hint
    assert journal(conn) == [("apply", 1, 1, "failed")]
    assert stopped.history().half_way_of("a").stopped_at.error == 'relation "t" already exists'
    assert numbers(conn) == [1]


def test_without_the_option_it_is_begun_again_as_it_was_told_and_stays_half_way(stopped, conn):
    half_way(lambda: stopped.apply(resume_at=1))

    for _ in range(2):
        assert half_way(stopped.apply).statement == 1
        assert journal(conn) == [("apply", 1, 1, "failed")]
    conn.execute("DROP TABLE t")
    stopped.write("a", SCRIPT.replace("1/0", "1"))
    assert ids(stopped.apply()) == ["a"]

    assert numbers(conn) == [1, 4]
    assert journal(conn) == []


def test_the_hint_leads_back_to_where_it_stood(stopped, conn):
    half_way(lambda: stopped.apply(resume_at=1))
    stopped.write("a", SCRIPT.replace("1/0", "1"))

    assert ids(stopped.apply(resume_at=3)) == ["a"]

    assert numbers(conn) == [1, 4]


def test_it_can_still_be_rolled_back(stopped, conn):
    half_way(lambda: stopped.apply(resume_at=1))

    assert ids(stopped.rollback()) == ["a"]

    assert not is_there(conn, "t")
    assert journal(conn) == []


@pytest.mark.parametrize(
    ("resume_at", "fails_at", "left"),
    [
        (2, 3, [("apply", 1, 1, "done"), ("apply", 2, 2, "done"), ("apply", 3, 3, "failed")]),
        (3, 3, [("apply", 1, 1, "done"), ("apply", 2, 2, "done"), ("apply", 3, 3, "failed")]),
        (4, 4, [*(("apply", number, number, "done") for number in (1, 2, 3)), ("apply", 4, 4, "failed")]),
    ],
)
def test_at_any_other_statement_the_journal_says_what_is_done(stopped, conn, resume_at, fails_at, left):
    stopped.write("a", SCRIPT.replace("(4)", "('x')"))

    assert half_way(lambda: stopped.apply(resume_at=resume_at)).statement == fails_at

    assert journal(conn) == left


def test_one_that_is_killed_before_its_first_statement_stays_half_way(stopped, conn):
    for options in ({"resume_at": 1}, {}):
        killed_when_resumed(stopped, **options)
        assert journal(conn) == [("apply", 1, 1, "failed")]

    assert half_way(stopped.apply).statement == 1


def test_a_block_that_is_run_again_and_fails_stays_half_way(runner, conn):
    runner.write("a", BLOCK)
    half_way(runner.apply)

    assert half_way(lambda: runner.apply(resume_at=1)).statement == 2
    assert journal(conn) == [("apply", 2, 2, "failed")]
    assert half_way(runner.apply).statement == 2
    conn.execute("DROP TABLE t")
    runner.write("a", BLOCK.replace("1/0", "1"))
    assert ids(runner.apply()) == ["a"]


def test_a_half_way_rollback_that_is_run_again_stays_half_way(runner, conn):
    runner.write("a", "CREATE TABLE t ();\n", UNDO)
    runner.apply()
    half_way(runner.rollback)

    killed_when_resumed(runner, "rollback", resume_at=1)
    assert journal(conn) == [("rollback", 1, 1, "failed")]
    error = half_way(lambda: runner.rollback(resume_at=1))

    assert 'table "t" does not exist' in error.message
    assert journal(conn) == [("rollback", 1, 1, "failed")]
    conn.execute("CREATE TABLE nope ()")
    assert ids(runner.rollback(resume_at=2)) == ["a"]
    assert runner.applied() == []


def test_an_index_that_is_built_again_leaves_the_journal_at_no_time_empty(runner, conn):
    """The first statement was passed over before, so that the second one happened."""
    runner.write("a", f"{OUTSIDE}CREATE UNIQUE INDEX CONCURRENTLY i ON t (b);\nCREATE TABLE after ();\nSELECT 1/0;\n")
    conn.execute("CREATE TABLE t (b integer)")
    conn.execute("INSERT INTO t VALUES (1), (1)")
    half_way(runner.apply)
    conn.execute("DROP INDEX CONCURRENTLY i")
    half_way(lambda: runner.apply(resume_at=2))
    half_way(lambda: runner.apply(resume_at=1))
    assert indexes(conn) == {"i": False}
    runner.write("a", f"{OUTSIDE}SELECT nonsense;\nCREATE TABLE after ();\n")

    assert half_way(runner.apply).statement == 1

    assert indexes(conn) == {}
    assert journal(conn) == [("apply", 1, 1, "failed")]
