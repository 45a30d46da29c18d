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
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmigrate.config.find import FILE_NAMES, named_file, nearest_file
from sqlmigrate.config.hooks import Hooks, with_table
from sqlmigrate.config.values import PARSERS, SETTINGS, Order, is_path, is_utf8, parse_setting
from sqlmigrate.errors import ConfigError, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "API_ROLES",
    "DEFAULT",
    "FILE_NAMES",
    "OF_ENV_FILE",
    "SETTINGS",
    "Config",
    "Hooks",
    "Order",
    "environments",
    "is_path",
    "is_utf8",
    "load",
    "parse_setting",
    "variable",
]

DEFAULT = "default"
OF_ENV_FILE = "of env_file"
"""What stands behind the name of a variable that the file of variables has given."""
_Given = tuple[Any, str, Path]  # a value, where it came from, and the folder that paths in it start from
API_ROLES = ("anon", "authenticated")
"""The roles behind which an API puts everybody, as Supabase names them."""

_NAMING = ("database_url_env", "control_database_url_env")
"""The settings that name a variable which holds a URL."""
_COMMANDS = ("targets_command",)
"""The settings that start a program, which no file of variables names."""
PROTECTED = {"max_waiters": 100, "max_block": 5_000}
"""The guards of a protected environment, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting with its value; times are in milliseconds, sizes in bytes.

    `sources` says where each value came from. `variables` are those of `env_file` that mean something to us and that
    the environment does not set; they may hold secrets. `found_above` says that the file was found above the working
    directory, where nobody has named it; `passed_over` holds what is to be said of files there that do not count, one
    line each.
    """

    database_url: str | None = None
    database_url_env: str | None = None
    env_file: Path | None = None
    wait_for_server: int = 0
    migrations: Path = Path("sql")
    order: Order = "name"
    data: Path = Path("data")
    history_schema: str = "sqlmigrate"
    history_owners: tuple[str, ...] = ()
    role: str | None = None
    search_path: str | None = None
    lock_timeout: int = 2_000
    lock_budget: int = 600_000
    statement_timeout: int = 0
    wait_lock: int = 300_000
    durable: str = "end"
    max_waiters: int = 0
    max_block: int = 0
    max_lag: int = 0
    embedded: bool = False
    protected: bool = False
    allow_out_of_order: bool = False
    state_dir: Path | None = None
    shadow_url: str | None = None
    require_proof: bool = False
    check_drift: bool = False
    schema_file: Path = Path("schema.sql")
    dump_after_apply: bool = False
    drift_ignore: tuple[str, ...] = ()
    api_roles: tuple[str, ...] = API_ROLES
    design_notes: bool = True
    cache_size: int = 2 << 30
    large_rows: int = 1_000_000
    large_size: int = 1 << 30
    small_rows: int = 10_000
    small_size: int = 10 << 20
    busy_writes: int = 100
    busy_reads: int = 1_000
    targets: Path | None = None
    targets_query: str | None = None
    targets_command: tuple[str, ...] = ()
    control_database_url: str | None = None
    control_database_url_env: str | None = None
    scheduler: str | None = None
    scheduler_ca: Path | None = None
    scheduler_cert: Path | None = None
    scheduler_key: Path | None = None
    scheduler_patience: int = 60_000
    workload: bool = False
    workload_file: tuple[Path, ...] = ()
    workload_hide: tuple[str, ...] = ()
    workload_search_path: tuple[str, ...] = ()
    hooks: Hooks = field(default_factory=Hooks)
    env: str | None = None
    project: Path = field(default_factory=Path.cwd)
    file: Path | None = None
    found_above: bool = False
    passed_over: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def source(self, name: str) -> str:
        """Say where a setting came from."""
        return self.sources.get(name, DEFAULT)


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"SQLMIGRATE_{name.upper()}"


def load(
    options: Mapping[str, Any],
    *,
    env: str | None = None,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    with_env_file: bool = False,
) -> Config:
    """Gather the settings; raises ConfigError naming the file, variable or option that does not fit.

    `options` holds the values of the command line, None where an option was not given. `with_env_file` reads the file
    of variables that the configuration names: only for commands that work on the user's own database.
    """
    environ = os.environ if environ is None else environ
    cwd = cwd or _working_directory()
    env = env or environ.get("SQLMIGRATE_ENV") or None
    named = config_file or (Path(environ["SQLMIGRATE_CONFIG"]) if environ.get("SQLMIGRATE_CONFIG") else None)
    found_file = named_file(named) if named is not None else nearest_file(cwd)
    file, table, text = found_file.path, found_file.table, found_file.text
    base = file.parent if file else cwd
    found: dict[str, _Given] = {}
    hooks = Hooks()
    if file is not None:
        hooks = _add_file(found, table, env, file, text)
    elif env is not None:
        hint = "; ".join((*found_file.passed_over, _file_hint()))
        raise ConfigError(f"environment {env} is not defined: there is no configuration file", hint=hint)
    variables = _variables(found, environ, cwd) if with_env_file else {}
    found |= dict(_given_outside(found, environ, variables, cwd))
    for name in PARSERS:
        if (given := options.get(name)) is not None:
            found[name] = (given, f"option --{name.replace('_', '-')}", cwd)
    values = {name: parse_setting(name, *where) for name, where in found.items()}
    values = _absolute(values, base)
    sources = {name: source for name, (_, source, _) in found.items()}
    if values.get("protected"):
        values = PROTECTED | values
        sources = dict.fromkeys(PROTECTED, "default where protected") | sources
    return Config(
        **values,
        hooks=hooks,
        env=env,
        project=base.resolve(),
        file=file,
        found_above=named is None and file is not None and file.parent != cwd,
        passed_over=found_file.passed_over,
        sources=sources,
        variables=variables,
    )


