"""Every setting by its name, and how its value is read."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlmigrate.errors import ConfigError
from sqlmigrate.sql.directives import parse_duration, parse_lock_timeout

if TYPE_CHECKING:
    from collections.abc import Callable

Order = Literal["name", "natural"]
"""How migrations are sorted: as text, as yoyo does, or by the numbers in their names."""

_SHOWN, _HUGE = 40, 10**30
_SIZE = re.compile(r"(\d{1,9})\s*(kB|MB|GB|TB)?", re.ASCII)
_COUNT = re.compile(r"\d[\d_]{0,20}", re.ASCII)
_UNITS = {"kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_NAME_BYTES = 63  # NAMEDATALEN - 1
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off", ""})


def parse_setting(name: str, value: Any, source: str, base: Path) -> Any:
    """Check and convert the value of a setting; raises ConfigError that names its source.

    A relative path is taken from `base`.
    """
    try:
        return PARSERS[name](value, base)
    except ValueError as error:
        raise ConfigError(f"{name}: {error} ({source})") from None


def _text(value: Any, _: Path) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is needed")  # noqa: TRY004  becomes a ConfigError with its source
    if "\0" in value:
        raise ValueError("PostgreSQL cannot store a NUL character in a text")
    if not is_utf8(value):
        raise ValueError("it is not UTF-8")
    return value


def is_path(value: str | Path) -> bool:
    """Tell whether the system takes a path at all; bytes that are not UTF-8 are no hindrance."""
    try:
        return bool(str(value)) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def is_utf8(text: str) -> bool:
    """Tell whether a text can be sent: bytes of variables and arguments that are not UTF-8 become half characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _schema(value: Any, base: Path) -> str:
    text = _text(value, base)
    if not text or "\0" in text or len(text.encode()) > _NAME_BYTES:
        raise ValueError("a schema name has 1 to 63 bytes")
    if text.startswith("pg_"):
        raise ValueError("names that begin with pg_ belong to PostgreSQL")
    return text


def _path(value: Any, base: Path) -> Path:
    if not isinstance(value, (str, Path)) or not is_path(value):
        raise ValueError("a path is needed")
    try:
        path = Path(value).expanduser()
    except RuntimeError:  # what stands behind the ~ is no user of this machine
        raise ValueError(f"{str(value)!r} begins with the home of nobody") from None
    return path if path.is_absolute() or base == Path.cwd() else base / path


def _path_or_none(value: Any, base: Path) -> Path | None:
    """Read a path; an empty text takes away the one of the whole project."""
    return None if value == "" else _path(value, base)


def _text_or_none(value: Any, base: Path) -> str | None:
    """Read a text; an empty one takes away that of the whole project."""
    return _text(value, base) or None


def _bool(value: Any, _: Path) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE | _FALSE:
        return text in _TRUE
    raise ValueError(f"{repr(value)[:_SHOWN]} is neither true nor false")


