"""`sqlmigrate roundtrip`."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import common, require_own_servers, shadowing
from sqlmigrate.cli.options import jobs as jobs_option
from sqlmigrate.cli.output import error_as_json, problem_as_json, render_error, render_problem, saved
from sqlmigrate.cli.pace import following
from sqlmigrate.cli.progress import draw_cache
from sqlmigrate.cli.reporting import FINDINGS, publish, reporting, root_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from sqlmigrate.cli.call import App
    from sqlmigrate.cli.reporting import Wanted
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.roundtrip import DataChange, RoundTrip, Seen, Trials
    from sqlmigrate.shadow import Shadow

EPILOG = """\b
Examples:
  sqlmigrate roundtrip                  every migration, on a throwaway server
  sqlmigrate roundtrip 20260304_change  this one, on those before it
  sqlmigrate roundtrip --since origin/main   what this branch adds or changes
  sqlmigrate roundtrip --write          record the proofs in proofs/
  sqlmigrate roundtrip --base dump      what is pending, on the target's dump
  sqlmigrate roundtrip --output rt.xml  JUnit, for CI

\b
Verdicts: exact, text_only (white space and comments in function bodies),
order_only (physical order of columns), lossy (nothing shows that data comes
back), not_restored, fails, irreversible (no rollback script), not_tried (it
would change a cluster that is not ours).

