"""A session that is opened while something else is done."""

from __future__ import annotations

from threading import Event

import pytest
from psycopg.conninfo import make_conninfo

from sqlmigrate import connection
from sqlmigrate.connection.early import Early
from sqlmigrate.errors import ConnectionFailed
from support.waiting import wait_until


@pytest.fixture
def sessions(database, conn):
    """Count our sessions in the database."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'sqlmigrate'"
    return lambda: conn.execute(query, [database.name]).fetchone()[0]


def test_it_is_taken_where_it_leads_to_the_same_place(database, sessions):
    early = Early(database.conninfo)
    wait_until(lambda: sessions() == 1)
    with connection.session(database.conninfo, early=early) as session:
        assert sessions() == 1
        assert session.execute("SHOW search_path").fetchone() == ("pg_catalog, pg_temp",)
        early.leave()
        assert session.execute("SELECT 1").fetchone() == (1,)
        with connection.session(database.conninfo, early=early):  # it is taken only once
            assert sessions() == 2
    wait_until(lambda: sessions() == 0)


def test_one_that_leads_elsewhere_is_left(database, sessions):
    early = Early(make_conninfo(database.conninfo, dbname="postgres"))
    with connection.session(database.conninfo, early=early) as session:
        assert session.info.dbname == database.name
    early.leave()
    wait_until(lambda: sessions() == 0)


def test_one_that_is_left_is_closed(database, sessions):
    early = Early(database.conninfo)
    early.leave()  # while it is being opened
    later = Early(database.conninfo)
    wait_until(lambda: sessions() >= 1)
    later.leave()
    wait_until(lambda: sessions() == 0)


def test_what_is_wrong_is_told_when_it_is_taken(database):
    early = Early(make_conninfo(database.conninfo, dbname="not_there"))
    with (
        pytest.raises(ConnectionFailed, match="not_there"),
        connection.session(early.conninfo, early=early),
    ):
        pass


def test_it_answers_what_it_is_asked_while_it_is_opened(database):
    early = Early(database.conninfo)
    early.ask(lambda session: session.execute("SELECT 1").fetchone())
    with connection.session(database.conninfo, early=early) as session:
        assert early.answer(session) == (1,)
        with connection.session(database.conninfo, early=early) as other:
            assert early.answer(other) is None


def test_a_question_that_fails_leaves_the_session_as_it_was(database):
    early = Early(database.conninfo)
    early.ask(lambda session: session.execute("SELECT 1 / 0"))
    with connection.session(database.conninfo, early=early) as session:
        assert early.answer(session) is None
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_one_that_is_left_while_it_is_asked_is_closed_behind_the_answer(database, sessions):
    asked, go_on = Event(), Event()

    def question(session):
        asked.set()
        go_on.wait()
        return session.execute("SELECT 1").fetchone()

    early = Early(database.conninfo)
    early.ask(question)
    asked.wait()
    early.leave()
    assert sessions() == 1
    go_on.set()
    wait_until(lambda: sessions() == 0)
