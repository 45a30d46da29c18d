"""Settings that know where they came from.

Precedence: option, environment variable, environment section (`[tool.sqlmigrate.env.NAME]`), file, default.
The file is `sqlmigrate.toml` or the `[tool.sqlmigrate]` table of `pyproject.toml`, the nearest one from the working
directory upwards. It decides which SQL runs, so above the working directory only what the user or root has made counts:
the search ends at the first folder that others may write to, and passes over files of others. Paths in a file are
relative to that file, paths of options and variables to the working directory.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import ConfigError, Place
from sqlmigrate.files import why_not_trusted, writable_by_others
from sqlmigrate.sql.directives import parse_duration, parse_lock_timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FILE_NAMES = ("sqlmigrate.toml", "pyproject.toml")
DEFAULT = "default"
_SHOWN, _HUGE = 40, 10**30
_LOOKED_AT = 1 << 20  # bytes of a pyproject.toml that does not count
API_ROLES = ("anon", "authenticated")
"""The roles behind which an API puts everybody, as Supabase names them."""
_NAME_BYTES = 63  # NAMEDATALEN - 1
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off", ""})


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting with its value; times are in milliseconds, `sources` says where each value came from.

    `found_above` says that the file was found above the working directory, where nobody has named it; `passed_over`
    holds what is to be said of files there that do not count, one line each.
    """

    database_url: str | None = None
    database_url_env: str | None = None
    migrations: Path = Path("sql")
    data: Path = Path("data")
    history_schema: str = "sqlmigrate"
    history_owners: tuple[str, ...] = ()
    role: str | None = None
    search_path: str | None = None
    lock_timeout: int = 2_000
    lock_budget: int = 600_000
    statement_timeout: int = 0
    wait_lock: int = 300_000
    embedded: bool = False
    protected: bool = False
    allow_out_of_order: bool = False
    state_dir: Path | None = None
    shadow_url: str | None = None
    require_proof: bool = False
    check_drift: bool = False
    drift_ignore: tuple[str, ...] = ()
    api_roles: tuple[str, ...] = API_ROLES
    env: str | None = None
    project: Path = field(default_factory=Path.cwd)
    file: Path | None = None
    found_above: bool = False
    passed_over: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    def source(self, name: str) -> str:
        """Say where a setting came from."""
        return self.sources.get(name, DEFAULT)


def variable(name: str) -> str:
    """Give the environment variable of a setting."""
    return f"SQLMIGRATE_{name.upper()}"


def load(
    options: Mapping[str, Any],
    *,
    env: str | None = None,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Config:
    """Gather the settings; raises ConfigError naming the file, variable or option that does not fit.

    `options` holds the values of the command line, None where an option was not given.
    """
    environ = os.environ if environ is None else environ
    cwd = cwd or _working_directory()
    env = env or environ.get("SQLMIGRATE_ENV") or None
    named = config_file or (Path(environ["SQLMIGRATE_CONFIG"]) if environ.get("SQLMIGRATE_CONFIG") else None)
    found_file = _named_file(named) if named is not None else _nearest_file(cwd)
    file, table, text = found_file.path, found_file.table, found_file.text
    base = file.parent if file else cwd
    found: dict[str, tuple[Any, str, Path]] = {}
    if file is not None:
        sections = table.pop("env", {})
        if not isinstance(sections, dict):
            raise ConfigError("env holds environments, as in [env.production]", place=_place(file, text, "env"))
        _add_table(found, table, f"{file.name}", file, text)
        if env is not None:
            _add_table(found, _section(sections, env, file), f"{file.name} [env.{env}]", file, text)
    elif env is not None:
        hint = "; ".join((*found_file.passed_over, _file_hint()))
        raise ConfigError(f"environment {env} is not defined: there is no configuration file", hint=hint)
    for name in _PARSERS:
        if (raw := environ.get(variable(name))) is not None and (raw or name == "database_url"):
            found[name] = (raw, f"variable {variable(name)}", cwd)
        if (given := options.get(name)) is not None:
            found[name] = (given, f"option --{name.replace('_', '-')}", cwd)
    values = {name: parse_setting(name, *where) for name, where in found.items()}
    values = _absolute(values, base)
    sources = {name: source for name, (_, source, _) in found.items()}
    return Config(
        **values,
        env=env,
        project=base.resolve(),
        file=file,
        found_above=named is None and file is not None and file.parent != cwd,
        passed_over=found_file.passed_over,
        sources=sources,
    )


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigError(
            f"the working directory cannot be used: {error.strerror}", hint="change to a folder that exists"
        ) from None


def _absolute(values: dict[str, Any], base: Path) -> dict[str, Any]:
    """Make the default folders relative to the project, not to wherever the command was called."""
    for item in fields(Config):
        if isinstance(item.default, Path) and item.name not in values:
            values[item.name] = base / item.default
    return values


@dataclass(frozen=True, slots=True)
class _Found:
    """The configuration file with its table and its text, if there is one; see `Config.passed_over`."""

    path: Path | None = None
    table: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    passed_over: tuple[str, ...] = ()


def _named_file(path: Path) -> _Found:
    if not _is_file(path):
        raise ConfigError(f"the configuration file {path} does not exist")
    table, text = _parse_file(path)
    if table is None:
        raise ConfigError(f"{path} has no [tool.sqlmigrate] table")
    return _Found(path, table, text)


def _nearest_file(cwd: Path) -> _Found:
    """Search the working directory, taken as it is, then upwards, where only our own and root's files count."""
    passed_over: list[str] = []
    for folder in (cwd, *cwd.parents):
        if folder != cwd and (reason := _guarded(writable_by_others, folder)):
            passed_over += _beyond(folder, reason)
            break
        for path in filter(_is_file, _candidates(folder)):
            reason = None if folder == cwd else _guarded(why_not_trusted, path)
            table, text = _parse_file(path) if reason is None else (None, "")
            if table is not None:
                return _Found(path, table, text, tuple(passed_over))
            if reason is not None and _configures(path):
                passed_over.append(f"{path} is passed over: {reason}")
        if os.path.lexists(folder / ".git"):  # a project ends where its repository does
            break
    return _Found(passed_over=tuple(passed_over))


def _candidates(folder: Path) -> list[Path]:
    return [folder / name for name in FILE_NAMES]


def _guarded(check: Callable[[Path], str | None], path: Path) -> str | None:
    try:
        return check(path)
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror}"


