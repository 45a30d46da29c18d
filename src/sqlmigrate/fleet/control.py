"""The control database of a fleet, which may list the targets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from sqlmigrate import connection
from sqlmigrate.connection.conninfo import parse_conninfo
from sqlmigrate.errors import ConfigError, InventoryError, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.config import Config


def conninfo_of(config: Config, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the control database's connection string; None where the settings name none.

    Raises ConfigError where it cannot be read, or its variable is not set.
    """
    environ = os.environ if environ is None else environ
    if name := config.control_database_url_env:
        if not environ.get(name):
            raise ConfigError(f"the control database is to be in the variable {name}, which is not set")
        return _read(environ[name], f"variable {name}")
    if config.control_database_url is None:
        return None
    return _read(config.control_database_url, config.source("control_database_url"))


def rows_of(config: Config, query: str) -> list[dict[str, Any]]:
    """Run the query that lists the targets, in a read-only transaction, as the login finds things there.

    Raises ConfigError where there is no control database, and InventoryError where PostgreSQL refuses the query.
    """
    conninfo = conninfo_of(config)
    if conninfo is None:
        hint = "set control_database_url_env to the variable that holds its URL"
        raise ConfigError("targets_query asks the control database, and none is named", hint=hint)
    with connection.session(conninfo, application_name="sqlmigrate: targets") as session:
        session.execute("BEGIN TRANSACTION READ ONLY")
        try:
            with connection.as_login(session), session.cursor(row_factory=dict_row) as cursor:
                # the extended protocol takes one statement only
                rows = cursor.execute(query.encode(), binary=True).fetchall()
            return [{key: _plain(value) for key, value in row.items()} for row in rows]
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            reason = redact(str(error).strip().partition("\n")[0])
            raise InventoryError(f"targets_query fails: {reason}", hint="it is a SELECT; try it with psql") from None


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what JSON has no type for, such as a UUID, is text."""
    return value if value is None or isinstance(value, str | int | float | list | dict) else str(value)


def _read(text: str, source: str) -> str:
    return make_conninfo(**parse_conninfo(text, source=source))
