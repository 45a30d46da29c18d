"""What all migrations of a project make of an empty database, as text: the same on every machine, at any time."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlmigrate import shadow
from sqlmigrate.errors import Error
from sqlmigrate.events import ignore
from sqlmigrate.roundtrip.project import Note, notes_of
from sqlmigrate.roundtrip.run import scripts_of
from sqlmigrate.roundtrip.runner import Runner, before
from sqlmigrate.roundtrip.samples import find_samples
from sqlmigrate.shadow.written import PREAMBLE, joined, without

if TYPE_CHECKING:
    from sqlmigrate.config import Config
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migration, Migrations
    from sqlmigrate.shadow import Shadow

_HEAD = "-- What the migrations make of an empty database, written by `sqlmigrate dump`: do not edit it.\n\n"


@dataclass(frozen=True, slots=True)
class Dumped:
    """The text, and the version of PostgreSQL that wrote it."""

    text: str
    version: str


def dumped(
    config: Config,
    found: Migrations,
    options: Options,
    note: Note,
    *,
    superuser: bool = False,
    observer: Observer = ignore,
) -> Dumped:
    """Apply all migrations on a throwaway database, without a target, and write its schema down.

    What `bootstrap/` makes is left out, unless a migration has changed it, and there is no history. `observer` hears
    what is taken from the cache, and kept there. Raises the error of a script that fails, and what opening a shadow
    and `pg_dump` raise.
    """
    scripts = scripts_of(found, find_samples(found)[0])  # as a round trip, so that what is kept serves both
    asked = shadow.wanted(config, scripts, superuser=superuser, before=before(found.ordered, options))
    with shadow.opened(asked, observer) as there:
        for words in notes_of(there, asked.extensions):
            note(words)
        made = without(_behind(there, found.ordered, options), _ground(there, asked))
        return Dumped(_HEAD + joined([*PREAMBLE, *made]), there.version)


def _behind(there: Shadow, migrations: tuple[Migration, ...], options: Options) -> list[str]:
    """Return the statements that make what the migrations make; raises the error of the first that fails."""
    runner = Runner(there, replace(options, versions=there.versions))
    with ExitStack() as stack:
        ground = runner.ground(stack, migrations, give_away=True)
        for left in ground.left_out:
            error = left.error or Error(f"{left.migration_id} cannot be applied")
            raise error.replaced(message=f"on the throwaway database: {error.message}")
        return there.dumped(ground.database)


def _ground(there: Shadow, asked: shadow.Wanted) -> list[str]:
    """Return the statements that make what `bootstrap/` makes."""
    if asked.bootstrap is None or not any(asked.bootstrap.glob("*.sql")):
        return []
    with there.database() as ground:
        return there.dumped(ground)
