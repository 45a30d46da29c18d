"""Migrations of one test and the runs of them, through the library as the commands use it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

from sqlmigrate import connection, engine, history
from sqlmigrate.connection import Gate, allow
from sqlmigrate.engine import Options, Result
from sqlmigrate.errors import Error
from sqlmigrate.events import Event
from sqlmigrate.history import History
from sqlmigrate.plan import ApplyRequest, Plan, Request, RollbackRequest
from support.files import MigrationFiles

E = TypeVar("E")


class Runner(MigrationFiles):
    """A folder of migrations and a database; `events` holds what every run of it has told."""

    def __init__(self, conninfo: str, directory: Path, **options: Any) -> None:
        super().__init__(directory)
        self.conninfo = conninfo
        self.defaults = options
        self.events: list[Event] = []

    def write(self, migration_id: str, script: str, rollback: str | None = None) -> Path:
        """Write the files of a migration, as they stand but for common indentation; gives the script's path."""
        return self.migration(
            migration_id, dedent(script), rollback=None if rollback is None else dedent(rollback)
        ).script

    def apply(self, *, gate: Gate[Plan] = allow, **options: Any) -> Result:
        return self.run(ApplyRequest, gate, options)

    def rollback(self, *, gate: Gate[Plan] = allow, **options: Any) -> Result:
        return self.run(RollbackRequest, gate, options)

    def run(self, kind: type[Request], gate: Gate[Plan], options: dict[str, Any]) -> Result:
        """Run what the options ask for; those that are none of the request are the engine's."""
        request = self.request(kind, options)
        return engine.run(self.conninfo, request, self.options(options), gate=gate, observer=self.observe)

    def request(self, kind: type[Request], options: dict[str, Any]) -> Request:
        """Take out of the options what a request of this kind asks for."""
        asked = {item.name: options.pop(item.name) for item in fields(kind) if item.name in options}
        return kind(migrations=self.load(), **asked)

    def mark(self, *ids: str, **options: Any) -> list[str]:
        return engine.mark(self.conninfo, self.load(), ids, self.options(options), observer=self.observe)

    def unmark(self, *ids: str, **options: Any) -> list[str]:
        return engine.unmark(self.conninfo, self.load(), ids, self.options(options), observer=self.observe)

    def history(self) -> History:
        with connection.session(self.conninfo) as session:
            options = self.options({})
            return history.read(session, options.schema, owners=options.history_owners)

    def applied(self) -> list[str]:
        """Give the ids of the applied migrations in the order of their application."""
        return [row.migration_id for row in self.history().applied]

    def options(self, options: dict[str, Any]) -> Options:
        return Options(**(self.defaults | options))

    def observe(self, event: Event) -> None:
        self.events.append(event)

    def told(self, kind: type[E]) -> list[E]:
        """Give the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def ids(result: Result) -> list[str]:
    return [ran.migration_id for ran in result.ran]


def place(error: Error) -> str:
    """Give the place of an error as `file:line:column`, without the folder."""
    assert error.place is not None
    return str(error.place).removeprefix(f"{error.place.path.parent}/")
