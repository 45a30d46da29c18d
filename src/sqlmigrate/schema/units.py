"""Which objects have to be read again, judged by the stamps of two readings.

A stamp is a digest over xmin and ctid of all rows that make up a unit. No two transactions of a server have the same
number, so an equal stamp means the same rows, in any of its databases. What the text of an object says beyond its own
rows are names and columns of others that it depends on: hence dependants are read again, too, and everything is
where a name has changed or anything rare has, such as an operator class, a cast, a role or an extension.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CATALOG_BITS = 32

NARROW = ("pg_class", "pg_type", "pg_proc", "pg_namespace", "pg_publication", "pg_default_acl", "pg_event_trigger")
"""The catalogs whose changes leave all other objects alone, but for those that depend on them."""
NAMED_BY_OTHERS = ("pg_class", "pg_type", "pg_proc")
"""The catalogs whose objects' columns show in the definition of what depends on them."""


def catalog_of(unit: int) -> int:
    """Return the oid of the catalog that a unit is in."""
    return unit >> CATALOG_BITS


def by_catalog(units: Iterable[int]) -> dict[int, list[int]]:
    """Return the oids of units by the oid of their catalog."""
    found: dict[int, list[int]] = {}
    for unit in units:
        found.setdefault(catalog_of(unit), []).append(unit & ((1 << CATALOG_BITS) - 1))
    return found
