"""From configuration to the database to work on: one that the user named, or one on a private server of ours."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.config import OF_ENV_FILE
from sqlmigrate.errors import ConfigError, NoTargetError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlmigrate.config import Config
    from sqlmigrate.server import PrivateServer

DATABASE, OWNER = "app", "migrator"
"""The database on a private server, and the role without superuser rights that owns it and runs migrations."""

_NAMING = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")
_TRUE = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True)
class Choice:
    """Which database is meant: `conninfo` is None for a private server; `source` says who decided."""

    conninfo: str | None
    source: str

    @property
    def private(self) -> bool:
        """Whether a private server of ours is meant."""
        return self.conninfo is None


@dataclass(frozen=True, slots=True)
class Target:
    """A database that can be connected to; `description` says which, without any secret.

    `variable` is the environment variable that named it, if it was one.
    """

    conninfo: str
    description: str
    private: bool
    notes: tuple[str, ...] = ()
    variable: str | None = None


def for_development(target: Target, config: Config) -> bool:
    """Tell whether a database may be one for development alone: nobody protects it, and it is on this machine."""
    from sqlmigrate.connection.address import is_local  # noqa: PLC0415  psycopg is loaded once a database is needed

    return not config.protected and (target.private or is_local(target.conninfo))


def choose(config: Config, *, interactive: bool, environ: Mapping[str, str] | None = None) -> Choice:
    """Decide which database is meant.

    Order: `--embedded`, `--database-url`, SQLMIGRATE_DATABASE_URL, the environment section's URL, DATABASE_URL, libpq's
    own variables that name a target, the file's URL. With none of them a private server, but only where somebody
    asked for it or a person sits there (`interactive`): a deploy job that lost its secret must not succeed on a
    private database. Raises NoTargetError (exit status 2) otherwise.
    """
    environ = os.environ if environ is None else environ
    by_option = config.source("embedded").startswith("option")
    if by_option and config.embedded:
        if config.source("database_url").startswith("option"):
            raise UsageError("--embedded and --database-url name two different databases; give one of them")
        return Choice(None, "option --embedded")
    if found := named(config, environ):
        return found
    source = config.source("embedded")
    if config.embedded and (config.env is None or "[env." in source or source.startswith("variable")):
        return Choice(None, f"embedded = true ({source})" if source != "default" else source)
    if config.env is None and interactive and not environ.get("CI"):
        return Choice(None, "no database is named")
    where = f" for environment {config.env}" if config.env else ""
    raise NoTargetError(
        f"no database is named{where}",
        hint="name one with --database-url or DATABASE_URL, or ask for a private server with --embedded",
    )


def named(config: Config, environ: Mapping[str, str] | None = None) -> Choice | None:
    """Return the database that the user named, by the order of `choose`; None where he named none, or `--embedded`.

    Raises ConfigError or NoTargetError where the place that names it is empty.
    """
    if config.embedded and config.source("embedded").startswith("option"):
        return None
    return _named(config, os.environ if environ is None else environ)


def _named(config: Config, environ: Mapping[str, str]) -> Choice | None:
    source = config.source("database_url")
    if config.database_url is not None and source.startswith(("option", "variable")):
        return _url(config.database_url, source)
    if config.database_url_env and "[env." in config.source("database_url_env"):
        return _from_variable(config, environ)
    if config.database_url is not None and "[env." in source:
        return _url(config.database_url, source)
    if (url := environ.get("DATABASE_URL")) is not None:
        return _url(url, _variable(config, "DATABASE_URL"))
    if set_ := [name for name in _NAMING if environ.get(name)]:
        return Choice("", _variable(config, set_[0]))
    if config.database_url_env:
        return _from_variable(config, environ)
    if config.database_url is not None:
        return _url(config.database_url, source)
    return None


def _from_variable(config: Config, environ: Mapping[str, str]) -> Choice:
    name = config.database_url_env or ""
    if not environ.get(name):
        who = f"environment {config.env}" if config.env else "the configuration"
        raise ConfigError(f"{who} takes its database from the variable {name}, which is not set")
    return _url(environ[name], _variable(config, name))


def _variable(config: Config, name: str) -> str:
    return f"variable {name} {OF_ENV_FILE}" if name in config.variables else f"variable {name}"


def _url(text: str, source: str) -> Choice:
    """Check a URL by libpq's rules; one that is set but empty is a lost secret, not a wish for another database."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415  psycopg is loaded once a database is needed

    from sqlmigrate.connection import parse_conninfo  # noqa: PLC0415  same

    if not text.strip():
        raise NoTargetError(f"{source} is set but empty", hint="name a database there, or unset it")
    return Choice(make_conninfo(**parse_conninfo(text, source=source)), source)


@contextmanager
def opened(choice: Choice, config: Config, tell: Callable[[str], None] = lambda _: None) -> Iterator[Target]:
    """Yield the chosen database, starting the private server where one is meant; the last user stops it again.

    Where the settings say so, it waits for the server of a named one, and tells that it does.
    """
    if choice.conninfo is not None:
        kind, name, *_ = [*choice.source.split(), ""]
        variable = name if kind == "variable" else None
        if config.wait_for_server:
            from sqlmigrate.connection.waiting import wait_for  # noqa: PLC0415  few wait

            wait_for(choice.conninfo, config.wait_for_server, tell)
        yield Target(choice.conninfo, f"named by {choice.source}", private=False, variable=variable)
        return
    from sqlmigrate import server  # noqa: PLC0415  a named database needs none of it

    with server.shared(state_dir(config)) as private:
        yield prepared(private, config)


def state_dir(config: Config) -> Path:
    """Return the folder that holds the private server's data."""
    from sqlmigrate import server  # noqa: PLC0415  a named database needs none of it

    return config.state_dir or server.state_dir(config.project)


def prepared(private: PrivateServer, config: Config) -> Target:
    """Make sure that the private server has the project's database, with `bootstrap/` run in it once."""
    from sqlmigrate import server  # noqa: PLC0415  a named database needs none of it
    from sqlmigrate.server.bootstrap import run_bootstrap  # noqa: PLC0415  same

    def initialize(superuser_conninfo: str) -> None:
        run_bootstrap(superuser_conninfo, config.migrations)

    server.ensure_database(private, name=DATABASE, owner=OWNER, initialize=initialize)
    conninfo = private.conninfo(dbname=DATABASE, user=OWNER)
    folder = private.data_dir
    beside = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    return Target(conninfo, f"private server, {beside}", private=True, notes=tuple(private.notes))
