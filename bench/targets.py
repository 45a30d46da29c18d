"""The targets, and whether the figures of a run hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batches import BATCHES
from contestants import APPLY
from results import Target

if TYPE_CHECKING:
    from results import Results

MANY, THOUSAND = 300, 1_000
_TIMES_PSQL, _TIMES_FLOOR, _TIMES_PSQL_DUMP = 1.25, {MANY: 1.3, THOUSAND: 1.2}, 1.3
_TIMES_PSQL_PAIRS = 7.0
_WAIT, _TIMES_ALONE = 1.0, 3.0
_TRIPS, _READER, _PEAK = 4.0, 0.2, 150.0
_NOTHING, _LINES = 15.0, 60
_OURS, _FLOOR = "sqlmigrate", "psql"


def targets(results: Results) -> list[Target]:
    """Compare the figures with what is asked of them; a part that was not run has no targets."""
    found = [*_small(results), *_trips(results), *_start(results), *_large(results), *_proofs(results)]
    return [*found, *_growth(results), *_changed(results), *_fleets(results)]


def _fleets(results: Results) -> list[Target]:
    """Ask that a target with nothing to do costs little, and that the screen is one however many there are."""
    found = [
        Target(f"{row.what}, nothing to do: ms of CPU each", _NOTHING, 1000 * row.nothing) for row in results.fleets
    ]
    runs = [row for row in results.simulated if "apply" in row.what]
    return found + [Target(f"{row.what}, {row.targets:,}: lines on the screen", _LINES, row.lines) for row in runs]


def _changed(results: Results) -> list[Target]:
    """Ask that sessions wait hardly longer beside batches than without them."""
    if not results.changed:
        return []
    alone, *others = results.changed
    batches = [row for row in others if row.way.startswith(BATCHES)]
    found = [Target(f"{row.way}: the longest wait of a session, seconds", _WAIT, row.worst) for row in batches]
    for row in batches[-1:]:  # the shortest: others wait for as long as a batch should take
        times = row.worst / alone.worst
        found.append(Target(f"{row.way}: times the longest wait without them", _TIMES_ALONE, times))
    return found


def _growth(results: Results) -> list[Target]:
    return [
        Target(f"{row.what}: times {row.than}", row.limit, row.ratio) for row in results.growth if row.limit is not None
    ]


def _proofs(results: Results) -> list[Target]:
    limits = {("round trip", MANY): 60.0, ("reading a schema, tables", THOUSAND): 1.0}
    found = [
        Target(f"{row.what}, {row.count}: seconds", limits[row.what, row.count], row.wall)
        for row in results.proofs
        if (row.what, row.count) in limits
    ]
    return found + [
        Target(
            f"round trip of {row.count} pairs: times psql running up, down, up of them", _TIMES_PSQL_PAIRS, row.ratio
        )
        for row in results.proofs
        if row.ratio and row.count == MANY
    ]


def _small(results: Results) -> list[Target]:
    found = []
    for rows, where in ((results.local, ""), (results.delayed, ", with network delay")):
        wall = {row.tool: row.wall for row in rows if row.count == MANY and row.action == APPLY}
        if {_OURS, _FLOOR} <= wall.keys():
            times = wall[_OURS] / wall[_FLOOR]
            found.append(Target(f"apply {MANY} small migrations: times psql{where}", _TIMES_PSQL, times))
        peers = [(seconds, tool) for tool, seconds in wall.items() if tool not in {_OURS, _FLOOR}]
        if _OURS in wall and peers:
            best, name = min(peers)
            found.append(Target(f"the same: times the fastest peer ({name}){where}", 1.0, wall[_OURS] / best))
    return found


def _trips(results: Results) -> list[Target]:
    mine = [row for row in results.trips if row.tool == _OURS]
    found = [Target("round trips a small migration", _TRIPS, max(row.apply, row.rollback)) for row in mine]
    return found + [
        Target(f"round trips a migration of {row.statements} statements", _TRIPS, row.waited) for row in results.long
    ]


def _start(results: Results) -> list[Target]:
    return [
        Target(
            f"{row.what}, nothing to do, {row.count} migrations: times the floor", _TIMES_FLOOR[row.count], row.ratio
        )
        for row in results.nothing
        if row.what == "sqlmigrate apply" and row.count in _TIMES_FLOOR
    ]


def _large(results: Results) -> list[Target]:
    found = [Target(f"reader, {row.what}: seconds a MB", _READER, row.seconds_a_megabyte) for row in results.reading]
    dumps = {row.tool: row for row in results.dumps}
    if _OURS in dumps:
        size = f"dump of {dumps[_OURS].megabytes:.0f} MB"
        found.append(Target(f"{size}: times psql", _TIMES_PSQL_DUMP, dumps[_OURS].wall / dumps[_FLOOR].wall))
        found.append(Target(f"{size}: peak memory in MB", _PEAK, dumps[_OURS].peak))
    return found
