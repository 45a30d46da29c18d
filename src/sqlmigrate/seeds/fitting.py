"""Write what fits of a seed set into tables of another time: for sample rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.connection import as_login
from sqlmigrate.errors import Problem, SeedError
from sqlmigrate.seeds.model import SeedSet
from sqlmigrate.seeds.writing.upsert import apply

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection


@dataclass(frozen=True, slots=True)
class Fitted:
    """How many rows were written, and why files were left out: a problem for each."""

    rows: int = 0
    left_out: tuple[Problem, ...] = ()


def write_fitting(connection: Connection, seeds: SeedSet) -> Fitted:
    """Write each file in a transaction of its own, under the login's settings; one that the tables refuse is left out.

    Raises ConnectionFailed where the session is lost.
    """
    rows, left_out = 0, []
    for file in seeds.files:
        try:
            with as_login(connection):
                rows += apply(connection, SeedSet(seeds.directory, (file,))).written
        except SeedError as error:
            left_out.append(error.problems[0] if error.problems else Problem(error.message, error.place))
    return Fitted(rows, tuple(left_out))
