"""Read the live database: its schema, its history and what the shadow must be like, in one read-only transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from sqlmigrate import history, queries
from sqlmigrate.connection import look, probe, session
from sqlmigrate.drift.model import Live, Role, Step
from sqlmigrate.drift.privileges import read_default_privileges
from sqlmigrate.drift.steps import applied_runs, texts_needed
from sqlmigrate.engine.takeover import of_other_tools
from sqlmigrate.history import LogFilter
from sqlmigrate.schema.read import read_schema
from sqlmigrate.shadow import read_facts, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlmigrate.config import Config
    from sqlmigrate.connection import Connection, Gate
    from sqlmigrate.history import History, LogRow
    from sqlmigrate.migrations import Migrations, ScriptRun
    from sqlmigrate.shadow import TargetFacts

APPLICATION = "sqlmigrate: drift"


@dataclass(frozen=True, slots=True)
class Others:
    """What another tool has applied here that our history does not have, in its order, and the role it works as."""

    runs: tuple[ScriptRun, ...]
    role: str


def read_live(
    config: Config,
    conninfo: str,
    found: Migrations,
    gate: Gate[Migrations],
    others: Callable[[Connection, History], Others | None] | None = None,
) -> Live:
    """Read all that is needed of the live database; any role that may read the history can, also on a standby.

    `gate` is called once with the server and the files before anything is read. `others` reads, in the same
    transaction, what another tool has applied, which counts as applied after what our history has.
    """
    with session(conninfo, application_name=APPLICATION) as connection:
        gate(probe(connection), found)
        return look(connection, lambda: _read(config, connection, found, others or (lambda _, __: None)))


def _history(config: Config, connection: Connection, found: Migrations) -> History:
    """Read the history, with the recorded texts that tell which scripts ran."""
    known = history.read(connection, config.history_schema, owners=config.history_owners)
    needed = texts_needed(found, known)
    return history.with_texts(connection, config.history_schema, known, needed, owners=config.history_owners)


def _facts_of(login: Role, facts: TargetFacts) -> TargetFacts:
    """Return what is known of the target with what its scripts' login is and may."""
    return replace(
        facts,
        login=login.name,
        superuser=login.superuser,
        creates_databases=login.creates_databases,
        creates_roles=login.creates_roles,
        member_of=login.member_of,
    )


def _read(
    config: Config,
    connection: Connection,
    found: Migrations,
    others: Callable[[Connection, History], Others | None],
) -> Live:
    asked = queries.load("drift")
    facts = read_facts(connection)
    known = _history(config, connection, found)
    runs, notes = applied_runs(found, known)
    theirs = others(connection, known)
    if known.version is None and theirs is None:
        none = f"there is no history in schema {config.history_schema}: nothing counts as applied"
        notes.append("; ".join([none, *of_other_tools(connection)]))
    logged = _log(connection, config, known)
    ran_as = {
        row.migration_id: role for row in logged if row.migration_id and (role := row.script_role or row.login_role)
    }
    if theirs:
        runs += theirs.runs
        ran_as |= dict.fromkeys((item.migration_id for item in theirs.runs), theirs.role)
    latest = [ran_as[item.migration_id] for item in runs if item.migration_id in ran_as][-1:]
    default = config.role or (latest or [facts.login])[0]
    logins = [row.login_role for row in logged if row.login_role]
    roles = read_roles(connection, {default, facts.login, *ran_as.values(), *logins})
    steps = [Step(item, ran_as.get(item.migration_id, default)) for item in runs]
    # who is gone since then can own nothing any more
    steps = [step if step.role in roles else replace(step, role=default) for step in steps]
    main = roles.get((latest or [default])[0]) or roles.get(default, Role(default))
    # what a login has set for itself holds for all that it applies, whomever the scripts act as
    applier = next((name for name in reversed(logins) if name in roles), None)
    supabase = connection.execute(asked["supabase"]).fetchone()
    return Live(
        facts=replace(_facts_of(main, facts), settings=read_settings(connection, login=applier)),
        schema=read_schema(connection).schema,
        steps=tuple(steps),
        roles={name: roles.get(name, Role(name)) for name in [main.name, *(step.role for step in steps)]},
        default_privileges=read_default_privileges(connection),
        search_path=config.search_path,
        supabase=bool(supabase and supabase[0]),
        half_way=tuple(dict.fromkeys(item.migration_id for item in known.half_way)),
        notes=tuple(notes),
    )


def read_roles(connection: Connection, names: Iterable[str]) -> dict[str, Role]:
    """Return those roles of these names that there are."""
    with connection.cursor(row_factory=class_row(Role)) as cursor:
        rows = cursor.execute(queries.load("drift")["roles"], {"names": sorted(names)}).fetchall()
    return {row.name: replace(row, member_of=frozenset(row.member_of)) for row in rows}


def _log(connection: Connection, config: Config, known: History) -> list[LogRow]:
    """Return what we have applied, oldest first."""
    if known.version is None:
        return []
    wanted = LogFilter(operation="apply")
    return history.read_log(connection, config.history_schema, wanted, owners=config.history_owners)
