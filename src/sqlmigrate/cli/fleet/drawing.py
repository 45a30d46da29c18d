"""A run of a fleet on the screen: few lines, however many targets there are."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.fleet.call import counted, named
from sqlmigrate.cli.foreign_text import printable

if TYPE_CHECKING:
    from sqlmigrate.cli.output import Output
    from sqlmigrate.fleet.driving import Step
    from sqlmigrate.fleet.ledger import Entry, RunRecord

_FEW = 20  # targets of a wave of which each has a line
_TOLD = 3  # failures of one kind, and deferrals, that have a line while the run goes on
_SHARES = 10  # lines of a large wave


@dataclass(slots=True)
class Drawing:
    """Draws the steps of a run as it goes on; `operation` is that of the run."""

    output: Output
    operation: str
    _size: int = 0
    _ended: int = 0
    _told: Counter[str] = field(default_factory=Counter)

    def __call__(self, step: Step) -> None:
        """Draw a step."""
        from sqlmigrate.fleet.driving import NotAllKept, Stopping, TargetEnded, WaveBegun  # noqa: PLC0415  a run has loaded it

        match step:
            case WaveBegun(wave):
                self._size, self._ended = len(wave.targets), 0
                self.output.progress(printable(f"wave {wave.name}: {counted(self._size, 'target')}"))
            case TargetEnded(entry, left):
                self._target(entry, left)
            case NotAllKept(why):
                self.output.warning(printable(f"not all of this run was written down: {why}"))
            case Stopping(why, running):
                still = f"; {counted(running, 'target')} still under way" if running else ""
                self.output.always(f"{click.style('stopped:', fg='red', bold=True)} {why.value}{still}")

    def _target(self, entry: Entry, left: int) -> None:
        deferred = entry.state.value == "deferred"
        self._ended += not deferred
        if (entry.failure is not None and self._is_told(entry)) or (self._size <= _FEW and entry.failure is None):
            self.output.progress(*said_of(entry, self.operation))
        elif not deferred and self._ended * _SHARES // self._size > (self._ended - 1) * _SHARES // self._size:
            self.output.progress(f"  {self._ended:,} of {self._size:,} in this wave, {left:,} left in all")

    def _is_told(self, entry: Entry) -> bool:
        """Tell of the first failures of each kind; the report has all of them."""
        key = f"{entry.state.value} {entry.failure.fingerprint if entry.failure else ''}"
        self._told[key] += 1
        return self._told[key] <= _TOLD or self._size <= _FEW


def said_of(entry: Entry, operation: str) -> list[str]:
    """Say in a line or two what has become of a target."""
    from sqlmigrate.fleet.report import sums  # noqa: PLC0415  a run has loaded it

    done = f" {', '.join(entry.migrations)}" if entry.state.value == "done" else ""
    color = {"done": "green", "failed": "red", "deferred": "yellow"}.get(entry.state.value)
    word = sums.word(entry.state, operation)
    word = click.style(word, fg=color) if color else word
    lines = [f"  {printable(entry.target)}: {word}{printable(done)} ({entry.seconds:.1f} s)"]
    if entry.failure is not None:
        lines.append(printable(f"    {entry.failure}"))
    if entry.blocker:
        lines.append(printable(f"    in the way: {entry.blocker}"))
    return lines


def summary(output: Output, record: RunRecord, newcomers: list[str]) -> None:
    """Print what has become of a run: the targets by their states, the errors by their kinds, and who is new."""
    from sqlmigrate.fleet.report import sums  # noqa: PLC0415  a run has loaded it

    counts = record.counts()
    words = ", ".join(f"{count:,} {state.value}" for state, count in counts.items())
    output.prose(f"run {record.head.run_id}: {words or 'no targets'}")
    if record.why:
        output.prose(f"it stopped before its end: {record.why}")
    entries = list(record.all_entries())
    for group in sums.failures(entries):
        count = counted(len(group.targets), "target")
        output.prose(printable(f"{group.failure} ({count}: {named(group.targets)})"))
        if group.failure.hint:
            output.prose(printable(f"  what to do: {group.failure.hint}"))
    if left := [entry.target for entry in entries if entry.state.value in {"left", "interrupted"}]:
        going_on = f"`sqlmigrate fleet resume {shlex.quote(record.head.run_id[:8])}` goes on"
        output.prose(printable(f"not done: {named(left)}; {going_on}"))
    if newcomers:
        output.prose(printable(f"new since the run began, and not in it: {named(newcomers)}"))
