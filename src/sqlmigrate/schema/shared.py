"""What all databases of a server share: roles, memberships, tablespaces and the like, read again where it has changed.

A script can change that by SQL that it puts together while it runs, so that its text does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlmigrate.schema.built_in import read_units
from sqlmigrate.schema.rows import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from sqlmigrate.schema.model import Name, Value


@dataclass(frozen=True, slots=True)
class Shared:
    """What a server shares, and a digest that is another one as soon as any of it is (`Snapshot.shared`)."""

    digest: int
    objects: Mapping[Name, Mapping[str, Value]] = field(repr=False, compare=False)


def read_shared(connection: psycopg.Connection[Any], digest: int, known: Shared | None) -> Shared:
    """Read what a server shares unless this is `known` by its digest; without passwords and databases of a shadow."""
    if known is not None and known.digest == digest:
        return known
    return Shared(digest, read_units(connection, [ALWAYS], ["cluster"])[ALWAYS])
