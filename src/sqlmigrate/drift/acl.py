"""Take access control lists apart, and put them together as PostgreSQL does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from sqlmigrate.schema import Value

    Item = tuple[str, str, str]
    """Who may do what by whom: grantee (empty for PUBLIC), one letter (with * where it may be passed on), grantor."""

LISTS = ("acl", "row type acl", "multirange type acl")
"""The properties that hold an access control list."""
CREATE, MAINTAIN = "C", "m"
_FIRST_WITH_MAINTAIN = 17
_ORDER = "arwdDxtXUCTcsAm"  # ACL_ALL_RIGHTS_STR of PostgreSQL's utils/acl.h
_NAME = r'"(?:[^"]|"")*"|[^"=/]*'
_ITEM = re.compile(rf"({_NAME})=([A-Za-z*]*)/({_NAME})")
_RIGHT = re.compile(r"[A-Za-z]\*?")
_SAFE = re.compile(r"\w+", re.ASCII)


def knows_maintain(major: int) -> bool:
    """Tell whether a version has the right to VACUUM, ANALYZE and so on, which owners then have too."""
    return major >= _FIRST_WITH_MAINTAIN


def explode(acl: Value) -> frozenset[Item]:
    """Take a list apart into single rights."""
    found: set[Item] = set()
    for text in acl if isinstance(acl, tuple) else ():
        if match := _ITEM.fullmatch(text):
            grantee, rights, grantor = match.groups()
            found.update((_plain(grantee), right, _plain(grantor)) for right in _RIGHT.findall(rights))
    return frozenset(found)


def collapse(items: Iterable[Item]) -> tuple[str, ...]:
    """Put single rights together to a list, in the order of the catalog's reader."""
    rights: dict[tuple[str, str], dict[str, str]] = {}
    for grantee, right, grantor in sorted(items):  # where a right is there twice, the one with * comes last and counts
        rights.setdefault((grantee, grantor), {})[right[0]] = right
    return tuple(
        sorted(
            f"{_quoted(grantee)}={''.join(letters[key] for key in sorted(letters, key=_ORDER.find))}/{_quoted(grantor)}"
            for (grantee, grantor), letters in rights.items()
        )
    )


def requoted(acl: Value) -> Value:
    """Return a list with its names quoted as ours are.

    Whether PostgreSQL quotes a letter that is not ASCII depends on the server's version, system and locale.
    """
    if not isinstance(acl, tuple):
        return acl
    return tuple(sorted(map(_requoted, acl)))


def _requoted(item: str) -> str:
    if (match := _ITEM.fullmatch(item)) is None:
        return item
    grantee, rights, grantor = match.groups()
    return f"{_quoted(_plain(grantee))}={rights}/{_quoted(_plain(grantor))}"


def renamed(acl: Value, name: Callable[[str], str]) -> tuple[str, ...]:
    """Return a list with other names in it."""
    return collapse((name(grantee), right, name(grantor)) for grantee, right, grantor in explode(acl))


def without(acl: Value, letters: str, grantees: Collection[str] | None = None) -> tuple[str, ...]:
    """Return a list without some rights, of some grantees or of all."""
    return collapse(
        item for item in explode(acl) if item[1][0] not in letters or (grantees is not None and item[0] not in grantees)
    )


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _quoted(name: str) -> str:
    return name if not name or _SAFE.fullmatch(name) else '"' + name.replace('"', '""') + '"'
