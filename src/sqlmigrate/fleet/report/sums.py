"""A run in short: its headline, and its errors by their kinds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlmigrate.fleet.model import WELL, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.fleet.ledger import Entry, RunRecord
    from sqlmigrate.fleet.model import Failure

WORDS = {
    State.DONE: "applied",
    State.UNCHANGED: "nothing to do",
    State.FAILED: "failed",
    State.DEFERRED: "deferred",
    State.RUNNING: "under way",
    State.WAITING: "waiting",
    State.INTERRUPTED: "interrupted",
    State.LEFT: "left",
}
"""What a state is called where an apply is reported."""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Targets that failed in the same way; `failure` is that of the first."""

    failure: Failure
    targets: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        said = self.failure
        return {
            "fingerprint": said.fingerprint,
            "message": said.message,
            "hint": said.hint,
            "place": said.place,
            "migration_id": said.migration_id,
            "sqlstate": said.sqlstate,
            "count": len(self.targets),
            "targets": list(self.targets),
        }


def word(state: State, operation: str) -> str:
    """Return what a state is called in a report."""
    return "rolled back" if state is State.DONE and operation == "rollback" else WORDS[state]


def failures(entries: Sequence[Entry]) -> list[FailureGroup]:
    """Return the errors of a run by their kinds, those of the most targets first."""
    found: dict[str, tuple[Failure, list[str]]] = {}
    for entry in entries:
        if entry.failure is not None and entry.state is State.FAILED:
            found.setdefault(entry.failure.fingerprint, (entry.failure, []))[1].append(entry.target)
    made = [FailureGroup(failure, tuple(names)) for failure, names in found.values()]
    return sorted(made, key=lambda group: -len(group.targets))


def tone(record: RunRecord) -> Literal["fails", "warning", "fine"]:
    """Say how a run has gone, in the tones of a report."""
    counts = record.counts()
    if counts[State.FAILED]:
        return "fails"
    return "fine" if sum(counts[state] for state in WELL) == counts.total() else "warning"


def headline(record: RunRecord) -> str:
    """Say in a sentence how a run has gone."""
    counts, operation = record.counts(), record.head.wanted.operation
    well = sum(counts[state] for state in WELL)
    done = (
        f"{well:,} of {_targets(counts.total())} {'are rolled back' if operation == 'rollback' else 'are up to date'}"
    )
    failed = f", {counts[State.FAILED]:,} failed" if counts[State.FAILED] else ""
    if record.ended is None:
        return f"{done}{failed}; the run has not ended"
    return f"{done}{failed}{f'; it stopped early: {record.why}' if record.why else ''}"


def seconds(record: RunRecord) -> float | None:
    """Return how long a run took, with all pauses in it; None where it has not ended."""
    if record.ended is None:
        return None
    return (datetime.fromisoformat(record.ended) - datetime.fromisoformat(record.head.began)).total_seconds()


def as_json(record: RunRecord, newcomers: Sequence[str] = ()) -> dict[str, Any]:
    """Return a run as plain data: its head, its counts, its errors, and where each target stands."""
    head = record.head.as_json()
    head.pop("kind")
    waves = [{"name": wave["name"], "targets": len(wave["targets"])} for wave in head.pop("waves")]
    entries = list(record.all_entries())
    return {
        **head,
        "ended": record.ended,
        "stopped": record.why,
        "waves": waves,
        "counts": {state.value: count for state, count in record.counts().items()},
        "failures": [group.as_json() for group in failures(entries)],
        "targets": [_target(entry) for entry in entries],
        "new_targets": list(newcomers),
    }


def _target(entry: Entry) -> dict[str, Any]:
    values = entry.as_json()
    values.pop("kind")
    return {"migrations": [], "failure": None, "blocker": None, **values}


def _targets(number: int) -> str:
    return f"{number:,} target{'' if number == 1 else 's'}"
