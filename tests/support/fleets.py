"""Fleets of tests: targets on the test's own server, and what is done with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import sql

from fixtures.postgres import Database
from sqlmigrate.engine import Options
from sqlmigrate.fleet.bringing import Workshop, bring, digest_of
from sqlmigrate.fleet.inventory import Target
from sqlmigrate.fleet.model import Outcome, Wanted
from sqlmigrate.fleet.order import Order
from sqlmigrate.fleet.places import locate
from sqlmigrate.history.model import Run
from support.files import MigrationFiles

RUN = Run("00000000-0000-4000-8000-00000000000a")
OTHER = Run("00000000-0000-4000-8000-00000000000b")


@dataclass
class Fleet(MigrationFiles):
    """Migrations, and targets by their names."""

    directory: Path
    targets: dict[str, Target] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, database: Database, **values: Any) -> Target:
        self.targets[name] = Target(name, url=database.url, **values)
        return self.targets[name]

    def tenants(self, database: Database, *names: str) -> None:
        """Make a schema for each name, and a target of it."""
        with database.connect() as session:
            for name in names:
                session.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
                self.add(name, database, schema=name)

    def workshop(self) -> Workshop:
        found = self.load()

        def place(name):
            return locate(self.targets[name], "sqlmigrate")

        return Workshop(place, found, digest_of(found), Options(**self.options))

    def bring(
        self, name: str, run: Run = RUN, *, patient: bool = False, workshop: Workshop | None = None, **wanted: Any
    ) -> Outcome:
        return bring(
            Order(name, Wanted(**wanted), run, Options(**self.options), patient=patient), workshop or self.workshop()
        )
