"""What the functions of the Python API take."""

from __future__ import annotations

import contextlib
import inspect
from inspect import signature
from pathlib import Path

import pytest
from psycopg import sql

from sqlmigrate import api
from sqlmigrate.api import arguments as _arguments
from sqlmigrate.engine import Options
from sqlmigrate.errors import (
    ConfigError,
    Error,
    NoTargetError,
    UsageError,
)
from sqlmigrate.events import Notice
from support.api import ran, states, steps
from support.sessions import is_there


@pytest.mark.parametrize("form", ["url", "conninfo", "dialect"])
def test_a_database_is_named_in_any_form_that_the_command_takes(database, shop, form):
    text = {
        "url": database.url,
        "conninfo": database.conninfo,
        "dialect": database.url.replace("postgresql://", "postgresql+psycopg://", 1),
    }[form]

    assert len(api.apply(text, str(shop.directory)).ran) == 3


@pytest.mark.parametrize("text", ["", "  ", None])
@pytest.mark.parametrize("call", [api.status, api.plan, api.apply, api.rollback, api.drift])
def test_an_empty_url_is_refused_and_not_taken_for_a_default(database, shop, monkeypatch, call, text):
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("PGHOST", database.server.host)

    with pytest.raises(NoTargetError, match="no database is named"):
        call(text, shop.directory)


def test_a_scratch_database_on_the_own_cluster_is_refused(database, shop):
    with pytest.raises(UsageError, match="the target's own cluster"):
        api.roundtrip(shop.directory, database=database.url, shadow_url=database.superuser_url)
    with pytest.raises(UsageError, match="the target's own cluster"):
        api.drift(database.url, shop.directory, shadow_url=database.superuser_url)


def test_no_setting_comes_from_the_environment_or_a_file(database, shop, monkeypatch):
    (shop.root / "sqlmigrate.toml").write_text('history_schema = "elsewhere"\nprotected = true\n')
    monkeypatch.setenv("SQLMIGRATE_HISTORY_SCHEMA", "elsewhere")
    monkeypatch.setenv("SQLMIGRATE_ROLE", "nobody")
    monkeypatch.chdir(shop.root)

    api.apply(database.url, "sql")

    assert is_there(database.connect(), "sqlmigrate._yoyo_migration")


@pytest.mark.parametrize("number", [0, -1])
@pytest.mark.parametrize("call", [api.plan, api.plan_rollback, api.apply, api.rollback])
def test_a_number_of_steps_below_one_is_refused(database, shop, call, number):
    api.apply(database.url, shop.directory, steps=2)

    with pytest.raises(UsageError, match=f"steps counts from 1, so it cannot be {number}"):
        call(database.url, shop.directory, steps=number)
    assert [state for _, state in states(database.url, shop)] == ["applied", "applied", "pending"]


@pytest.mark.parametrize("call", [api.plan, api.plan_rollback, api.apply, api.rollback])
def test_two_ends_exclude_each_other(database, shop, call):
    with pytest.raises(UsageError, match="give only one of to and steps"):
        call(database.url, shop.directory, to="1_a", steps=1)


@pytest.mark.parametrize("call", [api.plan_rollback, api.rollback])
def test_everything_and_an_end_exclude_each_other(database, shop, call):
    with pytest.raises(UsageError, match="give only one of everything and steps"):
        call(database.url, shop.directory, everything=True, steps=1)


@pytest.mark.parametrize("call", [api.apply, api.rollback, api.seed])
def test_the_defaults_are_those_of_the_command(call):
    times = {"lock_timeout", "lock_budget", "statement_timeout", "wait_lock", "durable"}
    given = {name: item.default for name, item in signature(call).parameters.items() if name in times}

    assert given
    assert _arguments.run_options(**given) == Options()


@pytest.mark.parametrize("value", [1500, "1500", "1500ms"])
def test_times_are_milliseconds_or_text(database, project, value):
    shown = "current_setting('lock_timeout'), current_setting('statement_timeout')"
    project.migration("1_times", f"DO $$ BEGIN RAISE NOTICE '% %', {shown}; END $$;\n")
    told = []

    api.apply(database.url, project.directory, lock_timeout=value, statement_timeout="2min", observer=told.append)

    assert [event.message.message for event in told if isinstance(event, Notice)] == ["1500ms 2min"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("lock_timeout", 0),
        ("lock_timeout", "soon"),
        ("lock_timeout", True),
        ("statement_timeout", -1),
        ("wait_lock", 1.5),
        ("lock_budget", "2 parsecs"),
        ("history_schema", "pg_mine"),
        ("history_schema", ""),
        ("role", 5),
        ("durable", "soon"),
        ("durable", True),
    ],
)
def test_a_setting_that_does_not_fit_is_named_before_anything_runs(database, shop, option, value):
    with pytest.raises(ConfigError, match=rf"^{option}: .* \(an argument\)$"):
        api.apply(database.url, shop.directory, **{option: value})
    assert states(database.url, shop)[0] == ("1_a", "pending")


