"""Where targets are: from what the list says to connection strings, in the process that connects.

A connection string may hold a password, so nothing of this module goes to another process, into a ledger or a report.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.connection.address import resolved, shown_host
from sqlmigrate.connection.conninfo import parse_conninfo, written
from sqlmigrate.errors import ConfigError, InventoryError, Problem
from sqlmigrate.fleet.inventory.reading import shortened
from sqlmigrate.fleet.tenants import history_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlmigrate.fleet.inventory import Target

_NAMED = 5
_FROM_OUTSIDE = ("PGSERVICE", "PGHOSTADDR", "PGPORT")
"""The variables by which libpq may find another place than the host and the database that a connection string names."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target is: how to connect, and the rest for people; `history` is the schema of its history."""

    target: Target
    conninfo: str = field(repr=False)
    host: str
    database: str
    history: str

    @property
    def cluster(self) -> str:
        """The server that the target loads: as its list says, or its address."""
        return self.target.cluster or self.host

    @property
    def names(self) -> tuple[str, ...]:
        """The words by which errors call this target and no other one."""
        target = self.target
        return tuple(filter(None, (target.name, target.schema, self.history, self.database, *self.host.split(":")[:1])))


def locate(target: Target, history: str, environ: Mapping[str, str] | None = None) -> Place:
    """Find where a target is; `history` is the setting `history_schema`. Raises ConfigError, without any password."""
    return Place(target, *_lead(target, environ), history_schema(target.schema, history))


def _lead(target: Target, environ: Mapping[str, str] | None) -> tuple[str, str, str]:
    """Return the connection string of a target, and the host and the database that it leads to."""
    given = _parts(target, os.environ if environ is None else environ)
    conninfo = written(given)
    # libpq need not be asked, which takes its time for very many, where the text says all of it
    is_clear = "host" in given and "dbname" in given and not any(name in os.environ for name in _FROM_OUTSIDE)
    found = given if is_clear else resolved(conninfo)
    hosts = (found.get("hostaddr") or found.get("host") or "local socket").split(",")
    ports = found.get("port", "").split(",")
    ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    shown = ",".join(shown_host(host, port or "5432") for host, port in zip(hosts, ports, strict=True))
    return conninfo, shown, found.get("dbname", "")


def locate_all(targets: Iterable[Target], history: str, environ: Mapping[str, str] | None = None) -> dict[str, Place]:
    """Find where all targets are, by their names; raises InventoryError that names those of which it cannot be told.

    So it does for two targets in one place, and for a tenant in a schema that holds the history of another one.
    """
    found, problems = _located(targets, history, environ)
    if problems:
        raise InventoryError("the list of targets is refused", shortened(problems))
    return found


@dataclass(frozen=True, slots=True)
class Listed(Mapping[str, Place]):
    """Targets by their names, each of which is found when it is asked for; `history` is as for `locate`.

    Whoever lets others work on them needs none of what they connect with.
    """

    targets: Mapping[str, Target]
    history: str

    def place(self, name: str) -> Place:
        """Find where a target is; raises ConfigError, also for one that is not in the list."""
        if name not in self.targets:
            raise ConfigError("it is not in the list of targets here", hint="bring the same list to every machine")
        return locate(self.targets[name], self.history)

    def wrong(self, names: Iterable[str]) -> list[Problem]:
        """Find what is wrong with targets that are to be worked on here, as `locate_all` does."""
        asked = list(names)
        missing = [Problem(f"{name}: it is not in the list of targets here") for name in asked if name not in self]
        return missing + _located([self.targets[name] for name in asked if name in self], self.history)[1]

    def cluster(self, name: str) -> str:
        """Return the cluster of a target, as far as the list tells it."""
        target = self.targets[name]
        return target.cluster or target.url_env or target.service or self.place(name).host

    def __getitem__(self, name: str) -> Place:
        if name not in self.targets:
            raise KeyError(name)
        return self.place(name)

    def __contains__(self, name: object) -> bool:
        return name in self.targets

    def __iter__(self) -> Iterator[str]:
        return iter(self.targets)

    def __len__(self) -> int:
        return len(self.targets)


def _located(
    targets: Iterable[Target], history: str, environ: Mapping[str, str] | None = None
) -> tuple[dict[str, Place], list[Problem]]:
    """Find where targets are, and what is wrong with them, each alone and together."""
    found: dict[str, Place] = {}
    away: dict[tuple[str, str | None], list[str]] = {}
    leads: dict[tuple[str | None, ...], tuple[str, str, str]] = {}  # tenants of one database share one
    for target in targets:
        given = (target.url, target.url_env, target.service)
        try:
            leads[given] = leads.get(given) or _lead(target, environ)
            found[target.name] = Place(target, *leads[given], history_schema(target.schema, history))
        except ConfigError as error:
            away.setdefault((error.message, error.hint), []).append(target.name)
    problems = [Problem(f"{_named(names)}: {message}", hint=hint) for (message, hint), names in away.items()]
    return found, [*problems, *_in_one_place(found.values()), *_within_histories(found.values())]


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _parts(target: Target, environ: Mapping[str, str]) -> dict[str, str]:
    if target.service is not None:
        return {"service": target.service}
    if target.url_env is None:
        return parse_conninfo(target.url or "", source="its url")
    text = environ.get(target.url_env, "")
    if not text.strip():
        raise ConfigError(f"the variable {target.url_env}, which is to hold its URL, is not set")
    return parse_conninfo(text, source=f"variable {target.url_env}")


def _in_one_place(places: Iterable[Place]) -> Iterator[Problem]:
    """Find targets that would share a history, so that each would be taken for the other."""
    first: dict[tuple[str, str, str], str] = {}
    for place in places:
        name = place.target.name
        other = first.setdefault((place.host, place.database, place.history), name)
        if other != name:
            what = f"schema {place.target.schema} of database" if place.target.schema else "database"
            yield Problem(
                f"{name} and {other} are both {what} {place.database} on {place.host}", hint="keep one of them"
            )


def _within_histories(places: Iterable[Place]) -> Iterator[Problem]:
    """Find tenants whose schema is the history of a target."""
    histories = {(place.host, place.database, place.history): place.target.name for place in places}
    for place in places:
        if place.target.schema and (other := histories.get((place.host, place.database, place.target.schema))):
            yield Problem(f"{place.target.name}: schema {place.target.schema} holds the history of {other}")
