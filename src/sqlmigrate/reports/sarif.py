"""SARIF 2.1.0 (OASIS), as GitHub's code scanning, Azure DevOps and editors read it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlmigrate.reports.text import address, brief, json_text, visible

if TYPE_CHECKING:
    from sqlmigrate.reports.model import Issue, Issues, Severity

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS: dict[Severity, str] = {"danger": "error", "warning": "warning", "note": "note"}
RESULTS = 5_000
"""Results in a file: code scanning shows the first 5,000 of a run, and refuses one with more than 25,000."""

FINGERPRINT = "sqlmigrate/v1"
_PLACEHOLDER = re.compile(r"\{(\d+)\}")
_TEXT, _TITLE = 1_000, 255  # characters of a message, and of a rule's short description


def render(found: Issues) -> str:
    """Return the log file; what does not fit is counted in a notification of the tool."""
    kept, left = found.issues[:RESULTS], len(found.issues) - RESULTS
    rules = {issue.rule: issue for issue in reversed(kept)}
    numbers = {rule: at for at, rule in enumerate(sorted(rules))}
    notes = [{"level": "warning", "message": {"text": f"{left} more are left out"}}] if left > 0 else []
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "sqlmigrate",
                "semanticVersion": found.version,
                "rules": [_rule(rules[rule]) for rule in sorted(rules)],
            }
        },
        "automationDetails": {"id": f"sqlmigrate/{found.command}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "results": [_result(issue, found, numbers[issue.rule]) for issue in kept],
    }
    return json_text({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(issue: Issue) -> dict[str, Any]:
    text = _text(issue.help or issue.title, _TEXT)
    return {
        "id": _text(issue.rule, _TITLE),
        "shortDescription": {"text": _text(issue.title, _TITLE)},
        "fullDescription": {"text": text},
        "help": {"text": _text(". ".join(filter(None, (issue.help, issue.suggestion))) or issue.title, _TEXT)},
        "defaultConfiguration": {"level": LEVELS[issue.severity]},
    }


def _result(issue: Issue, found: Issues, number: int) -> dict[str, Any]:
    said = issue.message + (f"\nWhat to do: {issue.suggestion}" if issue.suggestion else "")
    place: dict[str, Any] = {"physicalLocation": _physical(issue, found)}
    if issue.path is None:
        place["logicalLocations"] = [{"fullyQualifiedName": _text(issue.about, _TEXT)}]
    return {
        "ruleId": _text(issue.rule, _TITLE),
        "ruleIndex": number,
        "level": LEVELS[issue.severity],
        "message": {"text": _text(said, _TEXT)},
        "locations": [place],
        "partialFingerprints": {FINGERPRINT: issue.fingerprint},
    }


def _physical(issue: Issue, found: Issues) -> dict[str, Any]:
    region = {"startLine": issue.line or 1} | ({"startColumn": issue.column} if issue.line and issue.column else {})
    return {"artifactLocation": {"uri": address(issue.path or found.folder)}, "region": region}


def _text(text: str, most: int) -> str:
    """Write a message in which nothing of somebody else is a link, `[a](b)`, or a placeholder, `{0}` (SARIF 3.11)."""
    plain = brief(visible(text), most).replace("](", "] (")
    return _PLACEHOLDER.sub(r"{{\1}}", plain)
