"""Run scripts of migrations on a shadow's databases as the engine does, and bring a ground behind a migration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlmigrate.connection import probe, session
from sqlmigrate.engine.unrecorded import run_script
from sqlmigrate.errors import Error
from sqlmigrate.events import ignore
from sqlmigrate.roundtrip.model import Failure
from sqlmigrate.roundtrip.samples import explain_rights
from sqlmigrate.sql.statement.needs import cluster_wide

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migration
    from sqlmigrate.roundtrip.ground import Ground
    from sqlmigrate.shadow import Shadow
    from sqlmigrate.sql.script import Script

SAMPLES = "samples"
NOT_OURS = "would change the whole cluster, which is not ours; leave out the shadow's URL for a private server"


@dataclass(frozen=True, slots=True)
class Way:
    """One script of a pair, as it runs: its step's name, and in a transaction or not."""

    step: str
    operation: str
    script: Script
    transactional: bool


@dataclass(slots=True)
class Runner:
    """Runs scripts on the databases of a shadow."""

    shadow: Shadow
    options: Options
    observer: Observer = ignore
    info: ServerInfo | None = None

    def replay(self, migration: Migration, ground: Ground) -> None:
        """Apply a migration that is not tried itself; where it fails, what follows is tried without it."""
        shared = bool(cluster_wide(migration.script, blocks=True))
        if shared and not self.shadow.private:
            ground.leave_out(migration, Error(f"it {NOT_OURS}"))
        elif migration.transactional:
            self.advance(migration, ground, cluster=shared)
        else:
            self._advance_whole(migration, ground, cluster=shared)

    def advance(self, migration: Migration, ground: Ground, *, cluster: bool) -> None:
        """Apply a script that leaves nothing where it fails, to the ground itself."""
        with ground.alone(cluster=cluster), session(ground.database.conninfo) as connection:
            try:
                self.run(connection, migration, forward(migration))
            except Error as error:  # of a script in a transaction nothing is left
                ground.leave_out(migration, error)

    def _advance_whole(self, migration: Migration, ground: Ground, *, cluster: bool) -> None:
        """Apply a script that may stop half way on a copy, which is the ground where it did not."""
        failure: Failure | None = None
        kept = ground.copy(keep=lambda: failure is None, cluster=cluster)
        with kept as copy, session(copy.conninfo) as connection:
            failure = self.attempt(connection, migration, forward(migration))
        if failure is not None:
            ground.leave_out(migration, failure.error)

    def attempt(self, connection: Connection, migration: Migration, way: Way) -> Failure | None:
        """Run a script; gives the error that it stopped with."""
        try:
            self.run(connection, migration, way)
        except Error as error:
            if way.operation == SAMPLES:
                explain_rights(error)
            return Failure(way.step, error)
        return None

    def run(self, connection: Connection, migration: Migration, way: Way) -> None:
        """Run a script as the engine does."""
        run_script(
            connection,
            migration.migration_id,
            way.operation,
            way.script,
            transactional=way.transactional,
            options=self.options if way.operation != SAMPLES else replace(self.options, role=None),
            info=self.probed(connection),
            observer=self.observer,
        )

    def probed(self, connection: Connection) -> ServerInfo:
        """Give what the shadow's server is, asked once."""
        if self.info is None:
            self.info = probe(connection)
        return self.info


def forward(migration: Migration) -> Way:
    """Give the way that applies a migration."""
    return Way("apply", "apply", migration.script, migration.transactional)


def back(migration: Migration) -> Way | None:
    """Give the way that rolls a migration back, if there is one."""
    if migration.rollback is None:
        return None
    return Way("rollback", "rollback", migration.rollback, migration.rollback_transactional)


def sample(step: str, script: Script | None) -> Way | None:
    """Give the way that runs a script of samples, if there is one."""
    return Way(step, SAMPLES, script, script.directives.transactional is not False) if script else None
