"""A run as Markdown: for a comment, a ticket or a chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.fleet.report import sums
from sqlmigrate.review.render.markdown import code, prose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.fleet.ledger import RunRecord

_NAMED = 20  # targets of a group
_KINDS = 20  # kinds of errors


def render(record: RunRecord) -> str:
    """Return the whole text."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: RunRecord) -> Iterator[str]:
    head, entries = record.head, list(record.all_entries())
    yield f"## sqlmigrate fleet: {prose(sums.headline(record))}"
    yield ""
    env = f", environment {code(head.env)}" if head.env else ""
    by = code(f"{head.username}@{head.hostname}")
    yield f"Run {code(head.run_id)}, {head.wanted.operation} by {by}, {head.began}{env}"
    yield ""
    yield "| state | targets |"
    yield "|---|---|"
    for state, count in record.counts().items():
        yield f"| {sums.word(state, head.wanted.operation)} | {count:,} |"
    groups = sums.failures(entries)
    for group in groups[:_KINDS]:
        yield ""
        place = f"{code(group.failure.place)}: " if group.failure.place else ""
        yield f"- **{len(group.targets):,} failed**: {place}{prose(group.failure.message)}"
        if group.failure.hint:
            yield f"  <br>what to do: {prose(group.failure.hint)}"
        yield f"  <br>{_named(group.targets)}"
    if len(groups) > _KINDS:
        yield f"- and {len(groups) - _KINDS} more kinds of errors"
    if left := [entry.target for entry in entries if entry.state.value in {"left", "interrupted"}]:
        yield ""
        yield f"Not done: {_named(left)}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(map(code, names[:_NAMED])) + more
