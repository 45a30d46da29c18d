"""Which of the shadow's tables the target has, and by which name, from migration to migration.

A table that a migration makes which is not applied there is new, and nobody uses it yet. Between the reviewed
migrations tables are told apart by oid, so a renamed one keeps the figures that the target has of it. What the
migrations before them make is read from their texts: a table that is put together while a DO block runs is not found,
and counts as one of which nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from sqlmigrate.review.known import Known, Limits
from sqlmigrate.review.model import TableSize
from sqlmigrate.review.trace.follow import State
from sqlmigrate.sql.statement.subject import tables_made

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlmigrate.migrations import Migration
    from sqlmigrate.review.model import Target
    from sqlmigrate.review.trace.tracer import Trace
    from sqlmigrate.sql.statement.names import Named

N = TypeVar("N", int, float)


@dataclass(slots=True)
class Lineage:
    """Follows tables through a review; `before` are the migrations that stand before the first reviewed one.

    `applied` are the ids of what the target has. Where neither these nor figures are known, no table is new.
    """

    before: tuple[Migration, ...]
    applied: frozenset[str] | None = None
    figures: Target | None = None
    limits: Limits = field(default_factory=Limits)
    _first: dict[int, str] | None = None
    _new: frozenset[str] = frozenset()
    _here: frozenset[int] = frozenset()

    def known(self, trace: Trace, *, rollback: bool = False) -> Known:
        """Say what is known of the tables that a script finds; a rollback comes after its own way forward.

        Tables that its own way forward has made have rows by then, of which nobody knows how many.
        """
        names = {oid: item.name for oid, item in trace.relations.items() if not item.toast}
        if self._first is None:
            self._first, self._new = names, self._made_before(names.values())
        if not rollback:
            self._here = frozenset(names)
        sizes: dict[str, TableSize] = {}
        new: set[str] = set()
        figures = {table.name: table for table in self.figures.tables} if self.figures else {}
        for oid, name in names.items():
            was = self._first.get(oid, name)
            if was in figures:
                sizes[name] = figures[was]
            elif self._is_new(oid, was):
                new.add(name)
        sizes = _with_partitions(sizes, State(trace.before.schema))
        return Known(sizes, frozenset(new - sizes.keys()), self.limits)

    def _is_new(self, oid: int, was: str) -> bool:
        if self.applied is None and self.figures is None:
            return False
        return was in self._new if self._first and oid in self._first else oid in self._here

    def _made_before(self, names: Iterable[str]) -> frozenset[str]:
        """Return the relations that only migrations make which the target does not have."""
        if self.applied is None and self.figures is None:
            return frozenset()
        done = self.applied or frozenset()
        made = _made(item for item in self.before if item.migration_id not in done)
        if self.figures is None:  # what the target has is known by its migrations alone
            made -= _made(item for item in self.before if item.migration_id in done)
        several = list(names)
        return frozenset(name for named in made if (name := _only(named, several)) is not None)


def _made(migrations: Iterable[Migration]) -> set[Named]:
    return {
        named
        for item in migrations
        for statement in item.script.readable_statements()
        for named in tables_made(statement.text)
    }


def _only(named: Named, names: list[str]) -> str | None:
    """Return the one relation that a name can mean."""
    if named.schema:
        return named.quoted if named.quoted in names else None
    found = [name for name in names if name.endswith(f".{named.quoted}")]
    return found[0] if len(found) == 1 else None


def _with_partitions(sizes: dict[str, TableSize], state: State) -> dict[str, TableSize]:
    """Count the partitions of a partitioned table to it, where the figures of the whole have less."""
    parts: dict[str, list[str]] = {}
    for name, properties in state.of("table").items():
        whole = properties.get("partition of")
        if isinstance(whole, tuple):
            parts.setdefault(str(whole[0]), []).append(name)
    sums = {
        whole: _sum(whole, found)
        for whole in parts
        if (found := [sizes[name] for name in _leaves(parts, whole) if name in sizes])
    }
    return sizes | {whole: _larger(sizes.get(whole), found) for whole, found in sums.items()}


def _leaves(parts: Mapping[str, list[str]], whole: str) -> Iterator[str]:
    for name in parts.get(whole, ()):
        yield from _leaves(parts, name) if name in parts else (name,)


def _sum(name: str, tables: list[TableSize]) -> TableSize:
    return TableSize(
        name=name,
        rows=_added(table.rows for table in tables),
        size=sum(table.size for table in tables),
        writes=_added(table.writes for table in tables),
        index_scans=_added(table.index_scans for table in tables),
        scans=_added(table.scans for table in tables),
    )


def _added(numbers: Iterable[N | None]) -> N | None:
    """Add up what is known, None where nothing is."""
    known = [number for number in numbers if number is not None]
    return sum(known[1:], known[0]) if known else None


def _larger(own: TableSize | None, found: TableSize) -> TableSize:
    return own if own is not None and own.size > found.size else found
