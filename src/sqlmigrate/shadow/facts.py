"""What a server and a login are, and whether two sessions are on the same cluster."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from sqlmigrate import queries
from sqlmigrate.connection.address import home_of
from sqlmigrate.errors import ConnectionFailed
from sqlmigrate.shadow.model import TargetFacts
from sqlmigrate.shadow.settings import read_settings

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection


class Kinship(Enum):
    """How two servers are related; a copy of a cluster, such as a standby, has the same identifier."""

    SAME = "the same"
    OTHER = "another"
    UNKNOWN = "unknown"


def read_facts(connection: Connection) -> TargetFacts:
    """Ask who and where we are; it needs no right, writes nothing, and keeps an open transaction usable."""
    asked = queries.load("shadow")
    with connection.cursor(row_factory=class_row(TargetFacts)) as cursor:
        found = cursor.execute(asked["facts"]).fetchone()
    if found is None:  # pragma: no cover  a session is always in a database and has a login
        raise ConnectionFailed("the server did not say who and where we are")
    found = replace(found, member_of=frozenset(found.member_of), settings=read_settings(connection))
    return replace(found, system_identifier=home_of(connection).cluster)


def kinship(one: TargetFacts, other: TargetFacts) -> Kinship:
    """Compare two servers: by the identifiers of their clusters, else by the microsecond in which they started.

    A server that started at another time may still be a standby of the same cluster, or restarted in between.
    """
    if one.system_identifier is not None and other.system_identifier is not None:
        return Kinship.SAME if one.system_identifier == other.system_identifier else Kinship.OTHER
    if one.major != other.major:
        return Kinship.OTHER
    if one.started is not None and one.started == other.started:
        return Kinship.SAME
    return Kinship.UNKNOWN
