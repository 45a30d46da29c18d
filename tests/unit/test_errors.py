"""Errors say where, what and what to do next, and end with the status that is documented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlmigrate import errors
from sqlmigrate.errors import (
    Bug,
    ConnectionFailed,
    Error,
    ExecutionError,
    HalfWayError,
    HistoryError,
    Interrupted,
    MigrationsError,
    Place,
    Problem,
    SeedError,
    ServerMessage,
    UsageError,
    redact,
)
from sqlmigrate.events import Blocker, LockHolder

STATUSES = {1, 2, 4, 5, 6, 70}


def classes(base: type[Error]) -> Iterator[tuple[str, str | None, int]]:
    """Give every error class of ours with its parent and its exit status."""
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child.__name__, base.__name__, child.exit_status
            yield from classes(child)


def drawn() -> Iterator[tuple[str, str | None, int]]:
    """Give the classes of the tree that is drawn at the top of the module."""
    parents: list[str] = []
    for depth, name, status in re.findall(
        r"^    ((?:[│ ]   )*(?:[├└]── )?)(\w+) +(\d+) ", errors.__doc__ or "", re.MULTILINE
    ):
        del parents[len(depth) // 4 :]
        yield name, parents[-1] if parents else None, int(status)
        parents.append(name)


def test_the_tree_is_drawn_as_it_is():
    assert sorted(drawn()) == sorted([("Error", None, 1), *classes(Error)])


def test_exit_statuses_are_the_documented_ones():
    assert {status for _, _, status in classes(Error)} == STATUSES


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place(Path("sql/a.sql")), "sql/a.sql"),
        (Place(Path("sql/a.sql"), 3), "sql/a.sql:3"),
        (Place(Path("sql/a.sql"), 3, 7, "x"), "sql/a.sql:3:7"),
    ],
)
def test_a_place_is_written_as_compilers_do(place, text):
    assert str(place) == text
    assert str(Error("went wrong", place=place)) == str(Problem("went wrong", place)) == f"{text}: went wrong"


def test_without_a_place_the_message_stands_alone():
    assert str(Error("went wrong")) == str(Problem("went wrong")) == "went wrong"


def test_an_error_keeps_all_that_is_known():
    said = ServerMessage("column does not exist", sqlstate="42703")
    error = ExecutionError("it failed", migration_id="1", server=said, statement=2, hint="h", place=Place(Path("a")))

    assert (error.migration_id, error.server, error.statement, error.hint, error.done, error.kept) == (
        "1",
        said,
        2,
        "h",
        (),
        False,
    )


ONE_OF_EACH = [
    *(kind("m", hint="h") for kind in (Error, UsageError, HistoryError, ConnectionFailed)),
    *(kind("m", [Problem("p")], hint="h") for kind in (MigrationsError, SeedError)),
    *(kind("m", migration_id="1", statement=2, kept=True, hint="h") for kind in (ExecutionError, HalfWayError)),
    Bug("m", report="r"),
]


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_who_knows_more_of_an_error_makes_another_one(error):
    before = dict(vars(error))

    made = error.replaced(message="other", done=("0",))

    assert type(made) is type(error)
    assert vars(made) == before | {"message": "other", "done": ("0",)}
    assert vars(error) == before
    assert str(made) == "other"


def test_an_error_has_no_value_that_its_kind_does_not_know():
    with pytest.raises(AttributeError, match="kept"):
        Error("m").replaced(kept=True)


def test_what_an_interruption_leaves_comes_after_what_it_left_before():
    stop = Interrupted.leaving("one thing", KeyboardInterrupt())

    assert str(stop) == stop.left == "one thing"
    assert Interrupted.leaving("another", stop).left == "one thing; another"


@pytest.mark.parametrize("kind", [MigrationsError, SeedError])
def test_problems_are_kept_in_order(kind):
    problems = [Problem("b"), Problem("a", warning=True)]

    assert kind("refused", problems).problems == tuple(problems)
    assert kind("refused").problems == ()


def test_a_holder_and_a_blocker_are_said_in_one_phrase():
    holder = LockHolder(7, "app", "sqlmigrate", "local", None, 12.4)
    hidden = Blocker(8, "postgres", "web", "local", None, None, "<insufficient privilege>")
    assert str(hidden) == "pid 8 (role postgres, 'web'; pg_read_all_stats shows more)"
    blocker = Blocker(8, "app", "psql", "10.0.0.1", "idle in transaction", 61.0, "LOCK t")

    assert str(holder) == "pid 7 (role app, 'sqlmigrate' from local, for 12 s)"
    prepared = LockHolder(0, "app", "a\nb", None, None, 12.4)
    assert str(prepared) == r"the prepared transaction 'a\nb' (role app, for 12 s)"
    assert str(LockHolder(7, None, None, None, None, None)) == "pid 7 (role None, None from None)"
    assert str(blocker).startswith(
        "pid 8 (role app, 'psql' from 10.0.0.1, idle in transaction, transaction open for 61 s)"
    )
    assert str(blocker).endswith(": LOCK t")


def test_passwords_are_blanked_out_in_sql_and_after_long_words():
    long = "x" * 200_000

    assert redact("ALTER ROLE a PASSWORD 'it''s me' VALID") == "ALTER ROLE a PASSWORD '***' VALID"
    assert redact("ALTER ROLE a PASSWORD 'cut off") == "ALTER ROLE a PASSWORD '***'"
    assert redact(f"{long}://me:hunter22@h") == f"{long}://me:***@h"


def test_a_long_text_of_many_addresses_is_read_once():
    addresses = "http://" * 200_000

    assert redact(f"{addresses}: http://me:hunter22@h") == f"{addresses}: http://me:***@h"


def test_no_word_of_an_error_holds_a_password():
    said, hidden = "postgres://me:hunter22@h/d", "postgres://me:***@h/d"
    place = Place(Path(said), 1)  # a path has lost a slash

    assert [Problem(said, place, said).message, Problem(said, hint=said).hint] == [hidden, hidden]
    for error in (Error(said, hint=said, place=place), MigrationsError(said, hint=said), ExecutionError(said)):
        assert "hunter22" not in f"{error} {error!r} {error.message} {error.hint} {error.args}"
        assert hidden in str(error)
