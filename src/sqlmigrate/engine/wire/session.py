"""The worker session: pristine and set up anew for every script."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from psycopg import sql

from sqlmigrate.connection import OWN_PATH, WITH_TRANSACTION_TIMEOUT, Command, Purpose
from sqlmigrate.connection.silence import settled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.sql.script import Script

_NAME_BYTES = 63  # NAMEDATALEN - 1


@dataclass(frozen=True, slots=True)
class Options:
    """How scripts run; times in milliseconds, 0 meaning none except for `wait_lock`, where it means not to wait.

    `max_waiters` sessions may wait behind a script, and each of them `max_block`; 0 means that any may. No standby
    may lag by more than `max_lag` when a script begins.

    `durable` is `each` where every COMMIT waits until it is durable, `end` where that may be left to a later one.

    With `apart` no COMMIT goes along with the next script, so that nothing is under way between two of them.

    `tenant` is the schema that the scripts are for; it has to be there before anything runs.

    `versions` are those that CREATE EXTENSION asks for on a shadow, which stands for a target that has them.
    """

    schema: str = "sqlmigrate"
    history_owners: tuple[str, ...] = ()
    role: str | None = None
    search_path: str | None = None
    lock_timeout: int = 2_000
    statement_timeout: int = 0
    lock_budget: int = 600_000
    wait_lock: int = 300_000
    durable: str = "end"
    max_waiters: int = 0
    max_block: int = 0
    max_lag: int = 0
    apart: bool = False
    tenant: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


# DISCARD ALL resets role, session authorization, settings, temporary tables, plans, LISTEN and advisory locks
PRISTINE = Command("DISCARD ALL")

# whatever comes next is our own SQL: see `connection.OWN_PATH`
OURS = Command(OWN_PATH)

# the same as far as a transaction allows it, for scripts that share one
CLEARED = (
    Command("RESET SESSION AUTHORIZATION"),
    Command("RESET ROLE"),
    Command("RESET ALL"),
    Command("CLOSE ALL"),
    Command("DEALLOCATE ALL"),
    Command("UNLISTEN *"),
    Command("DISCARD TEMP"),
    Command("DISCARD SEQUENCES"),
    Command("SELECT pg_catalog.pg_advisory_unlock_all()", purpose=Purpose.ADVISORY_LOCKS),
)

COMMIT = Command("COMMIT", purpose=Purpose.COMMIT)

# deferred constraints and triggers speak here, as the role of the script, and not at COMMIT
CONSTRAINTS = Command("SET CONSTRAINTS ALL IMMEDIATE", purpose=Purpose.CONSTRAINTS)

# the same at the end of a transaction that several scripts share
SHARED_CONSTRAINTS = replace(CONSTRAINTS, purpose=Purpose.SHARED_CONSTRAINTS)

# a cursor WITH HOLD would run its query, and the functions in it, at COMMIT
NO_CURSORS = Command("CLOSE ALL")

# whatever the script did to its session, the history is written by the login role, with no operators but PostgreSQL's
# own, in UTF-8 and without a time limit
BACK_TO_LOGIN = (
    Command("SET statement_timeout TO 0"),
    Command("RESET SESSION AUTHORIZATION"),
    Command("RESET ROLE"),
    Command("SET LOCAL search_path TO pg_catalog, pg_temp"),
    Command("SET client_encoding TO 'UTF8'"),
)


def application_name(migration_id: str) -> str:
    """Return the application_name of a script's session, cut where PostgreSQL would cut it with a NOTICE: at 63 bytes.

    It is cut between two characters, in UTF-8.
    """
    return f"sqlmigrate: {migration_id}".encode()[:_NAME_BYTES].decode(errors="ignore")


def begin(script: Script) -> Command:
    """Return the BEGIN of a script; its isolation level cannot be set once the history row is written."""
    level = script.directives.isolation
    return Command(f"BEGIN ISOLATION LEVEL {level.upper()}" if level else "BEGIN")


def setting_values(script_run: ScriptRun, options: Options, info: ServerInfo) -> dict[str, str]:
    """Return every setting that a script runs under; the script's own directives go first."""
    own = script_run.script.directives
    lock = options.lock_timeout if own.lock_timeout is None else own.lock_timeout
    statement = options.statement_timeout if own.statement_timeout is None else own.statement_timeout
    values = {
        "lock_timeout": str(lock),
        "statement_timeout": str(statement),
        "application_name": application_name(script_run.migration_id),
    }
    if info.version_number >= WITH_TRANSACTION_TIMEOUT:
        values["transaction_timeout"] = "0"
    return values


def settings(script_run: ScriptRun, options: Options, info: ServerInfo) -> Command:
    """Return one command that makes the settings of a script, and of `be_patient`, which DISCARD ALL has dropped."""
    values = setting_values(script_run, options, info)
    calls = ", ".join(f"pg_catalog.set_config('{name}', ${at}, false)" for at, name in enumerate(values, 1))
    return Command(f"SELECT {calls}, {settled()}", tuple(values.values()), Purpose.SETTINGS)


def script_path(script: Script, options: Options) -> str | None:
    """Return the search_path that a script starts with, or None for that of the login role."""
    return options.search_path if script.directives.search_path is None else script.directives.search_path


def search_path(script: Script, options: Options) -> Command:
    """Return the command after which a script's names are looked up: nothing of ours may follow it."""
    path = script_path(script, options)
    if path is None:
        return Command("RESET search_path", purpose=Purpose.SETTINGS)
    # SET would not take every text that is a search_path, such as $user
    return Command("SELECT pg_catalog.set_config('search_path', $1, false)", (path,), Purpose.SETTINGS)


def script_role(script: Script, options: Options) -> str | None:
    """Return the role that a script runs as, or None for the login role."""
    return script.directives.role or options.role


def set_role(role: str) -> Command:
    """Return the SET ROLE of a script."""
    return Command(f"SET ROLE {sql.Identifier(role).as_string()}", purpose=Purpose.ROLE)


def within_tenant(options: Options) -> list[Command]:
    """Return what fails, under the search_path and as the role of a script, where these do not lead to its tenant.

    PostgreSQL passes over a schema that is gone, or that the role may not use, and takes the next one of the path.
    """
    if options.tenant is None:
        return []
    text = (
        "SELECT 1 OPERATOR(pg_catalog./) "
        "CASE WHEN pg_catalog.current_schema() OPERATOR(pg_catalog.=) $1::pg_catalog.name THEN 1 ELSE 0 END"
    )
    return [Command(text, (options.tenant,), Purpose.TENANT)]


def set_up(script_run: ScriptRun, options: Options, info: ServerInfo) -> list[Command]:
    """Return what makes a session the script's own, with nothing of ours in between."""
    script = script_run.script
    role = script_role(script, options)
    made = [OURS, settings(script_run, options, info), search_path(script, options)]
    return [*made, *([set_role(role)] if role else []), *within_tenant(options)]


def back_to_script(script: Script, options: Options) -> list[Command]:
    """Return what lets the rest of a transaction, its COMMIT, run with the script's rights: behind what we wrote."""
    role = script_role(script, options)
    return [Command(f"SET LOCAL ROLE {sql.Identifier(role).as_string()}", purpose=Purpose.ROLE)] if role else []