def test_scripts_run_as_the_role_and_with_the_search_path_that_are_given(database, shop, admin, new_role):
    role = new_role("NOLOGIN")
    admin.execute(sql.SQL("GRANT {} TO migrator").format(sql.Identifier(role)))
    admin.execute(sql.SQL("CREATE SCHEMA inside AUTHORIZATION {}").format(sql.Identifier(role)))

    api.apply(database.url, shop.directory, role=role, search_path="inside")

    owners = admin.execute("SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'inside' ORDER BY 1")
    assert owners.fetchall() == [(name, role) for name in "abc"]


def test_the_history_is_kept_in_the_schema_that_is_given(database, shop, conn):
    api.apply(database.url, shop.directory, history_schema="ops", steps=1)

    assert states(database.url, shop, history_schema="ops")[0] == ("1_a", "applied")
    assert steps(api.plan(database.url, shop.directory, history_schema="ops")) == ["2_b", "3_c"]
    assert steps(api.plan_rollback(database.url, shop.directory, history_schema="ops")) == ["1_a"]
    assert not is_there(conn, "sqlmigrate._yoyo_migration")
    assert ran(api.rollback(database.url, shop.directory, history_schema="ops")) == ["1_a"]


@pytest.mark.parametrize("schema", ["", "x" * 70])
@pytest.mark.parametrize("call", [api.status, api.apply, api.seed])
def test_a_schema_of_the_history_that_cannot_be_one_is_refused(database, tmp_path, call, schema):
    with pytest.raises(ConfigError, match="history_schema"):
        call(database.url, tmp_path, history_schema=schema)


FUNCTIONS = [getattr(api, name) for name in api.__all__ if inspect.isfunction(getattr(api, name))]
OF_FLEETS = [function for function in FUNCTIONS if function.__name__.startswith("fleet_")]
CALLS = [
    (function, name) for function in FUNCTIONS if function not in OF_FLEETS for name in signature(function).parameters
]
STRANGE = [
    None,
    5,
    1.5,
    True,
    "",
    "x\0y",
    "x" * 5_000,
    -(10**5_000),
    "\ud800",
    b"x",
    [],
    [1],
    ["\0"],
    {},
    {"a": 1},
    object(),
    Path(),
    lambda *_: None,
]


@pytest.mark.parametrize(("function", "name"), CALLS, ids=lambda item: getattr(item, "__name__", item))
def test_no_argument_of_a_wrong_kind_makes_a_function_raise_anything_but_an_error(database, shop, function, name):
    """Each function is called with every strange value for each of its parameters; most are refused at once."""
    good = dict.fromkeys(("migrations", "directory", "data"), shop.directory)
    good |= {"database": database.url, "migration_id": "1_a", "reason": "mended"}
    needed = {key: value for key, value in good.items() if key in signature(function).parameters}
    for value in STRANGE:
        given = needed | {name: value}
        if "shadow_url" in signature(function).parameters:
            given = {"shadow_url": "host=/nowhere"} | given  # so that no server has to start
        with contextlib.suppress(Error):
            function(**given)


@pytest.mark.parametrize("function", OF_FLEETS)
def test_none_makes_a_function_of_fleets_raise_anything_else_either(shop, function, monkeypatch):
    """They go on to their end, though no target can be reached."""
    monkeypatch.chdir(shop.root)
    good = {"targets": [{"name": "a", "url": "host=/nowhere dbname=x"}], "migrations": shop.directory, "run": "last"}
    names = signature(function).parameters
    for name in names:
        for value in STRANGE:
            with contextlib.suppress(Error):
                function(**{key: value for key, value in good.items() if key in names} | {name: value})


def test_an_argument_of_a_wrong_kind_is_named(database, shop):
    for given, message in [
        ({"steps": "2"}, "steps: a whole number is needed, not str"),
        ({"steps": True}, "steps: a whole number is needed, not bool"),
        ({"steps": -(10**5000)}, "steps: the number is too large"),
        ({"to": 5}, "to: a text is needed, not int"),
        ({"everything": 1}, "everything: True or False is needed, not int"),
        ({"include_marked": "1_a"}, "include_marked: a list of texts is needed, not str"),
        ({"include_marked": [1]}, "include_marked: a text is needed, not int"),
        ({"observer": []}, "observer: a function is needed, not list"),
        ({"to": "a\0b"}, "to: PostgreSQL cannot store this character in a text: 'a\\x00b'"),
    ]:
        with pytest.raises(UsageError) as caught:
            api.rollback(database.url, shop.directory, **given)
        assert caught.value.message == message
    with pytest.raises(UsageError, match="migrations: a path is needed, not int"):
        api.apply(database.url, 5)
    with pytest.raises(UsageError, match="database: a text is needed, not int"):
        api.apply(5, shop.directory)
    with pytest.raises(UsageError, match="phase: a text is needed, not int"):
        api.apply(database.url, shop.directory, phase=10**5000)
    with pytest.raises(UsageError, match="base: a text is needed, not int"):
        api.review(shop.directory, base=10**5000)
