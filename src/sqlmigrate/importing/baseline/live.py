"""A first migration from the schema of a live database, proven before anything of it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sqlmigrate import connection, drift, roundtrip, shadow
from sqlmigrate.connection import allow
from sqlmigrate.engine.takeover import histories_of_others
from sqlmigrate.errors import HistoryError
from sqlmigrate.events import ignore
from sqlmigrate.importing.baseline import scripts
from sqlmigrate.importing.baseline.writing import require_place
from sqlmigrate.migrations import Migration, Migrations
from sqlmigrate.schema import Name
from sqlmigrate.shadow.written import quoted, statements, without
from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.needs import needs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlmigrate.config import Config
    from sqlmigrate.connection import Gate
    from sqlmigrate.drift import Drift, Live
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.roundtrip import RoundTrip

_YOYO = r"(?:_yoyo_(?:log|migration|version)|yoyo_lock)"
_OWNED_BY = re.compile(r"ALTER SEQUENCE (\S+) OWNED BY (\S+)\.[^.]+")
_MATERIALIZED = re.compile(rf"CREATE MATERIALIZED VIEW ({scripts.NAME})")
_SCHEMA = re.compile(r"(?:CREATE|DROP) SCHEMA (\S+)")
_OF_A_PLATFORM = re.compile(
    r"(?:CREATE|DROP) (?:EXTENSION|EVENT TRIGGER|PUBLICATION)|"
    r"ALTER (?:EVENT TRIGGER|PUBLICATION|DEFAULT PRIVILEGES)"
)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A pair that was made, how a fresh database through it differs from the live one, and how its rollback did.

    `notes` are sentences for the user.
    """

    migration: Migration
    drift: Drift
    trip: RoundTrip
    roles: tuple[str, ...]
    extensions: tuple[str, ...]
    notes: tuple[str, ...] = ()


def from_live(
    config: Config,
    conninfo: str,
    migration_id: str,
    options: Options,
    *,
    gate: Gate[Migrations] = allow,
    observer: Observer = ignore,
) -> Baseline:
    """Make a first migration of what is in a database, which is only read, and prove it on throwaway databases.

    `gate` is called once with the server before anything is read. Raises UsageError where the folder has another
    migration, HistoryError where the database has a history, and what `drift.find` and `pg_dump` raise.
    """
    require_place(config.migrations, migration_id)
    empty = Migrations(config.migrations, ())
    live = drift.read_live(config, conninfo, empty, gate)
    if live.steps:
        raise HistoryError(
            f"{live.steps[-1].script_run.migration_id} is applied in this database, so it needs no baseline",
            hint="to begin again with fewer files, see `sqlmigrate baseline --squash`",
        )
    made, undo, notes = _statements(config, conninfo, live)
    made += _filled(made, live)
    migration = _pair(config, migration_id, live, made, undo)
    found = _drift(config, live, migration, observer)
    needs = needs_of([migration.script])
    extensions = tuple(sorted(needs.extensions))
    told = [note for note in found.notes if "there is no history in schema" not in note]
    trip = _round_trip(config, migration, options, live)
    return Baseline(migration, found, trip, tuple(sorted(needs.roles)), extensions, (*notes, *told))


def _statements(config: Config, conninfo: str, live: Live) -> tuple[list[str], list[str], list[str]]:
    """Return the statements that make what is there, those of `--clean`, and what was left out."""
    found = []
    with connection.session(conninfo) as session:
        others = histories_of_others(session)
    for more in ((), ("--clean",)):
        excluded = [f"--exclude-schema={quoted(name)}" for name in drift.SUPABASE_SCHEMAS] if live.supabase else []
        dump = shadow.dump(
            conninfo,
            major=live.facts.major,
            history_schema=config.history_schema,
            pooled=session.pooled,
            more=(*more, *excluded),
        )
        texts = _without_histories(statements(dump, live.facts.login), others)
        found.append([text for text in texts if not (live.supabase and _OF_A_PLATFORM.match(text))])
    notes = [f"left out: {schema}.{name}, the history of {tool}" for (schema, name), tool in sorted(others.items())]
    ground = _ground(config, live)
    return without(found[0], ground), without(found[1], ground), notes


