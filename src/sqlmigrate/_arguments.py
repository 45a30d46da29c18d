"""Check what the functions of `sqlmigrate.api` are given, as the configuration checks its settings."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo

from sqlmigrate import config, connection, errors
from sqlmigrate.engine import Options
from sqlmigrate.migrations import Migrations, load

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = "sqlmigrate"
Time = int | str
"""A time: milliseconds, or text with a unit (us, ms, s, min, h, d)."""


def read_files(migrations: str | Path | Migrations, *, one_by_one: bool = False) -> Migrations:
    """Give what was read before, or read the folder; raises MigrationsError, with `one_by_one` for the set alone."""
    return migrations if isinstance(migrations, Migrations) else load(Path(migrations), one_by_one=one_by_one)


def conninfo(database: str) -> str:
    """Check a URL by libpq's rules; an empty one is a lost secret, not a wish for libpq's default."""
    if not database or not database.strip():
        raise errors.NoTargetError("no database is named", hint="give a URL such as postgresql://user@host/database")
    return make_conninfo(**connection.parse_conninfo(database, source="the text given for the database"))


def run_options(resume_at: int | None = None, *, single_transaction: bool = False, **given: Any) -> Options:
    """Check settings as the configuration does; raises ConfigError for one that does not fit."""
    _require_positive("resume_at", resume_at)
    values = {
        name: config.parse_setting(name, value, "an argument", Path())
        for name, value in given.items()
        if value is not None
    }
    schema = values.pop("history_schema", SCHEMA)
    return Options(schema=schema, single_transaction=single_transaction, resume_at=resume_at, **values)


def require_one(*, steps: int | None, **others: object) -> None:
    """Raise UsageError where more than one of these is given, or `steps` does not count from 1."""
    given = [name for name, value in {**others, "steps": steps}.items() if value is not None]
    if len(given) > 1:
        raise errors.UsageError(f"{' and '.join(given)} exclude each other; give one of them")
    _require_positive("steps", steps)


def _require_positive(name: str, number: int | None) -> None:
    if number is not None and number < 1:
        raise errors.UsageError(f"{name} counts from 1, so it cannot be {number}")


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise an Error where PostgreSQL ends one of our own queries: cancelled, timed out, or without the right."""
    try:
        yield
    except psycopg.Error as error:
        text = connection.redact(str(error).strip() or type(error).__name__)
        raise errors.Error(text) from error