def _beyond(closed: Path, reason: str) -> Iterator[str]:
    """Name the file that would have counted, had the search not ended below a folder that others may write to."""
    for folder in (closed, *closed.parents):
        for path in filter(_configures, _candidates(folder)):
            where = "" if folder == closed else f"of {closed}: "
            yield f"{path} is passed over, and so is all above {closed}: {where}{reason}"
            return
        if os.path.lexists(folder / ".git"):
            return


def _configures(path: Path) -> bool:
    """Tell whether a file that does not count looks as if it were meant to; it is not parsed."""
    try:
        if not S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return path.name != "pyproject.toml" or b"[tool.sqlmigrate" in file.read(_LOOKED_AT)
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    """Tell whether a file is there; raises ConfigError where we may not look, since it may be the one that counts."""
    try:
        return S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


def _parse_file(path: Path) -> tuple[dict[str, Any] | None, str]:
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        raise ConfigError(f"{path} is no valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply") from None
    tools = data.get("tool", {})
    if not isinstance(tools, dict):
        raise ConfigError(f"{path}: [tool] must be a table")
    tool = tools.get("sqlmigrate")
    if tool is None and path.name != "pyproject.toml":
        tool = {key: value for key, value in data.items() if key != "tool"}
    if tool is not None and not isinstance(tool, dict):
        raise ConfigError(f"{path}: [tool.sqlmigrate] must be a table")
    return tool, text


def _section(sections: Any, env: str, file: Path) -> dict[str, Any]:
    if not isinstance(sections, dict) or not isinstance(sections.get(env), dict):
        known = ", ".join(sorted(sections)) if isinstance(sections, dict) and sections else "none"
        raise ConfigError(f"environment {env} is not defined in {file}; defined: {known}", hint=_file_hint(env))
    section: dict[str, Any] = sections[env]
    return section


def _file_hint(env: str = "NAME") -> str:
    return f"add a [tool.sqlmigrate.env.{env}] table to pyproject.toml or sqlmigrate.toml"


def _add_table(
    found: dict[str, tuple[Any, str, Path]], table: Mapping[str, Any], source: str, file: Path, text: str
) -> None:
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in _PARSERS:
            from difflib import get_close_matches  # noqa: PLC0415  only for a mistake

            near = get_close_matches(name, _PARSERS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(_PARSERS)}"
            raise ConfigError(f"unknown setting {key!r}", hint=hint, place=_place(file, text, key))
        found[name] = (value, source, file.parent)


def _place(file: Path, text: str, key: str) -> Place:
    """Find the line that sets a key: tomllib tells no positions."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
            column = len(line) - len(line.lstrip()) + 1
            return Place(file, number, column, line)
    return Place(file)


def parse_setting(name: str, value: Any, source: str, base: Path) -> Any:
    """Check and convert the value of a setting; raises ConfigError that names its source.

    A relative path is taken from `base`.
    """
    try:
        return _PARSERS[name](value, base)
    except ValueError as error:
        raise ConfigError(f"{name}: {error} ({source})") from None


def _text(value: Any, _: Path) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is needed")  # noqa: TRY004  becomes a ConfigError with its source
    if "\0" in value:
        raise ValueError("no text of PostgreSQL holds a NUL character")
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


def _roles(value: Any, base: Path) -> tuple[str, ...]:
    names = _texts(value, base)
    if bad := next((name for name in names if "\0" in name or len(name.encode()) > _NAME_BYTES), None):
        raise ValueError(f"{bad!r} is no name of a role, which has 1 to 63 bytes")
    return names


def _time(value: Any, _: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"{repr(value)[:_SHOWN]} is no duration such as 500ms, 2s or 10min")  # noqa: TRY004  becomes a ConfigError
    return parse_duration(value if isinstance(value, str) else _digits(value))


def _digits(number: int) -> str:
    """Write a number as a time; Python writes none of more than 4,300 digits."""
    return str(number) if abs(number) < _HUGE else str(_HUGE)


def _lock_timeout(value: Any, base: Path) -> int:
    return parse_lock_timeout(f"{_time(value, base)}ms")


_PARSERS: dict[str, Callable[[Any, Path], Any]] = {
    "database_url": _text,
    "database_url_env": _text,
    "migrations": _path,
    "data": _path,
    "history_schema": _schema,
    "history_owners": _roles,
    "role": _text,
    "search_path": _text,
    "lock_timeout": _lock_timeout,
    "lock_budget": _time,
    "statement_timeout": _time,
    "wait_lock": _time,
    "embedded": _bool,
    "protected": _bool,
    "allow_out_of_order": _bool,
    "state_dir": _path,
    "shadow_url": _text,
    "require_proof": _bool,
    "check_drift": _bool,
    "drift_ignore": _texts,
    "api_roles": _texts,
}
SETTINGS = tuple(_PARSERS)
"""The names of all settings."""
