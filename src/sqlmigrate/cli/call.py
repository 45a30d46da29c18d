"""One call of a command: its settings, its target, the way it speaks, and the questions that it asks."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sqlmigrate.cli.output import Output, is_terminal
from sqlmigrate.errors import ConnectionFailed, Error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlmigrate.config import Config
    from sqlmigrate.connection import Gate, ServerInfo
    from sqlmigrate.connection.early import Early
    from sqlmigrate.engine import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.plan import Plan
    from sqlmigrate.target import Target

T = TypeVar("T")

_WITHOUT_ENV_FILE = frozenset({"review", "roundtrip", "validate"})
"""They work on what others have written, before anybody has looked at it: no secret of this machine is for that."""


@dataclass(slots=True)
class App:
    """One call of a command: how it speaks, and its settings, read when they are first needed."""

    output: Output
    given: dict[str, Any] = field(default_factory=dict)
    env: str | None = None
    config_file: Path | None = None
    yes: bool = False
    yes_i_mean: str | None = None
    accept_loss: bool = False
    _config: Config | None = None
    _announced: bool = False

    @property
    def config(self) -> Config:
        """The settings of this call."""
        if self._config is None:
            from sqlmigrate.config import load  # noqa: PLC0415  --help needs no settings

            own = self.output.command.partition(" ")[0] not in _WITHOUT_ENV_FILE
            self._config = load(self.given, env=self.env, config_file=self.config_file, with_env_file=own)
            os.environ.update(self._config.variables)  # libpq reads its own there
            for note in self._config.passed_over:
                self.output.warning(note)
        return self._config

    @contextmanager
    def target(self) -> Iterator[Target]:
        """Yield the database that is meant, started where it is a private server."""
        from sqlmigrate.target import choose, opened  # noqa: PLC0415  not every command has a database

        choice = choose(self.config, interactive=is_terminal(sys.stderr))
        with opened(choice, self.config, self.output.progress) as target:
            for note in target.notes:
                self.output.warning(note)
            with self._telling(target):
                yield target

    def connecting(self) -> Early | None:
        """Begin to connect to the named database, before files are read; what is wrong is told when it is used."""
        from sqlmigrate.connection.early import Early  # noqa: PLC0415  not every command has a database
        from sqlmigrate.target import named  # noqa: PLC0415  same

        try:
            choice = named(self.config)
        except Error:
            return None
        if choice is None or choice.conninfo is None or self.config.wait_for_server:
            return None
        early = Early(choice.conninfo)
        click.get_current_context().call_on_close(early.leave)
        return early

    @contextmanager
    def named_target(self) -> Iterator[Target | None]:
        """Yield the database that somebody has named, for commands that can do without: a private one only if asked."""
        from sqlmigrate.target import named, opened  # noqa: PLC0415  not every command has a database

        if self.config.embedded and self.config.source("embedded").startswith("option"):
            with self.target() as target:
                yield target
        elif (choice := named(self.config)) is None:
            yield None
        else:
            with opened(choice, self.config, self.output.progress) as target, self._telling(target):
                yield target

    @contextmanager
    def own_target(self) -> Iterator[Target | None]:
        """Yield the project's private server, if there is one already and no database is named; never in CI."""
        from sqlmigrate import server  # noqa: PLC0415  not every command has a database
        from sqlmigrate.target import Choice, named, opened, state_dir  # noqa: PLC0415  same

        if os.environ.get("CI") or named(self.config) is not None or not server.status(state_dir(self.config)):
            yield None
            return
        with opened(Choice(None, "the project's private server"), self.config) as target, self._telling(target):
            yield target

    @contextmanager
    def _telling(self, target: Target) -> Iterator[None]:
        """Name the target beside an error that comes before it was announced: it may be the wrong one."""
        try:
            yield
        except Error as error:
            if not self._announced:
                from sqlmigrate.connection.address import meant  # noqa: PLC0415  a target has loaded it already

                self._name(meant(target.conninfo), target)
                if isinstance(error, ConnectionFailed) and not error.hint and not target.private:
                    hint = f"check the server, and host, port, database, role and password, {target.description}"
                    raise error.replaced(hint=hint) from None
            raise

    def observer(self, draw: Observer, *, hooks: bool = False) -> Observer:
        """Return an observer that notes what happens where that was asked for, and draws it; it may run the hooks."""
        if hooks:
            self.output.recorder.take_hooks(self.config.hooks, self.output.progress, self.output.warning)
        return self.output.recorder.noting(draw)

    def options(self) -> Options:
        """Return the settings that scripts run under."""
        from sqlmigrate.engine import Options  # noqa: PLC0415  only commands that write need the engine

        config = self.config
        return Options(
            schema=config.history_schema,
            history_owners=config.history_owners,
            role=config.role,
            search_path=config.search_path,
            lock_timeout=config.lock_timeout,
            statement_timeout=config.statement_timeout,
            lock_budget=config.lock_budget,
            wait_lock=config.wait_lock,
            durable="each" if config.hooks.after_migration else config.durable,
            max_waiters=config.max_waiters,
            max_block=config.max_block,
            max_lag=config.max_lag,
            apart=config.hooks.between,
        )

    def announce(self, target: Target, info: ServerInfo) -> None:
        """Name the database on stderr, even when quiet: nobody shall write to one by surprise."""
        on = "" if target.private else f" on {info.host}"
        self._name(f"database {info.database}{on} as {info.role}, PostgreSQL {info.version}", target)

    def _name(self, what: str, target: Target) -> None:
        env = f", environment {self.config.env}" if self.config.env else ""
        above = f", configuration {self.config.file}" if self.config.found_above else ""
        self.output.always(f"{what} ({target.description}{env}{above})")
        self._announced = True

    def warn(self, info: ServerInfo) -> None:
        """Say what about this server and these settings makes running scripts harder."""
        timeout = self.config.lock_timeout
        if timeout <= info.deadlock_timeout:
            from sqlmigrate.sql.directives import format_duration  # noqa: PLC0415  loaded by the settings already

            self.output.warning(
                f"lock_timeout ({format_duration(timeout)}) is not above the server's deadlock_timeout "
                f"({format_duration(info.deadlock_timeout)}): "
                "autovacuum only gives way after that, so a table that it works on cannot be locked"
            )
        if info.pooled:
            self.output.warning(
                "there is a connection pooler in front of this database; its session mode works, other modes do not"
            )

    def require_proofs(
        self, found: Migrations, info: ServerInfo, planned: Plan, *, outcome: str = "nothing was run"
    ) -> None:
        """Refuse what has no proof where the settings require one; raises MigrationsError."""
        if self.config.require_proof:
            from sqlmigrate.roundtrip import proofs  # noqa: PLC0415  only where it is asked for

            for note in proofs.require(found, planned.steps, major=info.major, outcome=outcome):
                self.output.warning(note)

    def announcing(self, target: Target) -> Gate[object]:
        """Return a gate that names the database of a target and lets everything pass."""
        return lambda info, _: self.announce(target, info)

    def asking(self, target: Target, question: Callable[[ServerInfo, T], str | None]) -> Gate[T]:
        """Return a gate that names the database of a target and asks, in protected environments, before a write.

        The question is None where there is nothing to write.
        """

        def gate(info: ServerInfo, what: T, /) -> None:
            self.announce(target, info)
            if (asked := question(info, what)) is not None:
                self.confirm(asked, database=info.database, always=False)

        return gate

    def confirm(self, question: str, *, database: str, always: bool) -> None:
        """Ask before something is written, in the words of `questions.confirm`."""
        from sqlmigrate.cli.questions import confirm  # noqa: PLC0415  only commands that write

        confirm(self, question, database=database, always=always)
