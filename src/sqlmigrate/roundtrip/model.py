"""What a round trip found, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.errors import Error, Problem
    from sqlmigrate.roundtrip.contents import DataChange
    from sqlmigrate.schemadiff import Change


class Verdict(Enum):
    """How well a rollback undoes its migration; the better ones first.

    - `exact`: the schema is the one of before, and applying again gives the same as the first time.
    - `text_only`: so it is, but for white space and comments in the bodies of SQL and PL/pgSQL routines.
    - `order_only`: so it is, but for the physical order of columns.
    - `lossy`: the schema is restored, but something that can hold data was dropped and made anew, and no sample row
      shows that its data comes back.
    - `not_restored`: something is not as before.
    - `fails`: a script stopped with an error.
    - `irreversible`: there is no rollback script.
    - `not_tried`: it would have changed a cluster that is not ours to change.
    """

    EXACT = "exact"
    TEXT_ONLY = "text_only"
    ORDER_ONLY = "order_only"
    LOSSY = "lossy"
    NOT_RESTORED = "not_restored"
    FAILS = "fails"
    IRREVERSIBLE = "irreversible"
    NOT_TRIED = "not_tried"


PROVEN = frozenset({Verdict.EXACT, Verdict.TEXT_ONLY, Verdict.ORDER_ONLY, Verdict.LOSSY})
"""The verdicts of a rollback that runs and restores the schema."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that ended a round trip, and in which step of it: samples, apply, rollback or apply again."""

    step: str
    error: Error


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What is known of one migration and its rollback.

    `makes` is what applying does to the schema, `differences` what rolling back leaves different from before, `again`
    what applying a second time makes different from the first. `data` is what became of sample rows, `expectations`
    are the queries that were not true, `lost` names what was made anew without its data. `base` is the fingerprint of
    the schema before, `without` are the ids before it that could not be applied, `postgresql` is the major version that
    it ran on, and `seconds` how long it took. `zone` is the time zone that this was found in, where the target's is not
    known and in UTC the pair does better; `settings` are those of the database that are not what they mostly are.
    """

    migration_id: str
    verdict: Verdict
    makes: tuple[Change, ...] = ()
    differences: tuple[Change, ...] = ()
    again: tuple[Change, ...] = ()
    data: tuple[DataChange, ...] = ()
    data_again: tuple[DataChange, ...] = ()
    expectations: tuple[Problem, ...] = ()
    lost: tuple[str, ...] = ()
    failure: Failure | None = None
    not_tried: tuple[Problem, ...] = ()
    base: str | None = None
    without: tuple[str, ...] = ()
    postgresql: int | None = None
    seconds: float = 0.0
    zone: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
