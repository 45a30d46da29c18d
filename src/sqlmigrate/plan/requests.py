"""What somebody asks to be applied or rolled back, as values.

A request goes as it is from whoever asks (the command, a program, the plug-in for yoyo) through the engine to the plan,
so that what is previewed is what runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sqlmigrate.migrations import Migrations

NO_PLAN = "no plan was made"
"""The `outcome` for those who only want to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """Apply what is pending: all of it, up to and with `to`, or the next `steps`; a half-way script first.

    `phase` stops before the first one of another phase: see `sql.directives.PHASES`. `only` leaves out all but these
    ids. `allow_out_of_order` takes migrations that are older than applied ones too, `single_transaction` runs all of it
    in one transaction, `exact` refuses a database that is ahead of the files, and `resume_at` goes on with a half-way
    script at this statement (1-based). `developing` says that the database is one for development, where an edited
    script may be run again. `outcome` says in an error what did not happen.
    """

    operation: ClassVar[str] = "apply"
    migrations: Migrations = field(repr=False)
    to: str | None = None
    steps: int | None = None
    phase: str | None = None
    only: frozenset[str] | None = None
    allow_out_of_order: bool = False
    single_transaction: bool = False
    exact: bool = False
    developing: bool = False
    resume_at: int | None = None
    outcome: str = "nothing was applied"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRequest:
    """Roll back in the reverse order of application: one step, `steps`, what came after `to`, or `everything`.

    With `of_run` it is what the run of this id has applied, which may be nothing.

    A marked migration is a floor: nothing at or below it is rolled back unless its id is in `include_marked`. With
    `recorded`, a rollback script that is missing or was edited is taken as it was recorded at apply. `again` says that
    what is rolled back is to be applied again at once, so what could not be is refused, and an edited rollback script
    is taken as it was recorded. `resume_at` goes on with a
    half-way script at this statement (1-based). `outcome` says in an error what did not happen.
    """

    operation: ClassVar[str] = "rollback"
    single_transaction: ClassVar[bool] = False
    migrations: Migrations = field(repr=False)
    to: str | None = None
    steps: int | None = None
    everything: bool = False
    of_run: str | None = None
    include_marked: tuple[str, ...] = ()
    recorded: bool = False
    again: bool = False
    resume_at: int | None = None
    outcome: str = "nothing was rolled back"


Request = ApplyRequest | RollbackRequest
