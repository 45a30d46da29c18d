"""GitLab's report of code quality: what a merge request shows as new, and marks in its diff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmigrate.reports.text import brief, json_text, visible

if TYPE_CHECKING:
    from sqlmigrate.reports.model import Issue, Issues, Severity

LEVELS: dict[Severity, str] = {"danger": "critical", "warning": "major", "note": "info"}
_TEXT = 1_000  # characters


def render(found: Issues) -> str:
    """Return the report: one JSON array, without a byte order mark; paths are from the root and begin without `./`."""
    return json_text([_violation(issue, found) for issue in found.issues])


def _violation(issue: Issue, found: Issues) -> dict[str, Any]:
    said = visible(f"{issue.rule}: {issue.message}")
    return {
        "description": brief(" ".join(said.split()), _TEXT),
        "check_name": visible(issue.rule),
        "fingerprint": issue.fingerprint,
        "severity": LEVELS[issue.severity],
        "location": {"path": visible(issue.path or found.folder), "lines": {"begin": issue.line or 1}},
    }
