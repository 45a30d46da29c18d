"""Which statements PostgreSQL would plan otherwise at the target's size, and how much worse."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from sqlmigrate import connection as connections
from sqlmigrate.review.figures import in_bytes
from sqlmigrate.review.workload.check import APPLICATION, ask_ways
from sqlmigrate.review.workload.growing import FIRST_WITH_IMPORT, grow, place
from sqlmigrate.sql.statement.names import Named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.workload.compare import State
    from sqlmigrate.review.workload.growing import Grown, Placed
    from sqlmigrate.review.workload.sizes import Sizes
    from sqlmigrate.review.workload.standing import Way
    from sqlmigrate.shadow import Shadow, ShadowDatabase

FACTOR = 5.0
"""How many times as much a plan must cost; the costs of plans that are equally good differ by a few per cent."""
LEAST = 1_000.0
"""How much more a plan must cost, in PostgreSQL's units: to read some 1,000 pages, 8 MiB. Less is not felt."""

_MOST_PAGES = 2**32  # 32 TiB in segments of 1 GiB
_PLANNING = {"plan_cache_mode": "force_generic_plan"}


@dataclass(frozen=True, slots=True)
class Slower:
    """How much worse a statement is planned, and the table that it reads whole now, as SQL writes it."""

    why: str
    relation: str | None = None


@dataclass(slots=True)
class Comparison:
    """Compares plans in copies of throwaway databases that look as large as the target.

    `refused` says why that cannot be done, None where it can; `unknown` are the statements that read a table without
    figures, by their numbers.
    """

    shadow: Shadow
    sizes: Sizes | None
    refused: str | None = None
    unknown: set[int] = field(default_factory=set)
    _before: tuple[State, Placed, _Plans] | None = None

    def __post_init__(self) -> None:
        """Find out whether it can be done."""
        self.refused = _refused(self.shadow, self.sizes)

    def slower(self, before: State, after: State, way: tuple[ShadowDatabase, ShadowDatabase]) -> dict[int, Slower]:
        """Return what is planned worse after a change, which has led the `way` from one database to another.

        No session may be open in them. Nothing is asked where no index and no column has changed.
        """
        sizes = self.sizes
        if self.refused is not None or sizes is None or _alike(before, after):
            return {}
        both = [number for number in before.standing.taken() if after.standing.answers[number].taken]
        try:
            placed, old = self._old(before, way[0], sizes)
            new = self._plans(way[1], {number: before.standing.ways[number] for number in both}, sizes, placed)[1]
        except psycopg.Error as error:
            self.refused = f"the throwaway server refused: {error.diag.message_primary or error}"
            return {}
        found = {}
        for number in both:
            was, now = old.read(number), new.read(number)
            if was is None or now is None:
                self.unknown.add(number)
            elif said := _worse(was, now, new.grown):
                found[number] = said
        return found

    def _old(self, before: State, database: ShadowDatabase, sizes: Sizes) -> tuple[Placed, _Plans]:
        """Ask in the state before, once for both directions."""
        if self._before is None or self._before[0] is not before:
            ways = {number: before.standing.ways[number] for number in before.standing.taken()}
            self._before = (before, *self._plans(database, ways, sizes))
        return self._before[1:]

    def _plans(
        self, database: ShadowDatabase, ways: Mapping[int, Way], sizes: Sizes, placed: Placed | None = None
    ) -> tuple[Placed, _Plans]:
        with self.shadow.clone(database) as copy:
            with connections.session(copy.admin_conninfo, application_name=APPLICATION) as admin:
                placed = placed or place(admin, sizes)
                grown = grow(admin, placed)
            with connections.session(copy.conninfo, application_name=APPLICATION) as own:
                answers = ask_ways(own, ways, _PLANNING | dict(sizes.settings))
        return placed, _Plans(grown, {number: item.plan for number, item in answers.items() if item.plan})


@dataclass(slots=True)
class _Reading:
    """What a plan reads: tables whole and by indexes, by their oids; the shape is the plan without its figures."""

    cost: float = 0.0
    shape: tuple[object, ...] = ()
    whole: set[int] = field(default_factory=set)
    indexes: dict[int, set[str]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Plans:
    grown: Grown
    plans: Mapping[int, str]

    def read(self, number: int) -> _Reading | None:
        """Read a plan; None where a table in it has no figures."""
        plan = self.plans.get(number)
        if plan is None:
            return None
        found = _Reading()
        for item in json.loads(plan):
            found.cost += item["Plan"]["Total Cost"]
            found.shape += self._walk(item["Plan"], found, 0)
        known = all(oid in self.grown.sizes for oid in found.names)
        return found if known else None

    def _walk(self, node: Mapping[str, Any], found: _Reading, table: int) -> tuple[object, ...]:
        if "Relation Name" in node:
            schema, name = node.get("Schema", ""), node["Relation Name"]
            table = self.grown.oids.get((schema, name), 0)
            found.names[table] = Named(schema, name).quoted
        if node["Node Type"] == "Seq Scan":
            found.whole.add(table)
        if "Index Name" in node:
            found.indexes.setdefault(table, set()).add(node["Index Name"])
        below = tuple(self._walk(child, found, table) for child in node.get("Plans", ()))
        return node["Node Type"], table, node.get("Index Name"), below


def _refused(shadow: Shadow, sizes: Sizes | None) -> str | None:
    """Say why plans cannot be compared at the target's size."""
    if sizes is None or not sizes.relations:
        return "no statistics of a target are known"
    if not shadow.private:
        return "the server of --shadow-url is not ours to change"
    if shadow.major < FIRST_WITH_IMPORT:
        return f"PostgreSQL {shadow.major} takes no statistics over, which {FIRST_WITH_IMPORT} does"
    if shadow.major != sizes.major:
        return f"the target is PostgreSQL {sizes.major}, and the throwaway server {shadow.major}"
    if sum(item.pages for item in sizes.relations) > _MOST_PAGES:
        return "the target is too large: its files would be thousands"
    return None


def _alike(before: State, after: State) -> bool:
    """Tell whether neither an index nor a column has changed, so that no plan has."""
    return before.facts.indexes == after.facts.indexes and dict(_columns(before)) == dict(_columns(after))


def _columns(state: State) -> Iterator[tuple[int, object]]:
    for oid, table in state.facts.tables.items():
        yield oid, {column.name: column.type for column in table.columns}


def _worse(old: _Reading, new: _Reading, grown: Grown) -> Slower | None:
    """Say in which way a plan is worse than another one; None where it is as good, or nearly."""
    if old.shape == new.shape or new.cost < old.cost * FACTOR or new.cost - old.cost < LEAST:
        return None
    scanned = sorted((new.names[oid], oid) for oid in new.whole - old.whole if oid in old.indexes)
    if not scanned:
        times = f"{new.cost / max(old.cost, 0.01):,.0f} times"
        why = f"PostgreSQL expects its plan to cost {times} as much ({old.cost:,.0f} before, {new.cost:,.0f} after)"
        return Slower(f"at the target's size {why}")
    names = ", ".join(sorted({name for _, oid in scanned for name in old.indexes[oid]}))
    size = in_bytes(sum(grown.sizes[oid] for _, oid in scanned))
    tables = " and ".join(name for name, _ in scanned)
    why = f"at the target's size it goes from an index scan ({names}) to reading {size} of {tables}"
    return Slower(why, scanned[0][0])
