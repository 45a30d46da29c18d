"""Annotations by the commands of GitHub's runner, printed to its log: they need no upload and no right.

The runner takes a line that begins with `::` as a command, so each of these is one line, with nothing of anybody else's
before its first `::` and no line end in it. `%`, line ends and in properties `:` and `,` are escaped as the runner
undoes it (ActionCommand.cs of actions/runner).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.reports.model import SEVERITIES
from sqlmigrate.reports.text import brief, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.reports.model import Issue, Issues, Severity

COMMANDS: dict[Severity, str] = {"danger": "error", "warning": "warning", "note": "notice"}
MOST = 10
"""Annotations of one kind that a step may make; the runner drops those beyond without a word."""

_TEXT, _TITLE = 1_000, 200  # characters; the runner takes 4,096 of a message
_ELSEWHERE = re.compile("#(?=#)")  # other systems take `##vso[` and `##teamcity[` in any place of a line
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = _DATA | {":": "%3A", ",": "%2C"}


def render(found: Issues) -> str:
    """Return one line for each annotation, the worst first; where there are too many, the last says how many more."""
    return "".join(f"{line}\n" for severity in SEVERITIES for line in _of(found, severity))


def _of(found: Issues, severity: Severity) -> Iterator[str]:
    issues = [issue for issue in found.issues if issue.severity == severity]
    shown = issues if len(issues) <= MOST else issues[: MOST - 1]
    for issue in shown:
        yield _line(issue)
    if more := len(issues) - len(shown):
        said = f"{more} more of sqlmigrate {found.command} are not shown here: write a report to a file"
        yield f"::{COMMANDS[severity]} title=sqlmigrate::{_escaped(said, _DATA)}"


def _line(issue: Issue) -> str:
    properties = {"title": brief(f"{issue.rule}: {issue.title}", _TITLE)}
    if issue.path is not None:
        properties = {"file": issue.path} | ({"line": str(issue.line)} if issue.line else {}) | properties
        properties |= {"col": str(issue.column)} if issue.line and issue.column else {}
    said = issue.message + (f"\nWhat to do: {issue.suggestion}" if issue.suggestion else "")
    written = ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in properties.items())
    return f"::{COMMANDS[issue.severity]} {written}::{_escaped(brief(said, _TEXT), _DATA)}"


def _escaped(text: str, escapes: dict[str, str]) -> str:
    apart = _ELSEWHERE.sub("# ", visible(text))
    return "".join(escapes.get(character, character) for character in apart)
