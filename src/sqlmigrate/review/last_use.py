"""Say of what a migration drops or renames when the target has last used it, and by what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import connection as connections
from sqlmigrate.engine.wire.session import script_path, script_role
from sqlmigrate.errors import Error
from sqlmigrate.files.patterns import Hidden
from sqlmigrate.sql.statement.removals import removals_of
from sqlmigrate.usage.counted import Counted, Row
from sqlmigrate.usage.finding import find_in_statements
from sqlmigrate.usage.found import Object
from sqlmigrate.usage.looking import Condition, Earlier, counted_or_why, look

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlmigrate.config import Config
    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.migrations import Migration
    from sqlmigrate.review import model
    from sqlmigrate.review.workload.queries import Workload
    from sqlmigrate.sql.statement.removals import Removed
    from sqlmigrate.usage.model import Use

CODES = frozenset({"H08", "H12", "H21", "H23", "H27"})
"""The hazards of what is dropped or renamed."""

_EVIDENCE = timedelta(days=14)  # what was counted for less time says little of what is not used
_NOT_ASKED = "the target was not asked for its statements (--workload)"


def uses_in(
    conninfo: str, migrations: Sequence[Migration], config: Config, options: Options, *, workload: bool
) -> Mapping[str, tuple[Use, ...]]:
    """Look in the target for the uses of what migrations drop or rename, by their ids; it is only read.

    `workload` reads pg_stat_statements too. The time is that of the script's `unused-for`, or 14 days.
    """
    removed = {item.migration_id: removals_of(item.script) for item in migrations}
    if not any(item.objects for item in removed.values()):
        return {}
    hidden = Hidden(config.workload_hide)
    known: list[Counted | str] = []

    def counts(connection: Connection) -> Counted | str:
        if not known:
            known.append(counted_or_why(connection) if workload else _NOT_ASKED)
        return known[0]

    earlier = Earlier()
    found: dict[str, tuple[Use, ...]] = {}
    with connections.session(conninfo) as session:
        for item in migrations:
            script, removals = item.script, removed[item.migration_id]
            earlier.before(removals)
            if removals.objects:
                time = timedelta(milliseconds=script.directives.unused_for or 0) or _EVIDENCE
                ground = Condition(script, script_role(script, options), script_path(script, options))
                uses, _ = look(session, ground, removals, earlier, time, counts, hidden)
                found[item.migration_id] = tuple(uses)
    return found


def uses_by(workload: Workload, migrations: Sequence[Migration]) -> Mapping[str, tuple[Use, ...]]:
    """Look through statements that were written down for the uses of what migrations drop or rename, by their ids."""
    read_at = datetime.fromisoformat(workload.read_at) if workload.read_at else datetime.now(UTC)
    since = datetime.fromisoformat(workload.since) if workload.since else None
    counted = Counted(
        rows=tuple(
            Row(query.text, use.role, use.calls or 0, use.total or 0.0)
            for query in workload.queries
            for use in query.uses
        ),
        read_at=read_at,
        since=since,
        track=workload.track or "all",
        utility=since is None,
        collects=True,
        evicted=workload.evicted if since else 0,
        unread=workload.unread,
    )
    return {
        item.migration_id: tuple(
            find_in_statements(one, counted, start=read_at - _EVIDENCE)
            for removed in removals_of(item.script).objects
            if (one := _as_written(removed)) is not None
        )
        for item in migrations
    }


def _as_written(removed: Removed) -> Object | None:
    """Take an object by the name that the script has for it; None for one that no statement names."""
    kind = {"relation": "relation", "column": "column", "routine": "function"}.get(removed.kind)
    return Object(kind, (removed.name,), (), removed, removed.part) if kind else None


def with_last_use(report: model.Report, uses: Mapping[str, Iterable[Use]]) -> model.Report:
    """Put the uses of objects to the hazards of the statements that drop or rename them, else to the script's notes."""

    def of_hazard(hazard: model.Hazard, found: Iterable[Use]) -> model.Hazard:
        if hazard.code not in CODES:
            return hazard
        return replace(hazard, last_use=tuple(use for use in found if use.line == hazard.line))

    def of_statement(one: model.ReviewedStatement, found: Iterable[Use]) -> model.ReviewedStatement:
        hazards = tuple(of_hazard(hazard, found) for hazard in one.hazards)
        suppressed = tuple(replace(item, hazard=of_hazard(item.hazard, found)) for item in one.suppressed)
        return replace(one, hazards=hazards, suppressed=suppressed)

    def of_migration(item: model.Migration) -> model.Migration:
        if not (found := tuple(uses.get(item.migration_id, ()))):
            return item
        statements = tuple(of_statement(one, found) for one in item.apply.statements)
        hazards = [hazard for one in statements for hazard in (*one.hazards, *(s.hazard for s in one.suppressed))]
        told = {use for hazard in hazards for use in hazard.last_use}
        notes = (f"line {use.line}: last use: {use.said}" for use in found if use not in told)
        return replace(item, apply=replace(item.apply, statements=statements, notes=(*item.apply.notes, *notes)))

    return replace(report, migrations=tuple(map(of_migration, report.migrations)))


def looked(
    report: model.Report,
    conninfo: str | None,
    migrations: Sequence[Migration],
    config: Config,
    options: Options,
    *,
    asked: bool,
    workload: Workload | None,
) -> model.Report:
    """Return a report with the uses of what its migrations drop or rename, or with a note on why they are not known.

    A target is `asked` for its statements, or only for the rest; without one, those of a `workload` are looked through.
    """
    if conninfo is None:
        return with_last_use(report, uses_by(workload, migrations)) if workload else report
    try:
        return with_last_use(report, uses_in(conninfo, migrations, config, options, workload=asked))
    except (psycopg.Error, Error) as error:
        said = error.diag.message_primary if isinstance(error, psycopg.Error) else error.message
        reason = said or type(error).__name__
        note = f"when the target last used what is dropped or renamed could not be read: {reason}"
        return replace(report, notes=(*report.notes, note))
