"""The figures of one run, as JSON and as Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from contestants import ACTIONS
from judging import summary
from markdown import Cells, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batches import Changed
    from comparing import Row
    from fleets import Fleet, Simulated
    from growing import Growth, Scale
    from guarding import Guarded, Watched
    from judging import Judged
    from machine import Machine
    from machines import Fleeting
    from proving import Proving
    from reading import Dump, Reading
    from starting import Imports, Start
    from trips import Long, Trips


@dataclass(slots=True)
class Results:
    """What one run has measured; a part that was not run is empty."""

    machine: Machine
    versions: dict[str, str]
    rounds: int
    delay: float
    local: list[Row] = field(default_factory=list)
    delayed: list[Row] = field(default_factory=list)
    trips: list[Trips] = field(default_factory=list)
    long: list[Long] = field(default_factory=list)
    imports: list[Imports] = field(default_factory=list)
    nothing: list[Start] = field(default_factory=list)
    reading: list[Reading] = field(default_factory=list)
    dumps: list[Dump] = field(default_factory=list)
    proofs: list[Proving] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)
    scale: list[Scale] = field(default_factory=list)
    fleeting: list[Fleeting] = field(default_factory=list)
    fleets: list[Fleet] = field(default_factory=list)
    simulated: list[Simulated] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    guarded: list[Guarded] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Target:
    """A target: at most `limit` of what was `measured`."""

    what: str
    limit: float
    measured: float

    @property
    def held(self) -> bool:
        """Whether the target is held."""
        return self.measured <= self.limit


def as_json(results: Results, targets: Sequence[Target]) -> str:
    """Give everything, each run included."""
    found = asdict(results) | {"targets": [asdict(target) | {"held": target.held} for target in targets]}
    return json.dumps(found, indent=1, default=str) + "\n"


def as_markdown(results: Results, targets: Sequence[Target]) -> str:
    """Give the tables that people read."""
    parts = [_head(results), *_targets(targets)]
    if results.local:
        parts.append("## Small migrations\n\n" + _rows(results.local))
    if results.delayed:
        delay = f"{1000 * results.delay:.0f} ms"
        parts.append(f"## The same with {delay} of network delay in each direction\n\n" + _rows(results.delayed))
    parts += [
        *_trips(results),
        *_start(results),
        *_large(results),
        *_growth(results),
        *_fleets(results),
        *_guards(results),
        *_changed(results),
    ]
    parts += summary(results.judged)
    return "\n\n".join(parts) + "\n"


def _head(results: Results) -> str:
    machine = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    noise = ""
    if machine.noisy:
        noise = " **Others were at work on the machine: the figures are rough.**"
    if machine.first:
        noise += (
            " The run had real-time priority, so it did not wait for others' processes, but shared caches and disk."
        )
    return (
        f"# Benchmark of {machine.began}\n\n"
        f"{machine.cpu}, {machine.cores} cores, {machine.system}; load {machine.load} at the start.{noise}\n"
        f"Medians of {results.rounds} runs (fewer of 1,000 migrations and with delay, more of short calls), the tools "
        "in turn. A throw-away server with fsync and autovacuum off, on a Unix socket.\n"
        f"{versions}."
    )


def _targets(targets: Sequence[Target]) -> list[str]:
    rows = [
        [target.what, f"{target.limit:g}", _figure(target.measured), "held" if target.held else "**missed**"]
        for target in targets
    ]
    return ["## Targets\n\n" + table(["", "at most", "measured", ""], rows)] if rows else []


def _figure(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"


def _rows(rows: Sequence[Row]) -> str:
    cells: list[Cells] = []
    tools = list(dict.fromkeys(row.tool for row in rows))
    by_key = {(row.tool, row.count, row.action): row for row in rows}
    for action in ACTIONS:
        for count in dict.fromkeys(row.count for row in rows):
            found = [by_key.get((tool, count, action)) for tool in tools]
            cells.append([action, str(count), *(f"{row.wall:.2f} ({row.cpu:.2f})" if row else "" for row in found)])
    return "Seconds of wall time, and in brackets the process's own CPU time.\n\n" + table(["", "", *tools], cells)


def _guards(results: Results) -> list[str]:
    parts = []
    if results.guarded:
        heads = ["max_block", "sessions", "attempts", "requests", "slower than 0.5 s", "longest wait"]
        rows = [
            [f"{row.max_block:g} s" if row.max_block else "none", str(row.sessions), str(row.attempts),
             str(row.requests), str(row.slow), f"{row.longest:.2f} s"]
            for row in results.guarded
        ]  # fmt: skip
        parts.append("## Guards\n\nA table is rewritten that others read.\n\n" + table(heads, rows))
    for row in results.watched:
        share = 100 * row.watching / row.seconds
        parts.append(f"Watching {row.migrations} small migrations takes {share:.2f} % of {row.seconds:.2f} s.")
    return parts


def _changed(results: Results) -> list[str]:
    if not results.changed:
        return []
    heads = ["", "takes", "requests", "median wait", "slowest hundredth", "longest wait"]
    rows = [
        [row.way, f"{row.seconds:.1f} s", f"{row.requests:,}", *(f"{1000 * value:,.1f} ms" for value in waits)]
        for row in results.changed
        for waits in [(row.median, row.slowest_hundredth, row.worst)]
    ]
    what = f"{results.changed[0].rows:,} rows are changed, beside sessions that change one row after the other."
    return [f"## Batches\n\n{what}\n\n" + table(heads, rows)]


def _trips(results: Results) -> list[str]:
    parts = []
    if results.trips:
        heads = ["", "a migration applied", "a migration rolled back", "a call with nothing to do"]
        rows = [[row.tool, f"{row.apply:.1f}", f"{row.rollback:.1f}", str(row.nothing)] for row in results.trips]
        parts.append("## Round trips\n\n" + table(heads, rows))
    if results.long:
        heads = ["statements in the migration", "answers counted", "round trips waited for"]
        rows = [[str(row.statements), f"{row.counted:.1f}", f"{row.waited:.1f}"] for row in results.long]
        parts.append(table(heads, rows))
    return parts


def _start(results: Results) -> list[str]:
    parts = []
    if results.imports:
        groups = list(results.imports[0].milliseconds)
        rows = [
            [row.command, *(f"{row.milliseconds[name]:.0f}" for name in groups), str(row.modules)]
            for row in results.imports
        ]
        parts.append("## Imports in ms (`-X importtime`)\n\n" + table(["", *groups, "modules"], rows))
    if results.nothing:
        heads = ["", "migrations", "wall ms", "CPU ms", "times the floor"]
        rows = [
            [row.what, str(row.count), f"{1000 * row.wall:.0f}", f"{1000 * row.cpu:.0f}", f"{row.ratio:.2f}"]
            for row in results.nothing
        ]
        parts.append("## Nothing to do\n\n" + table(heads, rows))
    return parts


def _large(results: Results) -> list[str]:
    parts = []
    if results.reading:
        heads = ["", "MB", "statements", "CPU seconds a MB"]
        rows = [
            [row.what, f"{row.megabytes:.0f}", str(row.statements), f"{row.seconds_a_megabyte:.4f}"]
            for row in results.reading
        ]
        parts.append("## Reading scripts\n\n" + table(heads, rows))
    if results.dumps:
        heads = ["", "MB", "wall s", "CPU s", "peak MB"]
        rows = [
            [row.tool, f"{row.megabytes:.0f}", f"{row.wall:.2f}", f"{row.cpu:.2f}", f"{row.peak:.0f}"]
            for row in results.dumps
        ]
        parts.append("## A dump with COPY data\n\n" + table(heads, rows))
    if results.proofs:
        rows = [
            [row.what, str(row.count), f"{row.wall:.2f}", f"{row.ratio:.1f}" if row.ratio else ""]
            for row in results.proofs
        ]
        parts.append("## Proofs\n\n" + table(["", "", "wall s", "times psql: up, down, up"], rows))
    return parts


def _fleets(results: Results) -> list[str]:
    parts = []
    if results.fleets:
        heads = ["", "targets", "wall s", "loop of psql", "times", "CPU ms each", "nothing to do", "its wall", "status"]
        rows = []
        for row in results.fleets:
            each = (row.cpu, row.nothing, row.nothing_wall, row.status)
            ours = [f"{row.wall:.1f}", f"{row.loop:.1f}", f"{row.wall / row.loop:.2f}"]
            rows.append([row.what, f"{row.targets:,}", *ours, *(f"{1000 * seconds:.1f}" for seconds in each)])
        parts.append("## Fleets\n\n" + table(heads, rows))
    if results.simulated:
        heads = ["", "targets", "first target s", "wall s", "CPU s", "peak MB", "lines"]
        rows = [
            [
                *(row.what, f"{row.targets:,}", f"{row.first:.1f}", f"{row.wall:.1f}", f"{row.cpu:.1f}"),
                *(f"{row.peak / 2**20:.0f}", f"{row.lines:,}"),
            ]
            for row in results.simulated
        ]
        parts.append("## Targets that do nothing\n\n" + table(heads, rows))
    return parts


def _growth(results: Results) -> list[str]:
    parts = []
    if results.growth:
        heads = ["", "wall s", "beside", "wall s", "times"]
        rows = [
            [row.what, f"{row.wall:.2f}", row.than, f"{row.other:.2f}", f"{row.ratio:.2f}"] for row in results.growth
        ]
        parts.append("## One change after many\n\n" + table(heads, rows))
    if results.scale:
        counts = sorted({row.count for row in results.scale})
        by_key = {(row.what, row.count): f"{row.wall:.2f}" for row in results.scale}
        names = dict.fromkeys(row.what for row in results.scale)
        rows = [[name, *(by_key.get((name, count), "") for count in counts)] for name in names]
        parts.append("## Scale, wall seconds\n\n" + table(["", *map("{:,}".format, counts)], rows))
    if results.fleeting:
        heads = ["by", "targets", "wall s", "ms each", "CPU s", "coordinator MB", "scheduler CPU s", "scheduler MB"]
        rows = [
            [
                row.what,
                f"{row.targets:,}",
                f"{row.wall:.1f}",
                f"{row.each:.2f}",
                f"{row.cpu:.1f}",
                f"{row.coordinator:.0f}",
                "" if row.handed_out is None else f"{row.handed_out:.1f}",
                "" if row.scheduler is None else f"{row.scheduler:.0f}",
            ]
            for row in results.fleeting
        ]
        parts.append("## Simulated fleets\n\n" + table(heads, rows))
    return parts