def _variables(found: Mapping[str, _Given], environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """Read the file of variables, where there is one, and return those of them that count."""
    name = variable("env_file")
    where = (environ[name], f"variable {name}", cwd) if environ.get(name) else found.get("env_file")
    path = parse_setting("env_file", *where) if where else None
    if path is None or where is None:
        return {}
    from sqlmigrate.config.env_file import (  # noqa: PLC0415  few projects have such a file
        read_variables,
        require_harmless,
        require_own,
        that_count,
    )

    if not environ.get(name):
        require_own(path, where[2])
    there = read_variables(path)
    urls = {_name_in(setting, found, there, environ) for setting in _NAMING}
    ours = {variable(setting) for setting in PARSERS} - {name, *map(variable, _COMMANDS)} | urls
    counting = that_count(there, ours, environ)
    require_harmless(path, counting)
    return counting


def _name_in(setting: str, found: Mapping[str, _Given], there: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Return the variable that a setting names, by the order in which settings count."""
    key = variable(setting)
    return str(environ.get(key) or there.get(key) or found.get(setting, ("",))[0])


def environments(config_file: Path | str | None = None, *, cwd: Path | None = None) -> list[str]:
    """Return the names of the environments that the configuration file has; raises ConfigError as `load` does."""
    named = config_file or os.environ.get("SQLMIGRATE_CONFIG")
    found = named_file(Path(named)) if named else nearest_file(cwd or _working_directory())
    sections = found.table.get("env")
    return sorted(sections) if isinstance(sections, dict) else []


def _given_outside(
    found: Mapping[str, _Given], environ: Mapping[str, str], variables: Mapping[str, str], cwd: Path
) -> Iterator[tuple[str, _Given]]:
    """Yield the settings of variables; those of `env_file` count less than the section of an environment."""
    for name in PARSERS:
        key = variable(name)
        if (raw := environ.get(key)) is not None and (raw or name == "database_url"):
            yield name, (raw, f"variable {key}", cwd)
        elif (raw := variables.get(key)) and "[env." not in found.get(name, ("", "", cwd))[1]:
            yield name, (raw, f"variable {key} {OF_ENV_FILE}", cwd)


def _add_file(found: dict[str, _Given], table: dict[str, Any], env: str | None, file: Path, text: str) -> Hooks:
    """Add the settings of a file, and over them those of its section for an environment; gives its hooks."""
    hooks = _hooks(Hooks(), table, file, text)
    sections = table.pop("env", {})
    if not isinstance(sections, dict):
        raise ConfigError("env holds environments, as in [env.production]", place=_place(file, text, "env"))
    _add_table(found, table, f"{file.name}", file, text)
    if env is not None:
        section = _section(sections, env, file)
        hooks = _hooks(hooks, section, file, text)
        _add_table(found, section, f"{file.name} [env.{env}]", file, text)
    return hooks


def _hooks(hooks: Hooks, table: dict[str, Any], file: Path, text: str) -> Hooks:
    """Take the hooks out of a table, over those that are there."""
    own = table.pop("hooks", {})
    if not isinstance(own, dict):
        raise ConfigError("hooks holds commands, as in [hooks]", place=_place(file, text, "hooks"))
    try:
        return with_table(hooks, own, file.parent.resolve())
    except ValueError as error:
        key = str(error).partition(":")[0]
        raise ConfigError(f"hooks: {error}", place=_place(file, text, key)) from None


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


def _section(sections: Any, env: str, file: Path) -> dict[str, Any]:
    if not isinstance(sections, dict) or not isinstance(sections.get(env), dict):
        near = _near(env, sections) if isinstance(sections, dict) else []
        known = ", ".join(sorted(sections)) if isinstance(sections, dict) and sections else "none"
        hint = f"did you mean {near[0]}?" if near else _file_hint(env)
        raise ConfigError(f"environment {env} is not defined in {file}; defined: {known}", hint=hint)
    section: dict[str, Any] = sections[env]
    return section


def _file_hint(env: str = "NAME") -> str:
    return f"add a [tool.sqlmigrate.env.{env}] table to pyproject.toml or sqlmigrate.toml"


def _add_table(found: dict[str, _Given], table: Mapping[str, Any], source: str, file: Path, text: str) -> None:
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in PARSERS:
            near = _near(name, PARSERS)
            hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(PARSERS)}"
            raise ConfigError(f"unknown setting {key!r}", hint=hint, place=_place(file, text, key))
        found[name] = (value, source, file.parent)


def _near(name: str, known: Iterable[str]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415  only for a mistake

    return get_close_matches(name, list(known), n=1)


def _place(file: Path, text: str, key: str) -> Place:
    """Find the line that sets a key: tomllib tells no positions."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
            column = len(line) - len(line.lstrip()) + 1
            return Place(file, number, column, line)
    return Place(file)
