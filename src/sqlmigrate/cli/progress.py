"""Draw the engine's events for people, and give its results as plain values."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.foreign_text import MARK, printable
from sqlmigrate.cli.output import server_details

if TYPE_CHECKING:
    from sqlmigrate import events
    from sqlmigrate.cli.output import Output
    from sqlmigrate.cli.watching import Watching
    from sqlmigrate.engine import Result

_ROW_WIDTH = 200
_SAY_AGAIN = 30.0  # seconds
_SEEDS, _OTHERS = "seed data", "this command"  # without a migration: seeds run again, and `unmark` may wait, too
_DONE = {"apply": "applied", "rollback": "rolled back"}


def drawer(output: Output) -> events.Observer:
    """Return an observer that prints what happens: finished scripts on stdout, everything else on stderr."""
    told: dict[int | None, float] = {}
    committed: list[events.ScriptFinished] = []

    @cache
    def watching() -> Watching:
        from sqlmigrate.cli.watching import Watching  # noqa: PLC0415  most calls find nothing to do

        return Watching(output)

    def draw_finished(event: events.ScriptFinished) -> None:
        word = click.style(_DONE[event.operation], fg="green")
        output.line(f"{word} {event.migration_id} ({event.seconds:.2f} s)")

    def draw(event: events.Event) -> None:
        from sqlmigrate import events  # noqa: PLC0415  most calls find nothing to do

        match event:
            case events.ScriptStarted():
                output.detail(f"{event.operation} {event.migration_id} ({event.number} of {event.total}) ...")
            case events.ScriptFinished(durable=False):
                committed.append(event)  # nothing is said to be applied before it is durable
                output.detail(f"committed {event.migration_id}")
            case events.ScriptFinished():
                draw_finished(event)
            case events.MadeDurable():
                for one in committed:
                    if one.migration_id in event.migration_ids:
                        draw_finished(one)
                committed.clear()
            case events.Notice():
                _draw_notice(output, event)
            case events.NoticesLeftOut():
                what = "warnings" if event.warnings else "notices"
                where = f" of the statement at {event.place}" if event.place else ""
                output.progress(f"  ... and {event.count} more {what}{where}")
            case events.WaitingForRunLock():
                _draw_waiting(output, event, told)
            case events.StandbyLags() | events.StandbysHidden():
                _draw_standbys(output, event, told)
            case events.RowsReturned():
                _draw_rows(output, event)
            case events.Blocked():
                for blocker in event.blockers:
                    what = f"{event.migration_id or _OTHERS} waits for" if blocker.direct else "  behind that,"
                    output.progress(printable(f"  {what} {blocker}"))
            case events.KilledRunFound():
                output.progress(printable(_killed(event)))
            case events.Harm():
                from sqlmigrate.cli.watching import harm  # noqa: PLC0415  same

                output.progress(printable(f"  {event.migration_id}: {harm(event)}"))
            case events.Progress():
                watching().draw(event)
            case events.Backfilling():
                watching().draw_batches(event)
            case events.Throttled():
                watching().draw_throttle(event)
            case events.ThrottleHidden():
                what = f"{event.throttle} holds nothing back that this role does not see"
                output.warning(printable(f"{event.migration_id}: {what}; GRANT {event.grant} shows it"))
            case events.Resumed() | events.HalfWayForgotten() | events.LockRetry():
                _draw_rerun(output, event)
            case events.Taken() | events.Kept() | events.NotKept():
                draw_cache(output, event)

    return draw


def _killed(event: events.KilledRunFound) -> str:
    """Say of a run that was killed who it was, how far it had come, and what became of its script."""
    at = f"{event.began:%Y-%m-%d %H:%M:%S} UTC"
    where = f"statement {event.statement}" if event.statement else ""
    where += f" (line {event.line})" if event.line else ""
    seen = f"last seen {event.seen:%H:%M:%S}" if event.seen and not event.half_way else ""
    parts = ", ".join(part for part in (where, seen) if part)
    how, left = "was killed, or lost its server", "its transaction was rolled back"
    if event.pid is not None:
        how, left = "was killed, or lost its run lock", f"its session is still at work (pid {event.pid})"
    elif event.half_way:
        left = "it stands half way"
    return (
        f"the run that {event.username or '?'}@{event.hostname or '?'} began {at} {how}, in the {event.operation} of "
        f"{event.migration_id}{f', {parts}' if parts else ''}; {left}"
    )


def _draw_rerun(output: Output, event: events.Resumed | events.HalfWayForgotten | events.LockRetry) -> None:
    """Say that a script runs again, or goes on, and why."""
    from sqlmigrate import events  # noqa: PLC0415  most calls find nothing to do

    match event:
        case events.Resumed():
            how = f"is resumed after statement {event.done}"
            if event.rows:
                how = f"goes on with statement {event.done + 1}, {event.rows:,} rows of which had their batch"
            elif not event.done:
                how = "is started again from its first statement"
            output.progress(f"{event.migration_id} {how}")
        case events.HalfWayForgotten():
            output.progress(
                f"{event.migration_id} no longer counts as stopped half way in its {event.operation} script"
            )
        case events.LockRetry():
            said = event.message.message if event.message else "a lock was not granted"
            said = f"stopped, since {event.guard}" if event.guard else said
            at = f" at {event.place}" if event.place else ""
            output.progress(
                f"{event.migration_id or _SEEDS}: {printable(said)} (attempt {event.attempt}{at}, rolled back); "
                f"next attempt in {event.pause:.1f} s, giving up in {event.seconds_left:.0f} s"
            )
            for blocker in event.blockers:
                how = "blocked by" if blocker.direct else "  behind that,"
                output.progress(printable(f"  {how} {blocker}"))


def draw_cache(output: Output, event: events.Event) -> None:
    """Say with --verbose what was taken from the cache, and what is kept there; other events are not drawn."""
    from sqlmigrate import events  # noqa: PLC0415  most calls find nothing to do

    match event:
        case events.Taken(done=0):
            output.detail("taken from the cache: an empty server")
        case events.Taken():
            output.detail(f"taken from the cache: what {event.done} of {event.total} migrations make")
        case events.Kept(done=0):
            output.detail(f"kept in the cache: an empty server ({megabytes(event.size)})")
        case events.Kept():
            until = ", for today only: a script asks for the time or for chance" if event.day_only else ""
            output.detail(f"kept in the cache: what {event.done} migrations make ({megabytes(event.size)}){until}")
        case events.NotKept():
            output.detail(printable(event.reason))


def megabytes(size: int) -> str:
    """Return a size in bytes for people."""
    return f"{size / (1 << 20):.0f} MB"


def _draw_waiting(output: Output, event: events.WaitingForRunLock, told: dict[int | None, float]) -> None:
    """Say who holds the run lock, and again only now and then: it is tried every second."""
    pid = event.holder.pid if event.holder else None
    if told.get(pid, math.inf) - event.seconds_left < _SAY_AGAIN:
        return
    told[pid] = event.seconds_left
    holder = event.holder or "another run"
    output.progress(f"waiting for the run lock, held by {holder}; giving up in {event.seconds_left:.0f} s")
    if event.batches:
        from sqlmigrate.cli.watching import of_others  # noqa: PLC0415  few runs meet one that runs in batches

        output.progress(printable(f"  {of_others(event.batches)}"))


def _draw_standbys(
    output: Output, event: events.StandbyLags | events.StandbysHidden, told: dict[int | None, float]
) -> None:
    """Say which standby the next migration waits for, and again only now and then."""
    from sqlmigrate import events  # noqa: PLC0415  most calls find nothing to do

    if isinstance(event, events.StandbysHidden):
        what = "1 standby" if event.count == 1 else f"{event.count} standbys"
        output.warning(f"nothing waits for {what}, since this role does not see it; GRANT pg_read_all_stats shows it")
        return
    key = -hash(event.migration_id)
    if told.get(key, math.inf) - event.seconds_left < _SAY_AGAIN:
        return
    told[key] = event.seconds_left
    for standby in event.standbys:
        what = f"{event.migration_id} waits, since {standby} and max_lag is {event.limit:.1f} s"
        output.progress(printable(f"  {what}; giving up in {event.seconds_left:.0f} s"))


def _draw_notice(output: Output, event: events.Notice) -> None:
    where = f"{event.place.path.name}:{event.place.line}" if event.place else event.migration_id
    output.progress(f"  {event.message.severity}: {printable(event.message.message)} ({where})")
    for line in server_details(event.message):
        if not line.startswith("  CONTEXT"):
            output.progress(f"  {line}")


def _draw_rows(output: Output, event: events.RowsReturned) -> None:
    """Show the first rows of a result as psql does without alignment: a bounded look, not an export."""
    where = f"{event.place.path.name}:{event.place.line}" if event.place else event.migration_id
    output.progress(f"  {MARK}{_cut(' | '.join(event.columns))} ({where})")
    for row in event.rows:
        output.progress(f"  {MARK}{_cut(' | '.join('' if value is None else value for value in row))}")
    if event.total > len(event.rows):
        output.progress(f"  ... {event.total} rows in all")


def _cut(line: str) -> str:
    line = printable(" ".join(line.split()))
    return line if len(line) <= _ROW_WIDTH else line[: _ROW_WIDTH - 3] + "..."


def result_as_json(result: Result) -> dict[str, Any]:
    """Return what ran as plain values."""
    return {
        "operation": result.plan.operation,
        "migrations": [{"migration_id": ran.migration_id, "seconds": round(ran.seconds, 4)} for ran in result.ran],
        "notes": list(result.plan.notes),
    }
