"""From a plan to what it takes away; a plan whose scripts take nothing costs no statement."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.engine.losses.counting import count, look, reason
from sqlmigrate.engine.losses.finding import Finder
from sqlmigrate.engine.losses.names import Names
from sqlmigrate.engine.wire.session import script_path, script_role
from sqlmigrate.errors import Error, Place
from sqlmigrate.plan.losses import Loss
from sqlmigrate.sql.directives import read_allowed
from sqlmigrate.sql.statement.takings import takings_of
from sqlmigrate.usage.looking import Condition, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.losses.finding import Found
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.sql.script import Script

_CODES = frozenset({"H20", "H21"})


def losses_of(connection: Connection, runs: Sequence[ScriptRun], options: Options) -> tuple[Loss, ...]:
    """Return what scripts take away that run one after the other: the database is only read."""
    try:
        found = look(connection, lambda: list(_found(connection, runs, options)))
    except psycopg.Error as error:
        how = f"the database could not be asked: {reason(error)}"
        return (Loss(migration_id=runs[0].migration_id, kind="unknown", how=how, table=""),)
    return tuple(count(connection, found))


def _found(connection: Connection, runs: Sequence[ScriptRun], options: Options) -> Iterator[Found]:
    acts = [(run, act) for run in runs for act in takings_of(run.script)]
    finder = Finder(connection, Names(connection))
    finder.names.load(act.name.name for _, act in acts if act.kind in ("relation", "column"))
    paths: dict[tuple[str | None, str | None], list[str]] = {}
    allowed: dict[str, dict[int, str]] = {}
    for run, act in acts:
        under = script_role(run.script, options), script_path(run.script, options)
        if under not in paths:
            paths[under] = _path(connection, Condition(run.script, *under))
        if run.migration_id not in allowed:
            allowed[run.migration_id] = _allowed(run)
        loss = Loss(
            migration_id=run.migration_id,
            kind="",
            how="dropped",
            table="",
            allowed=allowed[run.migration_id].get(act.offset),
            place=Place(run.script.path, act.line),
        )
        finder.take(act, paths[under], loss, under[0])
    yield from finder.find()


def _path(connection: Connection, item: Condition) -> list[str]:
    """Return the path of a script; where it may not work as its role, which it will say itself, that of the login."""
    try:
        with connection.transaction():
            return path_of(connection, item)
    except Error:
        return path_of(connection, replace(item, role=None))


def _allowed(run: ScriptRun) -> dict[int, str]:
    """Return why statements may take something away, by where they begin; what a rollback takes is asked anew."""
    if run.operation != "apply":
        return {}
    return {item.offset: item.reason for item in read_allowed(_text(run.script)) if item.code in _CODES}


def _text(script: Script) -> str:
    return script.text or ""
