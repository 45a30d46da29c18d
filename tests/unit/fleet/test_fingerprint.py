"""Errors of one kind have one fingerprint."""

from __future__ import annotations

from sqlmigrate.errors import ConnectionFailed, Error, ExecutionError, LockBudgetSpent, ServerMessage
from sqlmigrate.fleet.fingerprint import fingerprint


def refused(message, *, sqlstate="42P07", migration_id="0042_orders", statement=2, kind=ExecutionError):
    return kind(
        message, migration_id=migration_id, statement=statement, server=ServerMessage(message, sqlstate=sqlstate)
    )


def test_what_postgresql_refuses_is_known_by_its_state_and_its_statement():
    first = fingerprint(refused('relation "acme.orders" already exists'))

    assert first == fingerprint(refused('relation "globex.orders" already exists'))
    assert first != fingerprint(refused("x", sqlstate="42501"))
    assert first != fingerprint(refused("x", migration_id="0043_more"))
    assert first != fingerprint(refused("x", statement=3))
    assert first != fingerprint(refused("x", kind=LockBudgetSpent))
    assert len(first) == 12


def test_other_errors_are_known_by_their_words_without_what_belongs_to_one_target():
    here = ConnectionFailed(
        "cannot connect: connection to db1.eu (10.0.0.1), port 5432 failed: database acme is not there"
    )
    there = ConnectionFailed(
        "cannot connect: connection to db2.us (10.9.0.7), port 5433 failed: database bolt is not there"
    )

    assert fingerprint(here, ["acme", "db1.eu"]) == fingerprint(there, ["bolt", "db2.us"])
    assert fingerprint(here, ["acme", "db1.eu"]) != fingerprint(ConnectionFailed("cannot connect: timeout"), [])


def test_a_name_within_a_word_is_no_name():
    assert fingerprint(Error("no room in the table"), ["t"]) == fingerprint(Error("no room in the table"), [])
