"""Read a schema, in whole or only what has changed since it was read last."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from sqlmigrate.schema.blocks import block
from sqlmigrate.schema.layered import layered
from sqlmigrate.schema.model import Schema
from sqlmigrate.schema.rows import Reader, as_array
from sqlmigrate.schema.session import pipelined, planned_for_many, reading
from sqlmigrate.schema.units import NAMED_BY_OTHERS, NARROW, catalog_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import psycopg

    from sqlmigrate.schema.model import Name, Value
    from sqlmigrate.schema.recent import Recent
    from sqlmigrate.schema.rows import Units

_UNLIKE_ANY = itertools.count(1 << 64)
"""Stamps that no reading finds, each given once: theirs have 64 bits."""
KEPT = ""
"""The server of a snapshot whose data directory was kept: the one that goes on from there.

Its stamps are as good there, since the transactions to come have other numbers than all before.
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """What two snapshots must share so that their stamps can be compared."""

    server: str
    leave_out: frozenset[str]
    cluster: bool

    def goes_on_from(self, other: Origin) -> bool:
        """Tell whether stamps from there can be compared with ours."""
        return other in (self, replace(self, server=KEPT))


@dataclass(frozen=True, slots=True)
class _Now:
    """What the database says before anything is read."""

    origin: Origin
    catalogs: Mapping[str, int]
    major: int
    stamps: Mapping[int, int]
    shared: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A schema, with what a later reading needs to read only what has changed.

    `shared` is a digest of what all databases of the server share, where that was asked for.
    """

    schema: Schema
    origin: Origin = field(repr=False, compare=False)
    stamps: Mapping[int, int] = field(repr=False, compare=False)
    units: Mapping[int, Mapping[Name, Mapping[str, Value]]] = field(repr=False, compare=False)
    shared: int | None = field(default=None, repr=False, compare=False)

    @property
    def is_for_all(self) -> bool:
        """Whether any role would read the same: options of user mappings show only to some."""
        return all(name.kind != "user mapping" for name in self.schema.objects)

    def keeps(self, before: Snapshot) -> bool:
        """Tell whether every object of an earlier snapshot is there as it was: not dropped, rewritten or changed."""
        return before.origin == self.origin and all(self.stamps.get(unit) == old for unit, old in before.stamps.items())


def read_schema(
    connection: psycopg.Connection[Any],
    *,
    leave_out: Collection[str] = (),
    cluster: bool = False,
    shared: bool = False,
    since: Snapshot | None = None,
    unchanged: bool = False,
) -> Snapshot:
    """Read the schema of a connection's database as its open transaction sees it, or as it is now.

    `leave_out` names schemas that are not ours to compare. `cluster` adds what all databases share: roles, memberships
    and tablespaces, and where a superuser reads, what ALTER SYSTEM wrote; `shared` only asks for a digest of that, in
    the same round trip. `since` is any earlier snapshot: what is the same in it, as in a copy of its database, is taken
    from there. `unchanged` says that all of it is, since nobody has worked there: its stamps are not read.

    It waits, like any reader, for a table that another session holds in ACCESS EXCLUSIVE mode: set lock_timeout.
    Any role can read the rest, but nobody gets passwords or the connection strings of subscriptions, and options of
    user mappings show only to those whom PostgreSQL shows them to. Nothing changes in the session.
    """
    with reading(connection):
        stamps = since.stamps if since is not None and unchanged else None
        now = _look(connection, frozenset(leave_out), cluster=cluster, shared=shared, stamps=stamps)
        if since is not None and now.origin.goes_on_from(since.origin):
            touched = _differing(since.stamps, now.stamps)
            units = _again(connection, now, since, touched)
            if units is not None:
                return _updated(since, now, units, {unit for unit in touched if unit not in now.stamps})
        with planned_for_many(connection):
            units = _read(connection, now, now.stamps)
    return Snapshot(Schema(all_objects(units)), now.origin, now.stamps, units, now.shared)


def read_changes(
    connection: psycopg.Connection[Any], recent: Recent, since: Snapshot, *, leave_out: Collection[str] = ()
) -> tuple[Snapshot, frozenset[int]]:
    """Read a schema again, like `read_schema`, at the cost of what has changed; give the units that have, too.

    `since` must be what was read when `recent` was asked last. The stamp of what has changed is another one, but may be
    none that a reading of all stamps would find.
    """
    changed = recent.changed(connection, leave_out)
    if changed is not None:
        new = {unit: next(_UNLIKE_ANY) for unit, is_shown in changed.items() if is_shown}
        gone = {unit for unit in changed.keys() - new.keys() if unit in since.stamps}
        stamps = layered(since.stamps).changed(gone, new)
        now = _Now(since.origin, recent.catalogs, connection.info.server_version // 10000, stamps)
        with reading(connection):
            units = _again(connection, now, since, new.keys() | gone)
        if units is not None:
            return _updated(since, now, units, gone), frozenset(new.keys() | gone)
    found = read_schema(connection, since=since, leave_out=leave_out)
    return found, frozenset(_differing(since.stamps, found.stamps))


def _look(
    connection: psycopg.Connection[Any],
    leave_out: frozenset[str],
    *,
    cluster: bool,
    shared: bool = False,
    stamps: Mapping[int, int] | None = None,
) -> _Now:
    """Read the stamps, unless they are known, the oids of the catalogs, and what tells this run of this server."""
    major = connection.info.server_version // 10000
    facts, stamped, digest = (connection.cursor(row_factory=tuple_row) for _ in range(3))
    with pipelined(connection):
        facts.execute(block("stamps", "catalogs", major))
        if stamps is None:
            stamped.execute(block("stamps", "stamps", major), {"leave_out": list(leave_out)})
        if shared:
            digest.execute(block("cluster", "digest", major))
    rows = facts.fetchall()
    origin = Origin(rows[0][2], leave_out, cluster)
    found = dict(stamped.fetchall()) if stamps is None else stamps
    digests = [int(value) for (value,) in digest.fetchall()] if shared else [None]
    return _Now(origin, {name: oid for name, oid, _ in rows}, major, found, digests[0])


def _read(connection: psycopg.Connection[Any], now: _Now, units: Iterable[int]) -> Units:
    reader = Reader(connection, now.major, now.catalogs)
    files = ["always"]
    if now.origin.cluster:
        files += ["cluster", *(["superuser"] if connection.info.parameter_status("is_superuser") == "on" else [])]
    reader.read(units, files)
    return reader.units


def _differing(before: Mapping[int, int], now: Mapping[int, int]) -> set[int]:
    changed = {unit for unit, stamp in now.items() if before.get(unit) != stamp}
    return changed | {unit for unit in before if unit not in now}


def _again(connection: psycopg.Connection[Any], now: _Now, since: Snapshot, touched: set[int]) -> Units | None:
    """Read these units, and what depends on them; None where everything has to be read."""
    before = since.stamps
    narrow = {now.catalogs[name] for name in NARROW}
    if any(catalog_of(unit) not in narrow for unit in touched):
        return None
    named = {now.catalogs[name] for name in NAMED_BY_OTHERS}
    roots = [unit for unit in touched if unit in before and catalog_of(unit) in named]
    if roots:
        query = block("stamps", "dependants", now.major)
        rows = connection.cursor(row_factory=tuple_row).execute(query, {"roots": as_array(roots)})
        touched = touched | {unit for (unit,) in rows}
    units = _read(connection, now, [unit for unit in touched if unit in now.stamps])
    renamed = any(_first(units[unit]) != _first(since.units[unit]) for unit in units if unit in since.units)
    return None if renamed else units


def _first(objects: Mapping[Name, object]) -> Name | None:
    """Return the name of the object that a unit is named after."""
    return next(iter(objects), None)


def _updated(since: Snapshot, now: _Now, units: Units, gone: set[int]) -> Snapshot:
    """Put what was read in the place of what was there."""
    replaced = gone | {unit for unit in units if unit in since.units}
    names = [name for unit in replaced for name in since.units.get(unit, {})]
    objects = layered(since.schema.objects).changed(names, all_objects(units))
    return Snapshot(Schema(objects), now.origin, now.stamps, layered(since.units).changed(gone, units), now.shared)


def all_objects(units: Units) -> dict[Name, Mapping[str, Value]]:
    """Return the objects of all units."""
    return {name: properties for objects in units.values() for name, properties in objects.items()}
