"""What two major versions of PostgreSQL say differently of the same object, so that it is no drift between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.drift.acl import CREATE, LISTS, MAINTAIN, knows_maintain, without
from sqlmigrate.schema import TABLE, Name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlmigrate.schema import Value

    Properties = Mapping[str, Value]

SINCE: dict[str, dict[str, tuple[int, ...]]] = {
    "collation": {"locale": (15, 16), "collate": (15,), "ctype": (15,), "rules": (16,)},
    "constraint": {"not enforced": (18,)},
    "publication": {"schemas": (15,), "generated columns": (18,)},
    "publication table": {"where": (15,), "columns": (15,)},
    "sequence": {"unlogged": (15,)},
    "subscription": {
        "two phase": (15,), "disable on error": (15,), "password required": (16,), "run as owner": (16,),
        "origin": (16,), "failover": (17,), "streaming": (16, 18),
    },
}  # fmt: skip
"""By kind and property the versions since which there is such a property, or since which it says something else.

Of collations ICU's are meant: their locale has a column of its own since 15, and is written as a BCP 47 tag since 16.
"""
PUBLIC = Name("schema", "public")
_PUBLIC_IS_CLOSED = 15
"""The version since which nobody but its owner may create in schema public of a new database."""
_NOT_NULL = "NOT NULL"
# A NOT NULL is a constraint with a name of its own since then.
_NAMES_NOT_NULL = {"constraint": 18, "domain constraint": 17}


def is_common(name: Name, found: Properties, majors: Collection[int]) -> bool:
    """Tell whether all of these versions have such an object, by the same name.

    A NOT NULL is only a mark to older ones. What a foreign key to a partitioned table adds for each of the partitions
    follows from it, and has names that depend on the version.
    """
    if name.kind == "constraint" and str(found.get("parent", "")).endswith(f" on {found.get(TABLE)}"):
        return False
    since = _NAMES_NOT_NULL.get(name.kind)
    return since is None or not _between(since, majors) or not _is_not_null(found)


def common(name: Name, found: Properties, majors: Collection[int]) -> Properties:
    """Return an object without what only some of these versions say of it."""
    if len(majors) == 1:
        return found
    if len({knows_maintain(major) for major in majors}) > 1:
        found = {key: without(value, MAINTAIN) or None if key in LISTS else value for key, value in found.items()}
    if name == PUBLIC and _between(_PUBLIC_IS_CLOSED, majors):
        found = {**found, "acl": without(found.get("acl"), CREATE, {""}) or None}
    unknown = {key for key, since in SINCE.get(name.kind, {}).items() if any(_between(at, majors) for at in since)}
    return {key: value for key, value in found.items() if key not in unknown} if unknown else found


def called(name: Name, found: Properties) -> Name:
    """Return the name by which an object is compared: a NOT NULL goes by its column.

    pg_upgrade and pg_restore from before 18 give it the name that a new one gets, and not the one of long ago. Of a
    transform, pg_identify_object() says `on language` up to 16.
    """
    if name.kind == "transform":
        return Name(name.kind, name.name.replace(" on language ", " language "))
    if name.kind in _NAMES_NOT_NULL and _is_not_null(found):
        return Name(name.kind, f"{found['definition']} on {found.get(TABLE)}")
    return name


def _is_not_null(found: Properties) -> bool:
    return str(found.get("definition", "")).startswith(_NOT_NULL)


def _between(since: int, majors: Collection[int]) -> bool:
    return min(majors) < since <= max(majors)
