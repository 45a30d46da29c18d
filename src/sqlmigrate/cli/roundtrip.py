"""`sqlmigrate roundtrip`."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import App, common, shadowing
from sqlmigrate.cli.output import error_as_json, is_terminal, problem_as_json, render_error, render_problem, saved

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from sqlmigrate.roundtrip import Base, DataChange, RoundTrip
    from sqlmigrate.shadow import Shadow, TargetFacts
    from sqlmigrate.sql.script import Script

FINDINGS = 3
EPILOG = """\b
Examples:
  sqlmigrate roundtrip                  every migration, on a throwaway server
  sqlmigrate roundtrip 20260304_change  this one, on those before it
  sqlmigrate roundtrip --write          record the proofs in proofs/
  sqlmigrate roundtrip --base dump      what is pending, on the target's dump

\b
Verdicts: exact, text_only (white space and comments in function bodies),
order_only (physical order of columns), lossy (data is not shown to come
back), not_restored, fails, irreversible (no rollback script), not_tried (it
would change a cluster that is not ours).

\b
Exit status: 0 where every rollback is proven, 3 where one is not or could not
be recorded, 70 where a pair met a bug of ours (the others are still tried).
"""
_COLORS = {"exact": "green", "text_only": "green", "order_only": "green", "lossy": "yellow"}
_MISTAKE = "ID and --all exclude each other"
_NOT_SIDE_BY_SIDE = "--jobs is for throwaway servers of our own; the shadow's server works on one pair at a time"


@click.command(epilog=EPILOG)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Try every migration, as without an ID.")
@click.option("--strict", is_flag=True, help="Exit with 3 for lossy too.")
@click.option("--write", is_flag=True, help="Record what was found in proofs/ID.json.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Work on N throwaway servers side by side [as many as there are processors, for many migrations].",
)
@shadowing
@common
@click.pass_context
def command(
    context: click.Context,
    app: App,
    *,
    ids: Sequence[str],
    everything: bool,
    strict: bool,
    write: bool,
    jobs: int | None,
    base: str,
    shadow_superuser: bool,
) -> None:
    """Prove rollbacks: run each pair up, down and up again on a scratch database, and compare.

    No target is needed, but for --base dump. Sample rows in samples/ID.sql show that data comes back too. Exits with 3
    where a rollback does not restore.
    """
    from sqlmigrate import migrations, roundtrip  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.roundtrip import proofs  # noqa: PLC0415  --help needs none of it

    if ids and everything:
        raise click.UsageError(_MISTAKE)
    found = migrations.load(app.config.migrations, one_by_one=True)
    pending = roundtrip.chosen(found, ids)
    samples, astray = roundtrip.find_samples(found)
    for problem in (*found.left_out(), *astray):
        app.output.warning(str(problem))
    jobs = _jobs(app, jobs, len(pending))
    start, target = _base(app) if base == "dump" else (None, _server_of_target(app))
    applied = start.applied if start else frozenset()
    for name in applied.intersection(ids):
        app.output.warning(f"{name} is applied in the target, so the dump holds it already and it is not tried")
    wanted = [item.migration_id for item in pending if item.migration_id not in applied]
    started = time.monotonic()
    with _shadows(
        app, roundtrip.scripts_of(found, samples), target, base=base, superuser=shadow_superuser, jobs=jobs
    ) as shadows:
        recorded = write or app.output.as_json or proofs.any_recorded(found)
        run = roundtrip.side_by_side(
            found, wanted, shadows, app.options(), samples=samples, base=start, fingerprints=recorded
        )
        trips = _shown(app, run, len(wanted))
        version, settings = shadows[0].version, _settings(shadows[0])
        isolation = shadows[0].isolation
        if shadows[0].private and not shadow_superuser and any(map(_lacked_right, trips)):
            app.output.warning(roundtrip.ORDINARY)
    seconds = time.monotonic() - started
    written = proofs.write(found, trips) if write else []
    for problem in () if write else proofs.outdated(found, trips):
        app.output.warning(f"{problem}; record it anew with --write")
    app.output.result(
        migrations=[_as_json(trip) for trip in trips],
        summary=_counts(trips),
        postgresql=version,
        settings=settings,
        isolation=isolation,
    )
    app.output.line(_summary(trips, version, seconds))
    for path in written:
        app.output.detail(f"recorded {path}")
    good = roundtrip.PROVEN - ({roundtrip.Verdict.LOSSY} if strict else set())
    unrecorded = write and _not_recorded(app, trips)
    if bugs := [trip.bug for trip in trips if trip.bug is not None]:
        app.output.warning(f"please report the bug with {saved(bugs[0].report)}")
        context.exit(bugs[0].exit_status)
    if unrecorded or any(trip.verdict not in good for trip in trips):
        context.exit(FINDINGS)


def _base(app: App) -> tuple[Base, TargetFacts]:
    """Take a dump of the target, and what is applied in it, before the shadow is opened."""
    from sqlmigrate import (  # noqa: PLC0415  only for --base dump
        connection,
        history,
        shadow,
    )
    from sqlmigrate.roundtrip import Base  # noqa: PLC0415  same

    with app.target() as target, connection.session(target.conninfo) as session:
        app.announce(target, connection.probe(session))
        applied = history.read(session, app.config.history_schema, owners=app.config.history_owners).applied
        facts = shadow.read_facts(session)
        dump = shadow.dump(target.conninfo, major=facts.major, history_schema=app.config.history_schema)
    return Base(dump, frozenset(row.migration_id for row in applied)), facts


def _server_of_target(app: App) -> TargetFacts | None:
    """Ask a target that is named which server it is on: the shadow must be another one, of the same version.

    No target is needed, so one that cannot be asked is no error.
    """
    from sqlmigrate import (  # noqa: PLC0415  --help needs none of it
        connection,
        shadow,
        target,
    )
    from sqlmigrate.errors import Error  # noqa: PLC0415  same

    try:
        if (choice := target.named(app.config)) is None or choice.conninfo is None:
            return None
        with connection.session(choice.conninfo) as session:
            return shadow.read_facts(session).of_server()
    except Error as error:
        app.output.warning(f"the target was not asked which server it is on: {error.message}")
        return None


def _settings(first: Shadow) -> dict[str, Any]:
    found = first.settings
    return {"source": "assumed" if first.assumed else "the target", "summary": str(found), **found.as_json()}


def _jobs(app: App, wanted: int | None, pairs: int) -> int:
    from sqlmigrate.roundtrip import servers_worth  # noqa: PLC0415  --help needs none of it

    if app.config.shadow_url is None:
        return wanted or servers_worth(pairs)
    if wanted is not None:
        raise click.UsageError(_NOT_SIDE_BY_SIDE)
    return 1


@contextmanager
def _shadows(
    app: App, scripts: Sequence[Script], target: TargetFacts | None, *, base: str, superuser: bool, jobs: int
) -> Iterator[Sequence[Shadow]]:
    """Open the servers, and say of the first what is to be said of all."""
    from sqlmigrate import shadow  # noqa: PLC0415  --help needs none of it

    wanted = shadow.wanted(app.config, scripts, target=target, base=base, superuser=superuser)
    with ExitStack() as stack:
        shadows = [stack.enter_context(shadow.opened(wanted)) for _ in range(jobs)]
        first = shadows[0]
        own = "a throwaway server" if jobs == 1 else f"{jobs} throwaway servers"
        where = own if first.private else "the shadow's server"
        app.output.progress(f"trying on PostgreSQL {first.version} ({where})")
        app.output.progress(f"isolation: {first.isolation}")
        whose = "assumed settings" if first.assumed else "settings as in the target"
        app.output.progress(f"{whose}: {first.settings}")
        for note in first.notes:
            app.output.warning(note)
        if missing := first.missing_extensions(shadow.extensions_named(scripts)):
            app.output.warning(
                f"PostgreSQL {first.version} has no extension {', '.join(missing)} there, so what needs it fails; "
                "name a server that has it with --shadow-url, or its programs with SQLMIGRATE_PG_BINDIR"
            )
        yield shadows


def _shown(app: App, run: Generator[RoundTrip], total: int) -> list[RoundTrip]:
    """Show what is found as it is found; whatever stops us stops the run, too."""
    trips = []
    with closing(run):
        for trip in _progress(app, run, total):
            trips.append(trip)
            app.output.line(*_lines(trip))
    return trips


def _progress(app: App, trips: Iterator[RoundTrip], total: int) -> Iterator[RoundTrip]:
    """Show a bar on a terminal while the trips are made; it gives way to what is said of one."""
    if app.output.quiet or app.output.as_json or not is_terminal(sys.stderr):
        yield from trips
        return
    from rich.console import Console  # noqa: PLC0415  only on a terminal
    from rich.progress import Progress  # noqa: PLC0415  same

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("round trips", total=total)
        for trip in trips:
            bar.advance(task)
            bar.stop()
            yield trip
            bar.start()


def _lacked_right(trip: RoundTrip) -> bool:
    from sqlmigrate.roundtrip import lacks_rights  # noqa: PLC0415  --help needs none of it

    errors = [trip.failure.error if trip.failure else None, *(item.error for item in trip.left_out)]
    return any(map(lacks_rights, errors))


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
        lines.append(f"  found in time zone {trip.zone}; the target's is not known, and in UTC the pair does better")
    lines += _part("before and after the rollback differ:", as_text(trip.differences))
    lines += _part("applied again, it is not as it was the first time:", as_text(trip.again))
    lines += _part("rows:", map(str, trip.data))
    lines += _part("rows, applied again:", map(str, trip.data_again))
    lines += _part("no sample row shows that this comes back:", trip.lost)
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
