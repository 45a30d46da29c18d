"""Which targets have the same schema, and how the others differ from those of the largest group."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate import connection
from sqlmigrate.connection.looking import look
from sqlmigrate.drift.ignoring import without, without_histories, without_ours
from sqlmigrate.drift.naming import plain, rename, schema_of
from sqlmigrate.errors import Error
from sqlmigrate.fleet.bringing import in_a_line
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
_OWNER = "the owner"
"""What the owner of a target, its schema or its database, is called there."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The schema of a target by its fingerprint; `failed` says why there is none.

    What is in the schema of a `tenant` is compared with that of other tenants, a database with other databases.
    """

    target: str
    fingerprint: str | None = None
    schema: Schema | None = field(default=None, repr=False)
    failed: str | None = None
    tenant: bool = False


@dataclass(frozen=True, slots=True)
class Likeness:
    """Targets with one schema, and how it differs from that of the largest group: not at all for that one.

    Databases have a `largest` group, and tenants have.
    """

    targets: tuple[str, ...]
    fingerprint: str | None
    largest: bool = False
    changes: tuple[Change, ...] = ()
    failed: str | None = None


def read_catalogs(places: Sequence[Place], ignore: Sequence[str]) -> list[Catalog]:
    """Read the schemas of targets in one database, in one transaction that writes nothing; no error is raised."""
    try:
        schema = _read(places, ignore)
        return [
            Catalog(place.target.name, own.fingerprint(), own, tenant=place.target.schema is not None)
            for place, own in _shared_out(places, schema)
        ]
    except Error as error:
        why = in_a_line(error.message)
    except Exception as error:  # noqa: BLE001  one database's bug is no reason to be silent on the others
        why = in_a_line(connection.in_words(error).message)
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
    names: dict[tuple[bool, str], list[str]] = {}
    schemas: dict[tuple[bool, str], Schema] = {}
    failed: dict[str, list[str]] = {}
    for item in found:
        if item.fingerprint is None or item.schema is None:
            failed.setdefault(item.failed or "", []).append(item.target)
            continue
        key = (item.tenant, item.fingerprint)
        names.setdefault(key, []).append(item.target)
        schemas.setdefault(key, item.schema)
    ordered = sorted(names, key=lambda key: -len(names[key]))
    largest = {key[0]: key for key in reversed(ordered)}
    same = [
        Likeness(tuple(names[key]), key[1], largest=True)
        if key == largest[key[0]]
        else Likeness(tuple(names[key]), key[1], changes=compare(schemas[largest[key[0]]], schemas[key]))
        for key in sorted(ordered, key=lambda key: ordered.index(largest[key[0]]))
    ]
    return [*same, *(Likeness(tuple(targets), None, failed=why) for why, targets in failed.items())]


def _read(places: Sequence[Place], ignore: Sequence[str]) -> Schema:
    """Read a database without the histories in it, and without what is not to be compared."""
    with connection.session(places[0].conninfo) as session:
        connection.probe(session)
        found = look(session, lambda: read_schema(session).schema, limits=_LIMITS)
    for history in {place.history for place in places}:
        _, found = without_ours([Schema({}), found], history)
    [schema], _ = without_histories([found])
    [schema], _ = without([schema], ignore)
    return schema


def _shared_out(places: Sequence[Place], schema: Schema) -> Iterator[tuple[Place, Schema]]:
    """Yield what belongs to each target, in words that fit all of them; a tenant has what is in its schema."""
    by_schema: dict[str, tuple[str, dict[Name, Mapping[str, Value]]]] = {}
    for name, values in schema.objects.items():
        if (inside := schema_of(name, values)) is not None:
            by_schema.setdefault(plain(inside), (inside, {}))[1][name] = values
    for place in places:
        if place.target.schema is None:
            kept = {name: values for name, values in schema.objects.items() if name.kind not in _OF_A_DATABASE}
            yield place, rename(Schema(kept), _owner(schema.objects, "database"))
        else:
            own, objects = by_schema.get(place.target.schema, ("", {}))
            yield place, rename(_renamed(objects, own), _owner(objects, "schema"))


def _owner(objects: Mapping[Name, Mapping[str, Value]], kind: str) -> dict[str, str]:
    """Give the owner of a target one name in all of them: where each has a role of its own, that is no difference."""
    owner = next((values.get("owner") for name, values in objects.items() if name.kind == kind), None)
    return {owner: _OWNER} if isinstance(owner, str) else {}


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
