"""What all databases of a server share: roles, memberships, tablespaces and the like, read again where it has changed.

A script can change that by SQL that it puts together while it runs, so that its text does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from sqlmigrate.schema.blocks import block
from sqlmigrate.schema.built_in import read_units
from sqlmigrate.schema.rows import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from sqlmigrate.schema.model import Name, Value


@dataclass(frozen=True, slots=True)
class Shared:
    """What a server shares, and a digest that is another one as soon as any of it is."""

    digest: int
    objects: Mapping[Name, Mapping[str, Value]] = field(repr=False, compare=False)


def read_shared(connection: psycopg.Connection[Any], known: Shared | None) -> Shared:
    """Read what a server shares, in one query where that is `known`; without passwords and databases of a shadow."""
    query = block("cluster", "digest", connection.info.server_version // 10000)
    row: Any = connection.cursor(row_factory=tuple_row).execute(query).fetchone()
    digest = int(row[0])
    if known is not None and known.digest == digest:
        return known
    return Shared(digest, read_units(connection, [ALWAYS], ["cluster"])[ALWAYS])
