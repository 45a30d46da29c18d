"""`sqlmigrate review`."""

from __future__ import annotations

import shutil
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.foreign_text import json_text
from sqlmigrate.cli.options import common, require_own_servers, sample_seeds, shadowing
from sqlmigrate.cli.options import jobs as jobs_option
from sqlmigrate.cli.options import seeds as seeds_option
from sqlmigrate.cli.output import is_terminal, saved
from sqlmigrate.cli.pace import following
from sqlmigrate.cli.progress import draw_cache
from sqlmigrate.cli.reporting import FINDINGS, formats, publish, root_of, wanted
from sqlmigrate.errors import Bug

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.cli.call import App
    from sqlmigrate.cli.reporting import Wanted
    from sqlmigrate.events import BugMet, Event, Observer, ScriptStarted
    from sqlmigrate.reports.forms import Form
    from sqlmigrate.reports.model import FailOn
    from sqlmigrate.review.model import Report, Verdict
    from sqlmigrate.review.render.terminal import Role
    from sqlmigrate.target import Target

EPILOG = """\b
Examples:
  sqlmigrate review                       what is pending, or the last one
  sqlmigrate review --since origin/main   what this branch adds or changes
  sqlmigrate review 20260304_change       this one
  sqlmigrate review --output review.html  the page for the DBA
  sqlmigrate review --format markdown     the comment for the pull request
  sqlmigrate review --format github --output review.html --output review.sarif
  sqlmigrate review --stats stats.json    with figures from `sqlmigrate stats`
  sqlmigrate review --write-remedy H01    what to do instead, as new files
  sqlmigrate review --write-remedy H20    an UPDATE of many rows, in batches

\b
Exit status: 0 if the verdict is better than --fail-on, 3 if it is that or
worse, 1 if there could be no review, 70 if the review of a migration met a
bug of ours (the others are still reviewed).
"""
_TOO_BAD: dict[str, tuple[Verdict, ...]] = {
    "danger": ("fails", "danger"),
    "warning": ("fails", "danger", "warning"),
    "none": (),
}
_STYLES: dict[Role, dict[str, Any]] = {
    "fails": {"fg": "red", "bold": True, "reverse": True},
    "danger": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "note": {"fg": "cyan"},
    "fine": {"fg": "green", "bold": True},
    "strong": {"bold": True},
    "quiet": {"dim": True},
    "plain": {},
}
_NARROW, _WIDE = 60, 120


@click.command(epilog=EPILOG)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--since", metavar="REV", help="Review what is added or changed since a revision of git (merge base).")
@click.option("--all", "everything", is_flag=True, help="Review every migration.")
@formats
@click.option(
    "--stats",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Take the size and traffic of tables from a file of `sqlmigrate stats`.",
)
@click.option("--workload", is_flag=True, default=None, help="Ask what breaks of the target's pg_stat_statements.")
@click.option(
    "--workload-file",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="The same for a file of `sqlmigrate stats --workload`, an SQL file, or a folder of them.",
)
@click.option(
    "--write-remedy",
    metavar="CODE",
    help="Write what to do instead of this hazard beside the script, as new migrations to edit.",
)
@click.option(
    "--fail-on",
    type=click.Choice(list(_TOO_BAD)),
    help="Exit with 3 for this verdict or a worse one, and for edits of migrations of REV [danger: the verdict alone].",
)
@seeds_option
@jobs_option
@shadowing
@common
@click.pass_context
def command(
    context: click.Context,
    app: App,
    *,
    ids: Sequence[str],
    since: str | None,
    everything: bool,
    form: Form | None,
    output: tuple[Path, ...],
    stats: Path | None,
    workload: bool | None,
    workload_file: tuple[Path, ...],
    write_remedy: str | None,
    fail_on: FailOn | None,
    seeds: bool,
    jobs: int | None,
    base: str,
    shadow_superuser: bool,
) -> None:
    """Report what migrations lock, rewrite and risk, and whether their undo is proven.

    Each script runs on a throwaway database, statement by statement, forward and back. You need not name a database;
    if you do, it is only read: what is pending there, and how large its tables are.
    """
    from sqlmigrate.events import Judged  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.review.project import review_project  # noqa: PLC0415  same
    from sqlmigrate.review.selection import Asked  # noqa: PLC0415  same

    asked = Asked(tuple(ids), since, everything)
    require_own_servers(app, jobs)
    reports = wanted(form, output, fail_on)
    bugs: list[BugMet] = []
    with ExitStack() as stack:
        target: Target | None
        target = stack.enter_context(app.target() if base == "dump" else app.named_target())
        if target is None and asked == Asked():
            target = stack.enter_context(app.own_target())
        _announce(app, target)
        app.output.recorder.begins(None, ids)
        report = review_project(
            app.config,
            app.options(),
            ids,
            since=since,
            everything=everything,
            target=target,
            stats=stats,
            base=base,
            superuser=shadow_superuser,
            workload=workload or (app.config.workload and target is not None),
            workload_files=workload_file or app.config.workload_file,
            seeds=sample_seeds(app) if seeds else None,
            jobs=jobs,
            observer=app.output.recorder.noting(_noting(bugs, stack.enter_context(_progress(app))), runs=False),
        )
    for one in report.migrations:
        app.output.recorder.note(Judged(one.migration_id, "review", one.verdict))
    _publish(app, report, reports)
    if write_remedy is not None:
        from sqlmigrate.review.writing import write_remedies  # noqa: PLC0415  --help needs none of it

        for path in write_remedies(report, write_remedy):
            app.output.progress(f"wrote {path}")
    if bugs:
        named = ", ".join(bug.migration_id for bug in bugs)
        app.output.warning(f"{named} met a bug of sqlmigrate: please report it with {saved(bugs[0].report)}")
        context.exit(Bug.exit_status)
    edited = fail_on is not None and any(item.severity in _TOO_BAD[fail_on] for item in report.branch)
    if edited or report.verdict in _TOO_BAD[fail_on or "danger"]:
        context.exit(FINDINGS)


