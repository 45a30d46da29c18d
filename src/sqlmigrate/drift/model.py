"""What is read of the live database, what the shadow gives, and what the comparison found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.drift.privileges import DefaultPrivileges
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.schema import Schema
    from sqlmigrate.schema.diff import Change
    from sqlmigrate.shadow import TargetFacts


@dataclass(frozen=True, slots=True)
class Drift:
    """How a live database differs from its files; `before` of a change is what the files say, `after` what is there.

    `ignored` counts the differences that the user's patterns left out, `migrations` those that the files were replayed
    with, `half_way` names the scripts that stopped half way, `notes` are sentences for the user.
    """

    changes: tuple[Change, ...] = ()
    ignored: int = 0
    migrations: int = 0
    half_way: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def extra(self) -> tuple[Change, ...]:
        """What the database has and the files do not say."""
        return tuple(change for change in self.changes if change.kind == "added")

    @property
    def missing(self) -> tuple[Change, ...]:
        """What the files say and the database does not have."""
        return tuple(change for change in self.changes if change.kind == "removed")

    @property
    def different(self) -> tuple[Change, ...]:
        """What both have, with another property."""
        return tuple(change for change in self.changes if change.kind == "changed")


@dataclass(frozen=True, slots=True)
class Step:
    """The script of an applied migration that ran then, and the role that it ran as."""

    script_run: ScriptRun
    role: str


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the target, as far as it decides what a script of it may do."""

    name: str
    superuser: bool = False
    creates_databases: bool = False
    creates_roles: bool = False
    member_of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Live:
    """All that is read of the live database, in one transaction.

    `facts` has the role that applied the latest migration as its login; `roles` are those that applied any.
    `supabase` says that it is one of Supabase's, which brings a lot along.
    """

    facts: TargetFacts
    schema: Schema
    steps: tuple[Step, ...]
    roles: Mapping[str, Role]
    default_privileges: DefaultPrivileges
    search_path: str | None = None
    supabase: bool = False
    half_way: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the shadow became.

    `ground` is its schema before the first migration, `schema` after the last, and `granted` the same with the default
    privileges that only the database has, where there are any. `may_create` are the roles that the shadow itself let
    create in schema public, `major` is its version. `conninfo` is of the database that it was read in, where
    definitions can be made anew.
    """

    ground: Schema
    schema: Schema
    conninfo: str = field(repr=False)
    major: int
    granted: Schema | None = None
    may_create: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
