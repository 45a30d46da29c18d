"""Issues of a status: what is left to do in a database, and what in it contradicts the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.reports.model import Issue, Issues, Severity, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlmigrate.plan import Status
    from sqlmigrate.reports.model import Root

_RULES: dict[str, tuple[Severity, str]] = {
    "half-way": ("danger", "A script stopped half way"),
    "missing": ("danger", "It is applied, and its script is missing"),
    "edited": ("danger", "It was edited after it was applied"),
    "late": ("danger", "It is pending, and newer ones are applied"),
    "pending": ("warning", "It is pending"),
    "running": ("warning", "It is running now"),
    "ahead": ("note", "A newer release applied it"),
    "comments-edited": ("note", "Its comments were edited after it was applied"),
    "rollback-edited": ("note", "Its rollback script was edited after it was applied"),
}


def left_to_do(states: Sequence[Status], root: Root, folder: Path, version: str, *, exact: bool) -> Issues:
    """Return an issue for each migration that a check would fail on or that somebody should know of."""
    found = sealed(_issue(item, rule, root, exact=exact) for item in states for rule in _rules(item))
    return Issues("status", version, root.path(folder), found, tuple(item.migration_id for item in states))


def _rules(item: Status) -> Iterator[str]:
    state = item.state.name.lower().replace("_", "-")
    if item.stopped and not item.running:
        yield "half-way"
    elif state == "pending" and item.late:
        yield "late"
    elif state in ("pending", "running"):
        yield state
    if item.ahead:
        yield "ahead"
    elif item.missing:
        yield "missing"
    elif item.edited:
        yield "comments-edited" if item.comments_only else "edited"
    if item.migration is not None and item.migration.rollback is not None and item.rollback_edited:
        yield "rollback-edited"


def _issue(item: Status, rule: str, root: Root, *, exact: bool) -> Issue:
    severity, title = _RULES[rule]
    if rule == "ahead" and exact:
        severity = "warning"
    return Issue(
        rule=f"status/{rule}",
        title=title,
        severity=severity,
        message=f"{item.migration_id}: {title[0].lower()}{title[1:]}" + (f" ({item.late})" if rule == "late" else ""),
        about=item.migration_id,
        path=root.path(item.migration.script.path) if item.migration else None,
    )
