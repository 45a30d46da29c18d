"""Two databases for one folder of migrations: `apply` runs them in one, psql runs the plan in the other."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from fixtures.postgres import Database
from sqlmigrate import engine
from sqlmigrate.engine.as_psql.plan import written
from sqlmigrate.plan import ApplyRequest, RollbackRequest
from sqlmigrate.server import find_program
from support.files import MigrationFiles
from support.runner import Runner
from support.waiting import LONG, wait_until

# what a run leaves in the history, without time, host, run and duration
HISTORY = """
SELECT 'applied', migration_id, marked::text, checksum, sha256, size::text, script,
       rollback_checksum, rollback_sha256, rollback_size::text, rollback_script
FROM {schema}.applied JOIN {schema}._yoyo_migration USING (migration_hash) ORDER BY seq
"""
LOG = """
SELECT 'log', migration_id, yoyo.operation, ours.operation, login_role, script_role, checksum, sha256,
       server_version, tool_version, reason, comment, username
FROM {schema}.log AS ours JOIN {schema}._yoyo_log AS yoyo USING (id) ORDER BY seq
"""
JOURNAL = "SELECT 'journal', migration_id, operation, number, last_number, state FROM {schema}.journal ORDER BY number"


class Twins(MigrationFiles):
    """One folder of migrations and two databases: one for `apply`, one for psql."""

    def __init__(self, left: Database, right: Database, directory: Path, **options: Any) -> None:
        super().__init__(directory)
        self.left, self.right = left, right
        self.applied = Runner(left.conninfo, directory, **options)
        self.planned = Runner(right.conninfo, directory, **options)
        self.schema = options.get("schema", "sqlmigrate")

    def write(self, migration_id: str, script: str | bytes, rollback: str | bytes | None = None) -> None:
        """Write the files of a migration, byte for byte."""
        self.migration(migration_id, script, rollback=rollback)

    def apply(self, options: Sequence[str] = ("-X",), **env: str) -> None:
        """Do the same to both, and find no difference; `options` are psql's."""
        self.applied.apply()
        done = psql(self.right, written_plan(self.planned), options=options, **env)
        assert done.returncode == 0, done.stderr
        self.require_equal()

    def rollback(self) -> None:
        self.applied.rollback(everything=True)
        done = psql(self.right, written_plan(self.planned, "rollback", everything=True))
        assert done.returncode == 0, done.stderr
        self.require_equal()

    def require_equal(self) -> None:
        assert self.recorded(self.right) == self.recorded(self.left)
        without = ("--exclude-table-data", f'"{self.schema.replace(chr(34), chr(34) * 2)}".*')
        assert self.right.dump(*without) == self.left.dump(*without)

    def recorded(self, database: Database) -> list[tuple[Any, ...]]:
        session = database.connect()
        name = sql.Identifier(self.schema)
        queries = (sql.SQL(text).format(schema=name) for text in (HISTORY, LOG, JOURNAL))
        return [row for query in queries for row in session.execute(query)]


def written_plan(runner: Runner, operation: str = "apply", **options: Any) -> str:
    """Give the script that `sqlmigrate plan` prints."""
    return "".join(plan_parts(runner, operation, **options))


def plan_parts(runner: Runner, operation: str = "apply", **options: Any) -> Iterator[str]:
    """Give it part by part, as it is printed."""
    kind = {"apply": ApplyRequest, "rollback": RollbackRequest}[operation]
    settings = runner.options({})
    return written(engine.preview(runner.conninfo, runner.request(kind, options), settings), settings)


ENDING = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sqlmigrate: run lock'
"""


def _holders(session: psycopg.Connection[Any]) -> set[int]:
    return {pid for (pid,) in session.execute("SELECT pid FROM pg_locks WHERE locktype = 'advisory'")}


def psql(
    database: Database, script: str, *, options: Sequence[str] = ("-X",), **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as a DBA does, with settings of the environment that must not matter.

    A plan tries for the run lock only once, so the session of a run before it is waited for, until it has ended.
    """
    program = find_program("psql", database.server.binaries)
    assert program is not None, "no psql"
    with psycopg.connect(database.superuser_conninfo, autocommit=True) as watcher:
        wait_until(lambda: not watcher.execute(ENDING).fetchall())
        held = _holders(watcher)
        done = subprocess.run(
            [program, *options, "-d", database.conninfo, "-f", "-"],
            input=script.encode(),
            capture_output=True,
            timeout=LONG,
            check=False,
            env={"PGCLIENTENCODING": "LATIN1", "PAGER": "cat"} | env,
        )
        wait_until(lambda: _holders(watcher) <= held, timeout=30)  # its session ends a moment later, with its lock
    words = [part.decode(errors="replace") for part in (done.stdout, done.stderr)]
    return subprocess.CompletedProcess(done.args, done.returncode, *words)