def _noting(bugs: list[BugMet], observer: Observer) -> Observer:
    """Keep the bugs that were met beside what is shown."""
    from sqlmigrate.events import BugMet  # noqa: PLC0415  --help needs none of it

    def note(event: Event) -> None:
        if isinstance(event, BugMet):
            bugs.append(event)
        observer(event)

    return note


def _announce(app: App, target: Target | None) -> None:
    """Name the database that is read, if there is one."""
    if target is not None:
        from sqlmigrate import connection  # noqa: PLC0415  only where there is a database

        with connection.session(target.conninfo) as session:
            app.announce(target, connection.probe(session))
    app.output.progress("reviewing on a throwaway database ...")


@contextmanager
def _progress(app: App) -> Iterator[Observer]:
    """Show how far it is, and with --verbose what begins: first the round trips, then what is traced."""
    from sqlmigrate.events import ScriptStarted  # noqa: PLC0415  --help needs none of it

    begun: dict[str, ScriptStarted] = {}
    with following(app.output) as progress:

        def draw(event: Event) -> None:
            draw_cache(app.output, event)
            if not isinstance(event, ScriptStarted):
                return
            begun[event.operation] = event
            app.output.detail(f"{event.operation} {event.migration_id} ...")
            tried = begun.get("roundtrip")
            is_first = event is tried
            progress.tell(
                f"{event.operation} {event.migration_id}",
                event.number - 1,
                event.total,
                before=0 if is_first or tried is None else tried.total,
                after=event.total if is_first else 0,
            )

        yield draw


def _publish(app: App, report: Report, reports: Wanted) -> None:
    """Write the files, and on stdout what was asked for: beside files, text is only the verdict."""
    from sqlmigrate.reports.sources.review import reviewed  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.review.render import html, markdown, terminal  # noqa: PLC0415  same

    folder = app.config.migrations
    own = {
        "text": lambda: terminal.plain(terminal.render(report)),
        "html": lambda: html.render(report),
        "markdown": lambda: markdown.render(report),
    }
    publish(app, reports, reviewed(report, folder, root_of(folder)), report.to_json(), own)
    app.output.result(**report.to_json())
    if reports.form == "text":
        _print(app, report, whole=not reports.files)
    elif reports.form == "json" and not app.output.as_json:
        click.echo((json_text(report.to_json()) + "\n").encode(), nl=False)  # UTF-8 in every locale


def _print(app: App, report: Report, *, whole: bool) -> None:
    """Print the report, or only its verdict, in colours where the terminal has them."""
    from sqlmigrate.review.render import terminal  # noqa: PLC0415  --help needs none of it

    width = terminal.WIDTH
    if is_terminal(sys.stdout):
        width = min(max(shutil.get_terminal_size().columns, _NARROW), _WIDE)
    for line in terminal.render(report, width) if whole else terminal.first(report, width):
        app.output.line("".join(click.style(text, **_STYLES[role]) if _STYLES[role] else text for text, role in line))
