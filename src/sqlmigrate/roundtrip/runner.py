"""Run scripts of migrations on a shadow's databases as the engine does, and bring a ground behind a migration."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlmigrate.connection import probe, session
from sqlmigrate.engine.replay import Part, Replay, stop
from sqlmigrate.engine.unrecorded import run_script
from sqlmigrate.errors import Error
from sqlmigrate.events import ignore
from sqlmigrate.roundtrip.ground import Ground
from sqlmigrate.roundtrip.model import Failure
from sqlmigrate.roundtrip.samples import explain_rights
from sqlmigrate.roundtrip.staying import WRITTEN
from sqlmigrate.schema.read import read_schema
from sqlmigrate.shadow import Before
from sqlmigrate.sql.statement.needs import cluster_wide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migration, ScriptRun
    from sqlmigrate.roundtrip.ground import Base
    from sqlmigrate.roundtrip.staying import Watch
    from sqlmigrate.schema import Schema
    from sqlmigrate.shadow import Shadow, ShadowDatabase

NOT_OURS = "would change the whole cluster, which is not ours; leave out --shadow-url to use a private server"

_WORTH_A_COPY = 30
"""To apply so many again takes longer than to copy what they have made."""


@dataclass(slots=True)
class Runner:
    """Runs scripts on the databases of a shadow."""

    shadow: Shadow
    options: Options
    observer: Observer = ignore
    info: ServerInfo | None = None

    def ground(
        self,
        stack: ExitStack,
        migrations: Sequence[Migration] = (),
        base: Base | None = None,
        *,
        give_away: bool = False,
        copies: int = 0,
    ) -> Ground:
        """Return a database that is behind these migrations, applied in this order on top of the base.

        This is the one way to a state from which others go on: by copies, or by a `Ground.fork`. It begins with what is
        kept of an earlier run, and is kept itself where that is worth it. With `give_away` it is what is kept, and no
        copy of that: for whoever only copies it, or need not come back to it. So many `copies` of it as will surely be
        needed are made ahead.
        """
        ids = [migration.migration_id for migration in migrations]
        kept, done = self.shadow.base(ids, give_away=give_away) or (None, 0)
        ground = Ground(self.shadow, stack, kept, given=give_away)
        ground.behind = tuple(ids[:done])
        if base is not None:
            self.shadow.restore(ground.database, base.dump)
            ground.changed()
        started = time.monotonic()
        self.go_on(migrations, ground)
        if len(ids) - done > _WORTH_A_COPY:
            ground.changed()
        if not ground.left_out:
            self.shadow.keep(ground.database, ids, time.monotonic() - started)
        self.shadow.copy_ahead(ground.database, copies)
        ground.known = self.shadow.known()
        # A login trigger would work in it whenever a session is opened; only a superuser can have made one.
        ground.is_as_kept = ground.known is not None and 0 < done == len(ids) and not self.shadow.privileged
        return ground

    def go_on(self, migrations: Sequence[Migration], ground: Ground) -> None:
        """Bring a ground behind these migrations, which begin with those that it is behind already."""
        self.replay_all(migrations[len(ground.behind) :], ground)
        ground.behind = tuple(migration.migration_id for migration in migrations)

    def replay_all(self, migrations: Sequence[Migration], ground: Ground) -> None:
        """Apply migrations that are not tried themselves, in order; where one fails, the others go on without it.

        They leave the ground as `replay` of each would, in one pass on one session as far as they can share it.
        """
        named = {migration.migration_id: migration for migration in migrations}
        if migrations:
            ground.changing()
        Replay(
            connect=lambda: session(ground.database.conninfo),
            probe=self.probed,
            alone=lambda part: self.replay(named[part.script_run.migration_id], ground),
            again=lambda part: self._advance_whole(named[part.script_run.migration_id], ground, cluster=False),
            failed=lambda part, error: ground.leave_out(named[part.script_run.migration_id], error),
            asked=self.shadow.asked,
            observer=self.observer,
        ).run([Part(migration.forward(), self.options) for migration in migrations])
        ground.went(migrations)

    def replay(self, migration: Migration, ground: Ground) -> None:
        """Apply a migration that is not tried itself; where it fails, what follows is tried without it."""
        shared = bool(cluster_wide(migration.script, blocks=True))
        if shared and not self.shadow.private:
            ground.leave_out(migration, Error(f"it {NOT_OURS}"))
        elif migration.forward().transactional:
            self.advance(migration, ground, cluster=shared)
        else:
            self._advance_whole(migration, ground, cluster=shared)

    def advance(self, migration: Migration, ground: Ground, *, cluster: bool) -> None:
        """Apply a script that leaves nothing where it fails, to the ground itself."""
        ground.changing()
        with ground.exclusive(cluster=cluster), session(ground.database.conninfo) as connection:
            try:
                self.run(connection, migration.forward())
            except Error as error:  # of a script in a transaction nothing is left
                ground.leave_out(migration, error)

    def _advance_whole(self, migration: Migration, ground: Ground, *, cluster: bool) -> None:
        """Apply a script that may leave something where it fails on a copy, which is the ground where it does not."""
        failure: Failure | None = None
        kept = ground.copy(keep=lambda: failure is None, cluster=cluster)
        with kept as copy, session(copy.conninfo) as connection:
            failure = self.attempt(connection, migration.forward())
        if failure is not None:
            ground.leave_out(migration, failure.error)

    def attempt(
        self, connection: Connection, script_run: ScriptRun, step: str | None = None, watch: Watch | None = None
    ) -> Failure | None:
        """Run a script, and return the error that it stopped with; `step` names it where its operation would not do."""
        try:
            self.run(connection, script_run, watch)
        except Error as error:
            named = step or script_run.operation
            return Failure(named, explain_rights(error) if script_run.operation == "samples" else error)
        return None

    def run(self, connection: Connection, script_run: ScriptRun, watch: Watch | None = None) -> None:
        """Run a script as the engine does; a `watch` follows what it writes."""
        run_script(
            connection,
            script_run,
            options=self.options if script_run.operation != "samples" else replace(self.options, role=None),
            info=self.probed(connection),
            observer=self.observer,
            listener=watch.listener(script_run, self.observer) if watch else None,
            finish=(WRITTEN,) if watch else (),
        )

    def schema_behind(self, database: ShadowDatabase, migrations: Sequence[Migration]) -> Schema:
        """Apply migrations in a database, and give its schema; raises the error of the first that fails."""

        def alone(part: Part) -> None:
            with session(database.conninfo) as connection:
                self.run(connection, part.script_run)

        Replay(
            connect=lambda: session(database.conninfo),
            probe=self.probed,
            alone=alone,
            again=alone,
            failed=lambda _, error: stop(error),
            asked=self.shadow.asked,
            observer=self.observer,
        ).run([Part(migration.forward(), self.options) for migration in migrations])
        with session(database.conninfo) as connection:
            return read_schema(connection).schema

    def probed(self, connection: Connection) -> ServerInfo:
        """Return what the shadow's server is, asked once."""
        if self.info is None:
            self.info = probe(connection)
        return self.info


def before(migrations: Sequence[Migration], options: Options) -> Before:
    """Say what `Runner.ground` runs for these migrations, for `shadow.wanted`."""
    how = {name: getattr(options, name) for name in ("role", "search_path", "lock_timeout", "statement_timeout")}
    return Before(tuple(migration.forward() for migration in migrations), {"kind": "ground", **how})
