"""The sample rows of migrations: rows to load before, rows to write in between, and what must be true afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg import RawCursor

from sqlmigrate.connection import give_back
from sqlmigrate.engine.wire.session import search_path
from sqlmigrate.errors import ExecutionError, Place, Problem, ScriptError
from sqlmigrate.migrations import SAMPLES, ScriptRun
from sqlmigrate.sql.script import read_script, refused_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.errors import Error
    from sqlmigrate.migrations import Migration, Migrations
    from sqlmigrate.seeds import Fitted, SeedSet
    from sqlmigrate.sql.script import Script

AFTER, EXPECT = ".after", ".expect"
_LACKING = "42501"  # insufficient_privilege
_ORDINARY = (
    "samples and expectations run as an ordinary role that may read and write all rows; "
    "--shadow-superuser runs them and the scripts as superuser"
)


@dataclass(frozen=True, slots=True)
class Samples:
    """What stands in `samples/` for one migration.

    `before` (ID.sql) is loaded before it is applied, `after` (ID.after.sql) between applying and rolling back, and
    every query of `expect` (ID.expect.sql) must be true after rolling back. What fits of `seeds` is loaded before all
    of them.
    """

    before: Script | None = None
    after: Script | None = None
    expect: Script | None = None
    seeds: SeedSet | None = None

    @property
    def has_rows(self) -> bool:
        """Whether rows may be there before the migration is applied."""
        return self.before is not None or self.seeds is not None

    def load_seeds(self, connection: Connection) -> Fitted | None:
        """Load what fits of the seed data, where that is wanted."""
        if self.seeds is None:
            return None
        from sqlmigrate.seeds import write_fitting  # noqa: PLC0415  most round trips need none of it

        return write_fitting(connection, self.seeds)

    def load_before(self, migration: Migration) -> ScriptRun | None:
        """Return how the rows of before are loaded, if there are any."""
        return _run(migration, self.before)

    def write_after(self, migration: Migration) -> ScriptRun | None:
        """Return how the rows of in between are written, if there are any."""
        return _run(migration, self.after)

    def scripts(self) -> list[Script]:
        """Return the files that there are."""
        return [script for script in (self.before, self.after, self.expect) if script is not None]


def find_samples(migrations: Migrations) -> tuple[dict[str, Samples], list[Problem]]:
    """Read the samples of all migrations, and a warning for each file that belongs to none.

    One that cannot be read is refused when it is to run.
    """
    folder = migrations.directory / SAMPLES
    files = {path.stem: path for path in sorted(folder.glob("*.sql"))} if folder.is_dir() else {}
    found = {}
    for name in migrations.by_id:
        parts = [_read(files.pop(name + ending, None)) for ending in ("", AFTER, EXPECT)]
        if any(parts):
            found[name] = Samples(before=parts[0], after=parts[1], expect=parts[2])
    return found, [_astray(path) for path in files.values()]


def with_seeds(samples: Mapping[str, Samples], migrations: Migrations, seeds: SeedSet | None) -> dict[str, Samples]:
    """Add the seed data to the samples of every migration, where it is given."""
    if seeds is None:
        return dict(samples)
    return {name: replace(samples.get(name, Samples()), seeds=seeds) for name in migrations.by_id}


def _run(migration: Migration, script: Script | None) -> ScriptRun | None:
    if script is None:
        return None
    transactional = script.directives.transactional is not False
    return ScriptRun(migration.migration_id, "samples", script, transactional=transactional)


def _read(path: Path | None) -> Script | None:
    if path is None:
        return None
    try:
        return read_script(path)[0]
    except ScriptError as error:
        return refused_script(path, Problem(error.message, error.place, error.hint))


def _astray(path: Path) -> Problem:
    return Problem("belongs to no migration: samples are named ID.sql, ID.after.sql or ID.expect.sql", Place(path))


def unmet(connection: Connection, expect: Script, options: Options) -> Iterable[Problem]:
    """Yield every query that does not return true, and nothing but true; raises psycopg.Error where one fails.

    They find names as a script does, and nothing of what other scripts have set in the session.
    """
    give_back(connection)
    path = search_path(expect, options)
    RawCursor(connection).execute(path.sql.encode(), path.params)
    for statement in expect.statements():
        cursor = connection.execute(statement.text.encode())
        rows = cursor.fetchall() if cursor.description else []
        if not rows or any(value is not True for row in rows for value in row):
            shown = ", ".join(str(value) for value in rows[0]) if rows else "no row"
            yield Problem(f"this is not true after the rollback: it gave {shown}", expect.place(statement))


def explain_rights(error: Error) -> Error:
    """Say of a right that samples or expectations lack whose it would be."""
    if isinstance(error, ExecutionError) and error.server and error.server.sqlstate == _LACKING and not error.hint:
        return error.replaced(hint=_ORDINARY)
    return error