\b
Exit status: 0 if every rollback is proven, 3 if one is not or could not be
recorded, 70 if a pair met a bug of ours (the others are still tried).
"""
_COLORS = {"exact": "green", "text_only": "green", "order_only": "green", "lossy": "yellow"}
_MISTAKE = "give either IDs, --since or --all"


@click.command(epilog=EPILOG)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Try every migration, as without an ID.")
@click.option("--since", metavar="REV", help="Try what is added or changed since a revision of git (merge base).")
@click.option("--strict", is_flag=True, help="Exit with 3 for lossy too.")
@click.option("--write", is_flag=True, help="Record the results in proofs/ID.json.")
@jobs_option
@shadowing
@common
@reporting
@click.pass_context
def command(
    context: click.Context,
    app: App,
    *,
    ids: Sequence[str],
    everything: bool,
    since: str | None,
    strict: bool,
    write: bool,
    jobs: int | None,
    base: str,
    shadow_superuser: bool,
    reports: Wanted,
) -> None:
    """Prove rollbacks: run each pair up, down and up again on a throwaway database, and compare.

    It needs no target, except for --base dump. Sample rows in samples/ID.sql show that data comes back too. The exit
    status is 3 if a rollback does not restore what was there.
    """
    from sqlmigrate import __version__, migrations, roundtrip  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.reports.sources.roundtrip import unproven  # noqa: PLC0415  same
    from sqlmigrate.roundtrip import proofs  # noqa: PLC0415  --help needs none of it

    if bool(ids) + everything + (since is not None) > 1:
        raise click.UsageError(_MISTAKE)
    require_own_servers(app, jobs)
    found = migrations.of_project(app.config, one_by_one=True)
    if since is not None and not (ids := _new(found, since)):
        _nothing_new(app, reports, found, since)
        return
    request = roundtrip.RoundTripRequest(migrations=found, ids=tuple(ids), superuser=shadow_superuser, jobs=jobs)
    ask = partial(_base if base == "dump" else _server_of_target, app)
    started = time.monotonic()
    cached = app.output.recorder.noting(partial(draw_cache, app.output), runs=False)
    with roundtrip.opened(app.config, app.options(), request, app.output.warning, ask, cached) as trials:
        first = trials.shadows[0]
        _tell(app, trials)
        app.output.recorder.begins(None, trials.wanted)
        recorded = write or app.output.as_json or proofs.any_recorded(found)
        trips = _shown(app, trials.run(fingerprints=recorded), len(trials.wanted))
        version, settings, isolation = first.version, _settings(first), first.isolation
    seconds = time.monotonic() - started
    written = proofs.write(found, trips) if write else []
    for problem in () if write else proofs.outdated(found, trips):
        app.output.warning(f"{problem}; record it again with --write")
    result = {
        "migrations": [_as_json(trip) for trip in trips],
        "summary": _counts(trips),
        "postgresql": version,
        "settings": settings,
        "isolation": isolation,
    }
    issues = unproven(trips, found.by_id, root_of(found.directory), found.directory, __version__)
    publish(app, reports, issues, app.output.document(**result))
    app.output.result(**result)
    app.output.prose(_summary(trips, version, seconds))
    app.output.detail(_ways(trips))
    for path in written:
        app.output.detail(f"recorded {path}")
    good = roundtrip.PROVEN - ({roundtrip.Verdict.LOSSY} if strict else set())
    unrecorded = write and _not_recorded(app, trips)
    if bugs := [trip.bug for trip in trips if trip.bug is not None]:
        app.output.warning(f"please report the bug with {saved(bugs[0].report)}")
        context.exit(bugs[0].exit_status)
    failed = any(trip.verdict not in good for trip in trips)
    context.exit(FINDINGS if unrecorded else reports.status(issues, FINDINGS if failed else 0))


def _new(found: Migrations, revision: str) -> list[str]:
    """Name what this branch adds or changes, by the ids that the command takes."""
    from sqlmigrate import files  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.migrations import branch  # noqa: PLC0415  same

    return [item.migration_id for item in branch.new(found, files.since(found.directory, revision))]


def _nothing_new(app: App, reports: Wanted, found: Migrations, revision: str) -> None:
    """Say that there is nothing to try; no server is started for that."""
    from sqlmigrate import __version__  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.reports.sources.roundtrip import unproven  # noqa: PLC0415  same

    result: dict[str, Any] = {
        "migrations": [],
        "summary": _counts(()),
        "postgresql": None,
        "settings": None,
        "isolation": None,
    }
    issues = unproven((), found.by_id, root_of(found.directory), found.directory, __version__)
    publish(app, reports, issues, app.output.document(**result))
    app.output.result(**result)
    app.output.prose(f"nothing is added or changed since {revision}")


def _base(app: App) -> Seen:
    """Take a dump of the target, which is named first."""
    from sqlmigrate.roundtrip import read_base  # noqa: PLC0415  only for --base dump

    with app.target() as target:
        return read_base(target.conninfo, app.config, gate=app.announcing(target))


def _server_of_target(app: App) -> Seen:
    """Ask a target that is named which server it is on: the shadow must be another one, of the same version.

    No target is needed, so one that cannot be asked is no error.
    """
    from sqlmigrate import target  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.errors import Error  # noqa: PLC0415  same
    from sqlmigrate.roundtrip import Seen, read_server  # noqa: PLC0415  same

    try:
        if (choice := target.named(app.config)) is None or choice.conninfo is None:
            return Seen()
        return read_server(choice.conninfo)
    except Error as error:
        app.output.warning(f"the target was not asked which server it is on: {error.message}")
        return Seen()


def _settings(first: Shadow) -> dict[str, Any]:
    found = first.settings
    return {"source": "assumed" if first.assumed else "the target", "summary": str(found), **found.as_json()}


def _tell(app: App, trials: Trials) -> None:
    """Say where the pairs are tried, and under which settings."""
    first, count = trials.shadows[0], len(trials.shadows)
    own = "a throwaway server" if count == 1 else f"{count} throwaway servers"
    where = own if first.private else "the server of --shadow-url"
    app.output.progress(f"trying on PostgreSQL {first.version} ({where})")
    app.output.progress(f"isolation: {first.isolation}")
    whose = "assumed settings" if first.assumed else "settings as in the target"
    app.output.progress(f"{whose}: {first.settings}")


def _shown(app: App, run: Generator[RoundTrip], total: int) -> list[RoundTrip]:
    """Show what is found as it is found; whatever stops us stops the run, too."""
    from sqlmigrate.events import Judged  # noqa: PLC0415  --help needs none of it

    trips = []
    with closing(run), following(app.output) as progress:
        progress.tell("round trips", 0, total)
        for trip in run:
            trips.append(trip)
            app.output.recorder.note(Judged(trip.migration_id, "roundtrip", trip.verdict.value))
            with progress.giving_way():
                app.output.line(*_lines(trip))
                if said := _said(trip):
                    app.output.prose(*said)
            progress.tell("round trips", len(trips), total)
    return trips


def _not_recorded(app: App, trips: Sequence[RoundTrip]) -> bool:
    """Say which round trips are no proof, since something before them is missing; tell whether there are any."""
    missing = [trip for trip in trips if trip.left_out]
    for trip in missing:
        names = ", ".join(trip.without)
        app.output.warning(
            f"{trip.migration_id} is not recorded: it was tried without {names}, which could not be applied before it"
        )
    return bool(missing)


def _lines(trip: RoundTrip) -> list[str]:
    """Say in one line how it went, and under it what is wrong."""
    from sqlmigrate.schema.diff import as_text  # noqa: PLC0415  --help needs none of it

    verdict = click.style(trip.verdict.value, fg=_COLORS.get(trip.verdict.value, "red"))
    lines = [f"{trip.migration_id}: {verdict} ({trip.seconds:.2f} s)"]
    lines += _part("tried without these, which could not be applied before it:", map(str, trip.left_out))
    if trip.zone is not None:
        lines.append(f"  found in time zone {trip.zone}; the target's is not known, and in UTC the verdict is better")
    lines += _part("before and after the rollback differ:", as_text(trip.differences))
    lines += _part("applied again, the result differs from the first time:", as_text(trip.again))
    lines += _part("rows:", map(str, trip.data))
    lines += _part("rows, applied again:", map(str, trip.data_again))
    return lines + _part("no sample row shows that this comes back:", trip.lost)


def _said(trip: RoundTrip) -> list[str]:
    """Say what failed, and which problems there are."""
    lines: list[str] = []
    if trip.failure is not None:
        said = render_error(trip.failure.error, head=f"{trip.failure.step} failed:", outcome=False)
        lines += [f"  {line}" for line in said]
    for problem in (*trip.expectations, *trip.not_tried):
        lines += render_problem(problem, mark="  ")
    return lines


def _part(title: str, lines: Iterable[str]) -> list[str]:
    found = [f"    {printable(line)}" for line in lines]
    return [f"  {title}", *found] if found else []


def _counts(trips: Sequence[RoundTrip]) -> dict[str, int]:
    from sqlmigrate.roundtrip import Verdict  # noqa: PLC0415  --help needs none of it

    return {verdict.value: sum(trip.verdict is verdict for trip in trips) for verdict in Verdict}


def _summary(trips: Sequence[RoundTrip], version: str, seconds: float) -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in _counts(trips).items() if count)
    word = "migration" if len(trips) == 1 else "migrations"
    return f"{len(trips)} {word}: {counts or 'nothing to try'} (PostgreSQL {version}, {seconds:.1f} s)"


def _ways(trips: Sequence[RoundTrip]) -> str:
    """Say where the pairs were tried."""
    from sqlmigrate.roundtrip import Way  # noqa: PLC0415  --help needs none of it

    found = {way: sum(trip.way is way for trip in trips) for way in Way}
    anew = f" (recreated after {found[Way.MADE_ANEW]} of them)" if found[Way.MADE_ANEW] else ""
    in_place = found[Way.IN_PLACE] + found[Way.MADE_ANEW]
    copies = found[Way.COPIES]
    return f"tried in place, on the database that holds what comes before: {in_place}{anew}; on copies: {copies}"


def _as_json(trip: RoundTrip) -> dict[str, Any]:
    from sqlmigrate.schema.diff import as_json  # noqa: PLC0415  --help needs none of it

    failure = trip.failure
    return {
        "migration_id": trip.migration_id,
        "verdict": trip.verdict.value,
        "differences": as_json(trip.differences),
        "differences_again": as_json(trip.again),
        "data": [_data(change) for change in trip.data],
        "data_again": [_data(change) for change in trip.data_again],
        "expectations": [problem_as_json(problem) for problem in trip.expectations],
        "lost": list(trip.lost),
        "error": {"step": failure.step, **error_as_json(failure.error)} if failure else None,
        "not_tried": [problem_as_json(problem) for problem in trip.not_tried],
        "makes": as_json(trip.makes),
        "base": trip.base,
        "zone": trip.zone,
        "without": list(trip.without),
        "seconds": round(trip.seconds, 3),
    }


def _data(change: DataChange) -> dict[str, Any]:
    return {change.kind: change.table, "before": change.before, "after": change.after, "says": str(change)}
