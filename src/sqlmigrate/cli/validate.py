"""`sqlmigrate validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import common
from sqlmigrate.cli.output import problem_as_json, render_problem
from sqlmigrate.cli.reporting import publish, reporting, root_of

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.cli.reporting import Wanted

FAILED = 1
EPILOG = """\b
Examples:
  sqlmigrate validate
  sqlmigrate validate --since origin/main
  sqlmigrate validate --json
  sqlmigrate validate --format github                annotations
  sqlmigrate validate --output validate.sarif

\b
Exit status: 1 if there is an error; with --fail-on, 3 for that or worse.
"""


@click.command(epilog=EPILOG)
@click.option(
    "--since",
    "revision",
    metavar="REV",
    help="Also check what this branch does to the migrations of a revision of git (merge base).",
)
@common
@reporting
@click.pass_context
def command(context: click.Context, app: App, *, revision: str | None, reports: Wanted) -> None:
    """Check all files without a database: names, pairs, directives, order, encoding, and what no script may do.

    Errors exit with 1. Warnings (a missing rollback script, syntax that our parser does not know) do not.
    """
    from sqlmigrate import __version__  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.migrations.validate import validate  # noqa: PLC0415  same
    from sqlmigrate.reports.sources.problems import found_in_files  # noqa: PLC0415  same

    folder = app.config.migrations
    report = validate(folder, order=app.config.order, revision=revision)
    result = {
        "migrations": [migration.migration_id for migration in report.ordered],
        "problems": [problem_as_json(problem) for problem in report.problems],
        "contents_checked": report.contents_checked,
    }
    found = found_in_files(report, root_of(folder), folder, __version__)
    publish(app, reports, found, app.output.document(**result))
    app.output.result(**result)
    for problem in report.problems:
        color = "yellow" if problem.warning else "red"
        word = click.style("warning:" if problem.warning else "error:", fg=color, bold=True)
        first, *rest = render_problem(problem)
        app.output.prose(f"{word} {first}", *rest)
    errors = sum(not problem.warning for problem in report.problems)
    warnings = len(report.problems) - errors
    if report.contents_checked:
        counted = (_count(len(report.ordered), "migration"), _count(errors, "error"), _count(warnings, "warning"))
        app.output.line(", ".join(counted))
    else:
        mended = "it is" if errors == 1 else "these are"
        app.output.line(f"{_count(errors, 'error')}; the contents are checked once {mended} fixed")
    context.exit(reports.status(found, FAILED if errors else 0))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
