"""What a round trip found, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Bug, ExecutionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.errors import Error, Problem
    from sqlmigrate.roundtrip.contents import DataChange
    from sqlmigrate.schema.diff import Change
    from sqlmigrate.seeds import Fitted


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


class Way(Enum):
    """Where a pair was tried.

    - `in_place`: on the database that holds what comes before it, which is the ground for what follows.
    - `made_anew`: there too, but that was not the same afterwards, so it is made anew for what follows.
    - `copies`: on copies of that database.
    """

    IN_PLACE = "in_place"
    MADE_ANEW = "made_anew"
    COPIES = "copies"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that ended a round trip, and in which step of it: samples, apply, rollback or apply again."""

    step: str
    error: Error


_LACKING = "42501"  # insufficient_privilege
ORDINARY = (
    "scripts run as an ordinary role that owns the database, as they should in production; put what needs more into "
    "bootstrap/, or run all scripts as superuser with --shadow-superuser"
)
"""What to say where a script lacked a right on a private server."""


def lacks_rights(error: Error | None) -> bool:
    """Tell whether a script failed for want of a right."""
    if not isinstance(error, ExecutionError) or error.server is None or error.hint:
        return False  # a hint says already what to do
    return error.server.sqlstate == _LACKING


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A migration that could not be applied before another one was tried, and why, as far as it is known."""

    migration_id: str
    error: Error | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return the id, and the reason behind it."""
        return f"{self.migration_id}: {self.error}" if self.error else self.migration_id


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What is known of one migration and its rollback.

    `makes` is what applying does to the schema, `differences` what rolling back leaves different from before, `again`
    what applying a second time makes different from the first. `data` is what became of sample rows, `expectations`
    are the queries that were not true, `lost` names what was made anew without its data. `base` is the fingerprint of
    the schema before, `left_out` are those before it that could not be applied, `postgresql` is the major version that
    it ran on, and `seconds` how long it took. `zone` is the time zone that this was found in, where the target's is not
    known and in UTC the pair does better; `settings` are those of the database that are not what they mostly are. `way`
    is where it was tried, which changes nothing of all that. `seeded` says what was loaded of the seed data, where that
    was wanted.
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
    left_out: tuple[LeftOut, ...] = ()
    postgresql: int | None = None
    seconds: float = 0.0
    zone: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    way: Way | None = field(default=None, compare=False)
    seeded: Fitted | None = field(default=None, compare=False)

    @property
    def without(self) -> tuple[str, ...]:
        """The ids of those before it that could not be applied."""
        return tuple(item.migration_id for item in self.left_out)

    @property
    def bug(self) -> Bug | None:
        """The mistake of ours that ended it, if one did."""
        error = self.failure.error if self.failure else None
        return error if isinstance(error, Bug) else None


@dataclass(frozen=True, slots=True)
class RoundTrips(Sequence[RoundTrip]):
    """What was found of several migrations, in their order, and sentences for the user that belong to none of them."""

    trips: tuple[RoundTrip, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, at: Any) -> Any:
        return self.trips[at]

    def __len__(self) -> int:
        return len(self.trips)
