"""Issues as lines, as Markdown for a comment, and as an HTML page: for commands that have no report of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.reports.model import SEVERITIES
from sqlmigrate.reports.text import visible
from sqlmigrate.review.render.html.tags import page, tag
from sqlmigrate.review.render.markdown import code, prose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.reports.model import Issue, Issues
    from sqlmigrate.review.render.html.tags import Html

_SHOWN = 50  # issues in a comment
_TEXT = 600  # characters


def plain(found: Issues) -> str:
    """Return a line for each issue, with its place as compilers write it."""
    lines = []
    for issue in found.issues:
        where = f"{place(issue)}: " if issue.path else ""
        said = visible(f"{where}{issue.severity} {issue.rule}: {issue.message}")
        lines.append(" ".join(said.split()))
    return "".join(f"{line}\n" for line in [*lines, tally(found)])


def markdown(found: Issues) -> str:
    """Return a comment: the sum, then a line for each issue, the worst first."""
    return "\n".join(_markdown(found)) + "\n"


def _markdown(found: Issues) -> Iterator[str]:
    yield f"## sqlmigrate {found.command}: {tally(found)}"
    yield ""
    if found.headline:
        yield prose(found.headline)
        yield ""
    for issue in found.issues[:_SHOWN]:
        where = f", {code(place(issue))}" if issue.path else ""
        yield f"- **{issue.severity}** {code(issue.rule)}{where}: {prose(issue.message[:_TEXT])}"
        if issue.suggestion:
            yield f"  <br>what to do: {prose(issue.suggestion[:_TEXT])}"
    if len(found.issues) > _SHOWN:
        yield f"- and {len(found.issues) - _SHOWN} more"


def html(found: Issues) -> str:
    """Return one page with a row for each issue."""
    title = f"sqlmigrate {found.command}: {tally(found)}"
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
    )
    heads = tag("tr", [tag("th", name, scope="col") for name in ("severity", "rule", "place", "what", "what to do")])
    rows = tag("tbody", [_row(issue) for issue in found.issues])
    table = tag("table", tag("thead", heads), rows) if found.issues else None
    made = tag("footer", tag("p", f"Made by sqlmigrate {found.version}."))
    main = tag("main", tag("h1", title), tag("p", found.headline) if found.headline else None, table)
    return page("en", head, tag("body", main, made)).text


def _row(issue: Issue) -> Html:
    where = place(issue) if issue.path else issue.about
    cells = (issue.severity, issue.rule, where, issue.message, issue.suggestion or "")
    return tag("tr", [tag("td", cell) for cell in cells])


def place(issue: Issue) -> str:
    """Name the place of an issue as compilers do."""
    return ":".join(str(part) for part in (issue.path, issue.line, issue.column) if part is not None)


def tally(found: Issues) -> str:
    """Count the issues by severity."""
    severities = [issue.severity for issue in found.issues]
    counts = [(severities.count(one), one) for one in SEVERITIES]
    said = (f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts if number)
    return ", ".join(said) or "nothing found"
