"""Check what the functions of `sqlmigrate.api.functions` are given, as the configuration checks its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from sqlmigrate import config, connection, errors
from sqlmigrate.engine import Options
from sqlmigrate.errors import redact
from sqlmigrate.migrations import Migrations, load
from sqlmigrate.plan import RollbackRequest, Status
from sqlmigrate.seeds import SeedSet
from sqlmigrate.sql.directives import PHASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.plan import Request

P = ParamSpec("P")
T = TypeVar("T")

SCHEMA = "sqlmigrate"
_LARGEST = 2**63 - 1
Time = int | str
"""A time: milliseconds, or text with a unit (us, ms, s, min, h, d)."""


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function raise UsageError for an argument of the wrong kind, before it does anything.

    What a parameter takes goes by its name, which is the same everywhere.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            optional = signature.parameters[name].default is None
            if value is not None or not optional:
                bound.arguments[name] = _KINDS[name](name, value)
        return function(*bound.args, **bound.kwargs)

    return call


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a text", value)
    if "\0" in value or not config.is_utf8(value):
        raise errors.UsageError(f"{name}: PostgreSQL cannot store this character in a text: {value!r}")
    return value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise _wrong(name, "a list of texts", value)
    return tuple(_text(name, item) for item in value)


def _number(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "a whole number", value)
    return _small_enough(name, value)


def _small_enough(name: str, value: T) -> T:
    """Refuse a number of thousands of digits: Python neither writes it into a message nor makes seconds of it."""
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise errors.UsageError(f"{name}: the number is too large")
    return value


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, "True or False", value)
    return value


def _setting(_: str, value: Any) -> Any:
    """Let `run_options` judge a setting, as the configuration does."""
    return value


def _database(name: str, value: Any) -> Any:
    """Let `conninfo` judge what names no database."""
    return value if value is None else _text(name, value)


def _observer(name: str, value: Any) -> Any:
    if not callable(value):
        raise _wrong(name, "a function", value)
    return value


def _folder(name: str, value: Any) -> Any:
    if not isinstance(value, (str, Path)):
        raise _wrong(name, "a path", value)
    if not config.is_path(value):
        raise errors.UsageError(f"{name}: no path is {str(value)!r}")
    return value


def _migrations(name: str, value: Any) -> Any:
    return value if isinstance(value, Migrations) else _folder(name, value)


def _seeds(name: str, value: Any) -> Any:
    return value if isinstance(value, SeedSet) else _folder(name, value)


def _targets(name: str, value: Any) -> Any:
    if isinstance(value, (str, Path)):
        return _folder(name, value)
    if isinstance(value, (bytes, Mapping)) or not isinstance(value, Iterable):
        raise _wrong(name, "the path of a file, or a list of mappings,", value)
    found = tuple(value)
    if wrong := [item for item in found if not isinstance(item, Mapping)]:
        raise _wrong(name, "a mapping with the keys that a file has", wrong[0])
    return found


def _time(name: str, value: Any) -> Any:
    if not isinstance(value, (int, str)) or isinstance(value, bool):
        raise _wrong(name, "a time", value)
    return _small_enough(name, value)


def _most(name: str, value: Any) -> Any:
    if not isinstance(value, (int, str)) or isinstance(value, bool):
        raise _wrong(name, "a number or a share", value)
    return _small_enough(name, value)


def _phase(name: str, value: Any) -> Any:
    if value is not None and _text(name, value) not in PHASES:
        raise errors.UsageError(f"{name} is {' or '.join(PHASES)}, not {value!r}")
    return value


def _base(name: str, value: Any) -> Any:
    if _text(name, value) not in ("replay", "dump"):
        raise errors.UsageError(f"{name} is replay or dump, not {value!r}")
    return value


def _moment(name: str, value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise _wrong(name, "a datetime", value)
    return value


def _order(name: str, value: Any) -> Any:
    return config.parse_setting(name, value, "an argument", Path())


def _status(name: str, value: Any) -> Status:
    if not isinstance(value, Status):
        raise _wrong(name, "a Status", value)
    return value


def _wrong(name: str, wanted: str, value: Any) -> errors.UsageError:
    return errors.UsageError(f"{name}: {wanted} is needed, not {type(value).__name__}")


_KINDS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("database", "control_database"), _database),
    **dict.fromkeys(
        ("to", "run", "env", "shadow_url", "through", "migration_id", "reason", "operation", "since"), _text
    ),
    **dict.fromkeys(("begin", "end"), _moment),
    "base": _base,
    **dict.fromkeys(("include_marked", "ids", "ignore", "waves"), _texts),
    **dict.fromkeys(("steps", "resume_at", "last", "accept_rows"), _number),
    **dict.fromkeys(("concurrency", "per_cluster", "same_error", "part", "of"), _number),
    **dict.fromkeys(
        ("allow_out_of_order", "single_transaction", "exact", "everything", "recorded", "superuser", "accept_loss"),
        _switch,
    ),
    **dict.fromkeys(("workload", "attempts", "prune"), _switch),
    "stats": _folder,
    **dict.fromkeys(("history_schema", "history_owners", "role", "search_path"), _setting),
    **dict.fromkeys(("lock_timeout", "lock_budget", "statement_timeout", "wait_lock", "durable"), _setting),
    **dict.fromkeys(("max_waiters", "max_block", "max_lag"), _setting),
    "phase": _phase,
    "order": _order,
    "item": _status,
    **dict.fromkeys(("observer", "approve"), _observer),
    **dict.fromkeys(("directory", "state_dir"), _folder),
    "targets": _targets,
    **dict.fromkeys(("pause", "deadline"), _time),
    "max_failures": _most,
    "migrations": _migrations,
    "data": _seeds,
}


def read_files(migrations: str | Path | Migrations, *, one_by_one: bool = False) -> Migrations:
    """Return what was read before, or read the folder; raises MigrationsError, with `one_by_one` for the set alone."""
    return migrations if isinstance(migrations, Migrations) else load(Path(migrations), one_by_one=one_by_one)


def conninfo(database: str) -> str:
    """Check a URL by libpq's rules; an empty one is a lost secret, not a wish for libpq's default."""
    if not database or not database.strip():
        raise errors.NoTargetError("no database is named", hint="give a URL such as postgresql://user@host/database")
    return make_conninfo(**connection.parse_conninfo(database, source="the text given for the database"))


def run_options(**given: Any) -> Options:
    """Check settings as the configuration does; raises ConfigError for one that does not fit."""
    values = {
        name: config.parse_setting(name, value, "an argument", Path())
        for name, value in given.items()
        if value is not None
    }
    schema = values.pop("history_schema", SCHEMA)
    return Options(schema=schema, **values)


def sound(request: Request) -> Request:
    """Raise UsageError where a request names more than one place to stop at, or counts from less than 1."""
    everything = isinstance(request, RollbackRequest) and request.everything
    asked = {"to": request.to, "everything": everything or None, "steps": request.steps}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) > 1:
        raise errors.UsageError(f"give only one of {' and '.join(given)}")
    _require_positive("steps", request.steps)
    _require_positive("resume_at", request.resume_at)
    return request


def _require_positive(name: str, number: int | None) -> None:
    if number is not None and number < 1:
        raise errors.UsageError(f"{name} counts from 1, so it cannot be {number}")


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise an Error where PostgreSQL ends one of our own queries: cancelled, timed out, or without the right."""
    try:
        yield
    except psycopg.Error as error:
        text = redact(str(error).strip() or type(error).__name__)
        raise errors.Error(text) from error
