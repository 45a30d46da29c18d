"""Which targets have the same schema, and how the others differ from those of the largest group."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate import connection
from sqlmigrate.connection.looking import look
from sqlmigrate.drift.ignoring import without, without_histories
from sqlmigrate.drift.naming import quoted, schema_of
from sqlmigrate.errors import Error, as_bug, redact
from sqlmigrate.schema import Name, Schema
from sqlmigrate.schema.diff import compare
from sqlmigrate.schema.read import read_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.fleet.places import Place
    from sqlmigrate.schema import Value
    from sqlmigrate.schema.diff import Change

_OF_A_DATABASE = frozenset({"database", "database settings", "large object"})
"""What belongs to one database, and would differ in every one."""
_LIMITS = (30_000, 300_000)  # milliseconds for a lock and for a statement
_TENANT = "the tenant"
"""What the schema of a tenant is called where several are compared."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The schema of a target by its fingerprint; `failed` says why there is none."""

    target: str
    fingerprint: str | None = None
    schema: Schema | None = field(default=None, repr=False)
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Likeness:
    """Targets with one schema, and how it differs from that of the largest group: not at all for that one."""

    targets: tuple[str, ...]
    fingerprint: str | None
    changes: tuple[Change, ...] = ()
    failed: str | None = None


def read_catalogs(places: Sequence[Place], ignore: Sequence[str]) -> list[Catalog]:
    """Read the schemas of targets in one database, in one transaction that writes nothing; no error is raised."""
    try:
        schema = _read(places, ignore)
        return [Catalog(place.target.name, own.fingerprint(), own) for place, own in _shared_out(places, schema)]
    except Error as error:
        why = redact(error.message)
    except Exception as error:  # noqa: BLE001  one database's bug is no reason to be silent on the others
        why = as_bug(error).message
    return [Catalog(place.target.name, failed=why) for place in places]


def in_one_database(places: Iterable[Place]) -> list[list[Place]]:
    """Put targets together that are in one database, so that it is read once however many tenants are in it."""
    found: dict[tuple[str, str], list[Place]] = {}
    for place in places:
        found.setdefault((place.host, place.database), []).append(place)
    return list(found.values())


def likenesses(found: Iterable[Catalog]) -> list[Likeness]:
    """Put targets together that have the same schema: the largest group first, those that could not be read last.

    Of each schema only one is kept, so catalogs may come one by one.
    """
    names: dict[str, list[str]] = {}
    schemas: dict[str, Schema] = {}
    failed: dict[str, list[str]] = {}
    for item in found:
        if item.fingerprint is None or item.schema is None:
            failed.setdefault(item.failed or "", []).append(item.target)
            continue
        names.setdefault(item.fingerprint, []).append(item.target)
        schemas.setdefault(item.fingerprint, item.schema)
    ordered = sorted(names, key=lambda key: -len(names[key]))
    same = [
        Likeness(tuple(names[key]), key, compare(schemas[ordered[0]], schemas[key]) if key != ordered[0] else ())
        for key in ordered
    ]
    return [*same, *(Likeness(tuple(targets), None, failed=why) for why, targets in failed.items())]


def _read(places: Sequence[Place], ignore: Sequence[str]) -> Schema:
    """Read a database without the histories in it, and without what is not to be compared."""
    histories = [place.history for place in places]
    with connection.session(places[0].conninfo) as session:
        connection.probe(session)
        found = look(session, lambda: read_schema(session, leave_out=histories).schema, limits=_LIMITS)
    [schema], _ = without_histories([found])
    [schema], _ = without([schema], ignore)
    return schema


def _shared_out(places: Sequence[Place], schema: Schema) -> Iterator[tuple[Place, Schema]]:
    """Yield what belongs to each target, in words that fit all of them; a tenant has what is in its schema."""
    by_schema: dict[str | None, dict[Name, Mapping[str, Value]]] = {}
    for name, values in schema.objects.items():
        by_schema.setdefault(schema_of(name, values), {})[name] = values
    for place in places:
        if place.target.schema is None:
            kept = {name: values for name, values in schema.objects.items() if name.kind not in _OF_A_DATABASE}
            yield place, Schema(kept)
        else:
            own = quoted(place.target.schema)
            yield place, _renamed(by_schema.get(own, {}), own)


def _renamed(objects: Mapping[Name, Mapping[str, Value]], own: str) -> Schema:
    """Leave out the tenant's schema before each name, so that tenants can be compared."""
    strip = _stripping(own)
    return Schema(
        {
            Name(name.kind, _TENANT if name.kind == "schema" else strip(name.name)): {
                key: _stripped(value, strip) for key, value in values.items()
            }
            for name, values in objects.items()
        }
    )


def _stripping(own: str) -> Callable[[str], str]:
    pattern = re.compile(rf'(?<![\w$".]){re.escape(own)}\.')
    return lambda text: pattern.sub("", text)


def _stripped(value: Value, strip: Callable[[str], str]) -> Value:
    if isinstance(value, str):
        return strip(value)
    return tuple(map(strip, value)) if isinstance(value, tuple) else value