def _filled(made: Iterable[str], live: Live) -> list[str]:
    """Return what fills the materialized views that are filled there: a dump of the schema alone makes them empty."""
    names = (match[1] for text in made if (match := _MATERIALIZED.match(text)))
    kinds = ((name, live.schema.objects.get(Name("materialized view", name), {})) for name in names)
    return [f"REFRESH MATERIALIZED VIEW {name}" for name, found in kinds if not found.get("not populated")]


def _without_histories(found: Sequence[str], others: Iterable[tuple[str, str]]) -> list[str]:
    """Leave out the tables of other tools with all that is of them, and a schema in which nothing else is."""
    tables = [f"{quoted(schema)}.{quoted(name)}" for schema, name in others]
    owned = (match for text in found if (match := _OWNED_BY.match(text)))
    sequences = [match[1] for match in owned if match[2] in tables or re.search(rf"\.{_YOYO}$", match[2])]
    names = "|".join([*map(re.escape, [*tables, *sequences]), rf"\w+\.{_YOYO}"])
    theirs = re.compile(rf'(?<![\w."])(?:{names})(?![\w"])')
    kept = [text for text in found if not theirs.search(text)]
    spaces = {quoted(schema) for schema, _ in others}

    def is_emptied(text: str) -> bool:
        match = _SCHEMA.match(text)
        return match is not None and match[1] in spaces and not any(f"{match[1]}." in other for other in kept)

    return [text for text in kept if not is_emptied(text)]


def _ground(config: Config, live: Live) -> list[str]:
    """Return the statements that make what `bootstrap/` makes, which a fresh database has before the first script."""
    folder = config.migrations / "bootstrap"
    if not folder.is_dir() or not any(folder.glob("*.sql")):
        return []
    asked = shadow.wanted(config, [], target=live.facts)
    with shadow.opened(asked) as there, there.database() as ground:
        return there.dumped(ground)


def _pair(config: Config, migration_id: str, live: Live, made: list[str], undo: list[str]) -> Migration:
    """Write the two scripts, below what has to be there before."""
    path = config.migrations / f"{migration_id}.sql"
    needs = needs_of([script_from_text(path, scripts.script([], made))])
    head = [f"{migration_id}: what was there when this project began, by `sqlmigrate baseline`"]
    versions = dict(live.facts.settings.extensions) if live.facts.settings else {}
    if needs.roles:
        head.append(f"It needs the roles {', '.join(sorted(needs.roles))}.")
    if needs.extensions:
        named = (f"{name} ({versions[name]})" if name in versions else name for name in sorted(needs.extensions))
        head.append(f"It needs the extensions {', '.join(named)}.")
    script = script_from_text(path, scripts.script(head, made))
    back = script_from_text(path.with_suffix(".rollback.sql"), scripts.rollback(migration_id, made, undo))
    return Migration(migration_id, script, back)


def _drift(config: Config, live: Live, migration: Migration, observer: Observer) -> Drift:
    """Compare as `sqlmigrate drift` will once the migration is marked."""
    step = drift.Step(migration.forward(), live.facts.login)
    return drift.between(config, replace(live, steps=(step,)), observer=observer)


def _round_trip(config: Config, migration: Migration, options: Options, live: Live) -> RoundTrip:
    """Try the pair, up, down and up again."""
    alone = Migrations(config.migrations, (migration,), by_id={migration.migration_id: migration})
    request = roundtrip.RoundTripRequest(migrations=alone, superuser=live.facts.superuser)
    ask: Callable[[], roundtrip.Seen] = partial(roundtrip.Seen, live.facts)
    with roundtrip.opened(config, options, request, lambda _: None, ask) as trials:
        return next(iter(trials.run(fingerprints=False)))
