"""Replace migrations by one that makes the same, rows included; proven before anything is written."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlmigrate import roundtrip, shadow
from sqlmigrate.connection import session
from sqlmigrate.errors import Error, MigrationsError, Problem, UsageError
from sqlmigrate.events import ignore
from sqlmigrate.files import move
from sqlmigrate.importing.baseline import scripts
from sqlmigrate.importing.baseline.writing import require_id, write
from sqlmigrate.migrations import SQUASHED, Migration, Migrations
from sqlmigrate.migrations.order import sort_key
from sqlmigrate.schema.diff import compare
from sqlmigrate.schema.meaning import without_equal
from sqlmigrate.schema.read import read_schema
from sqlmigrate.shadow.written import without
from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.needs import cluster_wide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlmigrate.config import Config
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.roundtrip import RoundTrip
    from sqlmigrate.schema import Schema
    from sqlmigrate.schema.diff import Change
    from sqlmigrate.shadow import Shadow, ShadowDatabase

_ROWS = ("--inserts", "--rows-per-insert=100")


@dataclass(frozen=True, slots=True)
class Squash:
    """The pair that stands for `old` ones; `changes` say how what it makes differs, `rows_differ` whether rows do."""

    migration: Migration
    old: tuple[Migration, ...]
    changes: tuple[Change, ...]
    rows_differ: bool
    trip: RoundTrip

    @property
    def proven(self) -> bool:
        """Whether it makes what the old ones make."""
        return not self.changes and not self.rows_differ


@dataclass(frozen=True, slots=True)
class _Made:
    """What a database holds: its schema, the statements that make it with its rows, and those of `--clean`."""

    schema: Schema
    statements: list[str]
    clean: list[str]


def squashed(
    config: Config,
    found: Migrations,
    upto: str,
    migration_id: str,
    options: Options,
    *,
    observer: Observer = ignore,
) -> Squash:
    """Make one migration of all up to and with `upto`, and try it on a throwaway server.

    Raises UsageError for an id that does not come before all that stay, MigrationsError for what no dump holds, and the
    error of a script that fails.
    """
    old = _replaced(found, upto, migration_id)
    own = [item.forward().script for item in old]
    asked = shadow.wanted(config, own, before=roundtrip.before(old, options))
    with shadow.opened(asked, observer) as there, ExitStack() as stack:
        runner = roundtrip.Runner(there, replace(options, versions=there.versions))
        ground = runner.ground(stack, old)
        for left in ground.left_out:
            raise left.error or Error(f"{left.migration_id} cannot be applied on the throwaway database")
        before = _made(there, ground.database)
        migration = _pair(config, migration_id, old, before)
        with there.database() as fresh:
            runner.schema_behind(fresh, [migration])
            after = _made(there, fresh)
            changes = without_equal(fresh.conninfo, before.schema, after.schema, compare(before.schema, after.schema))
        alone = Migrations(config.migrations, (migration,), by_id={migration_id: migration})
        trip = next(iter(roundtrip.round_trips(alone, [migration_id], there, options, fingerprints=False)))
    differ = _rows(before.statements) != _rows(after.statements)
    return Squash(migration, tuple(old), tuple(changes), differ, trip)


def replace_files(made: Squash) -> list[Path]:
    """Write the new pair, and move the old ones into `squashed/`; gives what was written.

    As soon as the new script is there, the old ones are no part of the folder any more, so a call that is killed leaves
    a folder that means the same; `finish` does the rest.
    """
    written = write(made.migration)
    finish(made.migration.script.path.parent, made.migration.replaces)
    return written


def finish(folder: Path, old: Sequence[str]) -> list[str]:
    """Move the files of replaced migrations that are still there into `squashed/`; gives their names."""
    names = [f"{name}{end}" for name in old for end in (".rollback.sql", ".sql")]
    left = [name for name in names if (folder / name).is_file()]
    for name in left:
        move(folder / name, folder / SQUASHED)
    return left


def _replaced(found: Migrations, upto: str, migration_id: str) -> list[Migration]:
    """Return the migrations up to one, where they can be replaced under this id."""
    require_id(migration_id)
    at = found.ordered.index(found.named(upto)) + 1
    old, rest = list(found.ordered[:at]), list(found.ordered[at:])
    if len(old) == 1:
        raise UsageError(f"{upto} is the first migration, so there is nothing to squash")
    if migration_id in found.by_id or migration_id in found.replaced:
        raise UsageError(f"there is a migration {migration_id} already", hint="choose another id")
    key = sort_key(migration_id, found.order)
    if behind := [item.migration_id for item in rest if sort_key(item.migration_id, found.order) < key]:
        raise UsageError(
            f"{migration_id} would come after {behind[0]}, which stays", hint="choose an id that comes before it"
        )
    if kept := [problem for item in old for problem in _not_in_a_dump(item)]:
        raise MigrationsError("nothing was squashed, since no dump of a database holds what these make", kept)
    return old


def _not_in_a_dump(migration: Migration) -> list[Problem]:
    hint = "move it into bootstrap/, or squash only what comes before it or after it"
    return [
        Problem("changes the cluster and not only the database", migration.script.place(statement), hint)
        for statement in cluster_wide(migration.script, blocks=True)
    ]


def _made(there: Shadow, database: ShadowDatabase) -> _Made:
    """Read what scripts have made of a database, without what every new one here has."""
    with session(database.tester_conninfo) as tester:
        schema = read_schema(tester).schema
    with there.database() as empty:
        ground = there.dumped(empty, _ROWS)
    made, clean = (there.dumped(database, (*_ROWS, *more)) for more in ((), ("--clean",)))
    return _Made(schema, without(made, ground), without(clean, ground))


def _pair(config: Config, migration_id: str, old: Sequence[Migration], made: _Made) -> Migration:
    ids = [name for item in old for name in (*item.replaces, item.migration_id)]
    head = [
        f'sqlmigrate: replaces="{" ".join(ids)}"',
        "",
        f"{migration_id}: what {len(old)} migrations make, by `sqlmigrate baseline --squash`",
    ]
    path = config.migrations / f"{migration_id}.sql"
    script = script_from_text(path, scripts.script(head, made.statements))
    back = script_from_text(
        path.with_suffix(".rollback.sql"), scripts.rollback(migration_id, made.statements, made.clean)
    )
    return Migration(migration_id, script, back)


def _rows(statements: Sequence[str]) -> list[str]:
    return [text for text in statements if text.startswith(("INSERT INTO ", "SELECT pg_catalog.setval("))]
