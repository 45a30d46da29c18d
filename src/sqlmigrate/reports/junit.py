"""JUnit's XML, as Jenkins, GitLab, Azure DevOps, CircleCI and TeamCity show it: a test for each thing checked."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from sqlmigrate.reports.model import is_bad
from sqlmigrate.reports.text import brief, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.reports.model import FailOn, Issue, Issues

_TEXT = 2_000  # characters


def render(found: Issues, fail_on: FailOn) -> str:
    """Return one suite with a case for each thing checked; it fails where something is as bad as `fail_on`.

    Where nothing shall fail the command, a danger still fails its case, or nobody would read of it. What is milder
    stands in the output of its case.
    """
    bad: FailOn = "warning" if fail_on == "warning" else "danger"
    by_subject = {about: list(issues) for about, issues in groupby(_sorted(found), key=lambda issue: issue.about)}
    cases = [*found.checked, *(about for about in by_subject if about not in set(found.checked))]
    failures = sum(any(is_bad(issue, bad) for issue in issues) for issues in by_subject.values())
    counts = f'tests="{len(cases)}" failures="{failures}" errors="0"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites name="sqlmigrate" {counts}>']
    lines += [f'  <testsuite name={_attribute(f"sqlmigrate {found.command}")} {counts} skipped="0">']
    for about in cases:
        lines += _case(found, about, by_subject.get(about, []), bad)
    return "\n".join([*lines, "  </testsuite>", "</testsuites>"]) + "\n"


def _sorted(found: Issues) -> list[Issue]:
    return sorted(found.issues, key=lambda issue: issue.about)


def _case(found: Issues, about: str, issues: list[Issue], bad: FailOn) -> Iterator[str]:
    classname = _attribute(f"sqlmigrate.{found.command}")
    head = f"    <testcase classname={classname} name={_attribute(about)}"
    if not issues:
        yield f"{head}/>"
        return
    yield f"{head}>"
    failing = [issue for issue in issues if is_bad(issue, bad)]
    milder = [issue for issue in issues if not is_bad(issue, bad)]
    if failing:
        first = failing[0]
        more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
        message = _attribute(brief(first.message, _TEXT) + more)
        text = escape("\n".join(map(_said, failing)))
        yield f"      <failure message={message} type={_attribute(first.rule)}>{text}</failure>"
    if milder:
        yield f"      <system-out>{escape(chr(10).join(map(_said, milder)))}</system-out>"
    yield "    </testcase>"


def _said(issue: Issue) -> str:
    parts = (issue.path, issue.line, issue.column) if issue.path else ()
    place = ":".join(str(part) for part in parts if part is not None)
    said = f"{place}: " * bool(place) + f"{issue.severity} {issue.rule}: {issue.message}"
    said += f"\n  what to do: {issue.suggestion}" if issue.suggestion else ""
    return brief(visible(said), _TEXT)


def _attribute(text: str) -> str:
    return quoteattr(visible(text))