def _texts(value: Any, base: Path) -> tuple[str, ...]:
    """Read a list, which a variable or an option writes with commas in between."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise ValueError("a list of texts is needed")
    return tuple(_text(item.strip(), base) for item in items if item.strip())


def _paths(value: Any, base: Path) -> tuple[Path, ...]:
    return tuple(_path(item, base) for item in ([value] if isinstance(value, Path) else _texts(value, base)))


def _patterns(value: Any, base: Path) -> tuple[str, ...]:
    """Read regular expressions; a variable holds only one, since one may have a comma in it."""
    from sqlmigrate.files.patterns import PatternError, require_python  # noqa: PLC0415  few projects have any

    found = (_text(value, base),) if isinstance(value, str) else _texts(value, base)
    for pattern in found:
        try:
            require_python(pattern)
        except PatternError as error:
            raise ValueError(str(error)) from None
    return found


def _words(value: Any, base: Path) -> tuple[str, ...]:
    """Read a command: words, or one text that is split as a shell does; no shell runs it."""
    import shlex  # noqa: PLC0415  few projects name a command

    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"it is no command: {error}") from None
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        raise ValueError("a command is needed, as a text or a list of words")
    return tuple(_text(word, base) for word in words)


def _search_paths(value: Any, base: Path) -> tuple[str, ...]:
    """Read search_paths, each with commas of its own; a variable holds only one."""
    return (_text(value, base),) if isinstance(value, str) else _texts(value, base)


def _roles(value: Any, base: Path) -> tuple[str, ...]:
    names = _texts(value, base)
    if bad := next((name for name in names if "\0" in name or len(name.encode()) > _NAME_BYTES), None):
        raise ValueError(f"{bad!r} is not the name of a role, which has 1 to 63 bytes")
    return names


def _time(value: Any, _: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"{repr(value)[:_SHOWN]} is not a duration such as 500ms, 2s or 10min")  # noqa: TRY004  becomes a ConfigError
    return parse_duration(value if isinstance(value, str) else _digits(value))


def _digits(number: int) -> str:
    """Write a number as a time; Python writes none of more than 4,300 digits."""
    return str(number) if abs(number) < _HUGE else str(_HUGE)


def _size(value: Any, _: Path) -> int:
    """Read a size as PostgreSQL writes one, such as 500MB or 2GB; a plain number counts megabytes."""
    found = (
        _SIZE.fullmatch(str(value).strip()) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    )
    if found is None:
        raise ValueError(f"{repr(value)[:_SHOWN]} is no size such as 500MB or 2GB")
    return int(found[1]) * _UNITS[found[2] or "MB"]


def _count(value: Any, _: Path) -> int:
    """Read a whole number; underscores may part its digits, as in TOML."""
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not _COUNT.fullmatch(text):
        raise ValueError(f"{repr(value)[:_SHOWN]} is no whole number such as 1_000_000")
    return int(text.replace("_", ""))


def _lock_timeout(value: Any, base: Path) -> int:
    return parse_lock_timeout(f"{_time(value, base)}ms")


def _durable(value: Any, base: Path) -> str:
    text = _text(value, base)
    if text not in {"each", "end"}:
        raise ValueError(f"{text[:_SHOWN]!r} is neither each nor end")
    return text


def _order(value: Any, base: Path) -> str:
    text = _text(value, base)
    if text not in {"name", "natural"}:
        raise ValueError(f"{text[:_SHOWN]!r} is neither name nor natural")
    return text


PARSERS: dict[str, Callable[[Any, Path], Any]] = {
    "database_url": _text,
    "database_url_env": _text,
    "env_file": _path_or_none,
    "wait_for_server": _time,
    "migrations": _path,
    "order": _order,
    "data": _path,
    "history_schema": _schema,
    "history_owners": _roles,
    "role": _text,
    "search_path": _text,
    "lock_timeout": _lock_timeout,
    "lock_budget": _time,
    "statement_timeout": _time,
    "wait_lock": _time,
    "durable": _durable,
    "max_waiters": _count,
    "max_block": _time,
    "max_lag": _time,
    "embedded": _bool,
    "protected": _bool,
    "allow_out_of_order": _bool,
    "state_dir": _path,
    "shadow_url": _text,
    "require_proof": _bool,
    "check_drift": _bool,
    "schema_file": _path,
    "dump_after_apply": _bool,
    "drift_ignore": _texts,
    "api_roles": _texts,
    "design_notes": _bool,
    "cache_size": _size,
    "large_rows": _count,
    "large_size": _size,
    "small_rows": _count,
    "small_size": _size,
    "busy_writes": _count,
    "busy_reads": _count,
    "targets": _path,
    "targets_query": _text,
    "targets_command": _words,
    "control_database_url": _text,
    "control_database_url_env": _text,
    "scheduler": _text_or_none,
    "scheduler_ca": _path_or_none,
    "scheduler_cert": _path_or_none,
    "scheduler_key": _path_or_none,
    "scheduler_patience": _time,
    "workload": _bool,
    "workload_file": _paths,
    "workload_hide": _patterns,
    "workload_search_path": _search_paths,
}
SETTINGS = tuple(PARSERS)
"""The names of all settings."""
