"""Reports for other programs, of the commands that check: which formats, to which files, and when they fail."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from sqlmigrate.cli.foreign_text import json_text, page
from sqlmigrate.errors import UsageError
from sqlmigrate.files import Git, write_text
from sqlmigrate.reports.forms import FORMS, Form, form_of
from sqlmigrate.reports.model import FailOn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlmigrate.cli.call import App
    from sqlmigrate.reports.model import Issues, Root

F = TypeVar("F", bound="Callable[..., Any]")

FINDINGS = 3
_OPTIONS = (
    click.option(
        "--format",
        "form",
        type=click.Choice(FORMS),
        help="Format on stdout, or of the one FILE [by the name of FILE, or text].",
    ),
    click.option(
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        multiple=True,
        metavar="FILE",
        help="Write the report to a file, in the format of its ending; several times for several formats.",
    ),
)
_FAIL_ON = click.option(
    "--fail-on", type=click.Choice(get_args(FailOn)), help="Exit with 3 for this or worse, else with 0."
)
_PLAIN: tuple[Form, ...] = ("text", "json")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to read: the format on stdout, files with their formats, and what the exit status tells.

    Without `fail_on` the exit status is the command's own.
    """

    form: Form
    files: tuple[tuple[Path, Form], ...] = ()
    fail_on: FailOn | None = None

    def status(self, found: Issues, default: int) -> int:
        """Return the exit status."""
        if self.fail_on is None:
            return default
        return FINDINGS if found.fails(self.fail_on) else 0


def wanted(form: Form | None, output: tuple[Path, ...], fail_on: FailOn | None = None) -> Wanted:
    """Read the options; a single file has the format that was named, but annotations always go to stdout.

    Raises UsageError for what cannot be written, before anything else is done.
    """
    for path in output:
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent} to write {path.name} to")
    files = tuple((path, form_of(path)) for path in output)
    if not files or form in (None, "github"):
        return Wanted(form or "text", files, fail_on)
    if len(files) > 1:
        raise UsageError(
            "with several --output, each has the format of its ending", hint="leave out --format, or say github"
        )
    return Wanted("text", ((output[0], form),), fail_on)


def reporting(command: F) -> F:
    """Add --format, --output and --fail-on to a command, which receives them as `reports`.

    It stands below `@common` or its like.
    """

    @functools.wraps(command)
    def wrapper(
        app: App, /, *, form: Form | None, output: tuple[Path, ...], fail_on: FailOn | None, **values: Any
    ) -> Any:
        reports = wanted(form, output, fail_on)
        as_json = app.output.as_json or reports.form == "json"
        app.output = replace(app.output, as_json=as_json, taken=reports.form not in _PLAIN)
        click.get_current_context().find_root().obj = app.output
        return command(app, reports=reports, **values)

    decorated: Any = wrapper
    for option in reversed((*_OPTIONS, _FAIL_ON)):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def formats(command: F) -> F:
    """Add --format and --output alone, for a command that reads them itself."""
    decorated: Any = command
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def root_of(folder: Path) -> Root:
    """Ask git where the repository around a folder begins; without one, paths begin where we are."""
    from sqlmigrate.reports.model import Root  # noqa: PLC0415  --help needs none of it

    top = Git(folder).line("rev-parse", "--show-toplevel")
    return Root(Path(top) if top else Path.cwd())


def publish(
    app: App,
    reports: Wanted,
    found: Issues,
    document: Mapping[str, Any],
    own: Mapping[str, Callable[[], str]] | None = None,
) -> None:
    """Write the files, and what is to stand on stdout, unless that is text or JSON, which the command prints itself.

    `own` are the formats that the command writes in its own way.
    """

    def written(form: Form) -> str:
        if own and form in own:
            return own[form]()
        return _written(form, found, document, reports.fail_on or "danger")

    for path, form in reports.files:
        write_text(path, written(form))
        app.output.progress(f"wrote {path}")
    if reports.form not in _PLAIN and not app.output.as_json:
        app.output.live.erase()
        text = written(reports.form)
        # annotations are commands to the runner, and JSON holds none; what others wrote becomes none of them
        safe = text if reports.form in ("github", "sarif", "gitlab") else page(text)
        click.echo(safe.encode(), nl=False)  # UTF-8 in every locale


def _written(form: Form, found: Issues, document: Mapping[str, Any], fail_on: FailOn) -> str:
    from sqlmigrate.reports import github, gitlab, junit, sarif  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.reports import page as pages  # noqa: PLC0415  same

    match form:
        case "sarif":
            return sarif.render(found)
        case "gitlab":
            return gitlab.render(found)
        case "junit":
            return junit.render(found, fail_on)
        case "github":
            return github.render(found)
        case "json":
            return json_text(document) + "\n"
        case "markdown":
            return pages.markdown(found)
        case "html":
            return pages.html(found)
    return pages.plain(found)
