"""A migration, its scripts, and how each of them runs."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sqlmigrate.errors import UsageError
from sqlmigrate.sql.directives import PHASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sqlmigrate.config import Order
    from sqlmigrate.errors import Problem
    from sqlmigrate.sql.script import Script

Operation = Literal["apply", "rollback", "samples"]
"""What a script does with its migration; `samples` loads the rows of a round trip."""
ROLLBACK = ".rollback.sql"
"""How the name of a rollback script ends."""
NO_ROLLBACK = "there is no rollback script beside it, so it cannot be rolled back"


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """A script as it will run: for which migration, to which end, and whether in one transaction."""

    migration_id: str
    operation: Operation
    script: Script
    transactional: bool = field(kw_only=True)

    @property
    def done(self) -> str:
        """The word for what has happened once the script is through: the migration is applied, or rolled back."""
        return {"apply": "applied", "rollback": "rolled back", "samples": "loaded"}[self.operation]


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration: the script that applies it and, where there is one, the script that rolls it back."""

    migration_id: str
    script: Script
    rollback: Script | None = None

    @property
    def migration_hash(self) -> str:
        """SHA-256 of the id in hexadecimal: yoyo's key, which says nothing about the content."""
        return migration_hash(self.migration_id)

    @property
    def depends(self) -> tuple[str, ...]:
        """The ids that must be applied before this one, as its `-- depends:` names them."""
        return self.script.directives.depends

    @property
    def replaces(self) -> tuple[str, ...]:
        """The ids of the migrations whose place it has taken: where they are all applied, it counts as applied."""
        return self.script.directives.replaces

    @property
    def phase(self) -> str:
        """When it belongs: one of `sql.directives.PHASES`, the first of them where it says none."""
        return self.script.directives.phase or PHASES[0]

    def forward(self) -> ScriptRun:
        """Return how it is applied: in a transaction, unless `-- transactional: false` says otherwise."""
        transactional = self.script.directives.transactional is not False
        return ScriptRun(self.migration_id, "apply", self.script, transactional=transactional)

    def back(self) -> ScriptRun | None:
        """Return how it is rolled back; None where there is no rollback script.

        One that does not say whether it runs in a transaction does as the script does (yoyo's rule).
        """
        if self.rollback is None:
            return None
        own = self.rollback.directives.transactional
        transactional = self.forward().transactional if own is None else own
        return ScriptRun(self.migration_id, "rollback", self.rollback, transactional=transactional)

    def runs(self) -> list[ScriptRun]:
        """Return how each script of it runs: one or two."""
        return [run for run in (self.forward(), self.back()) if run is not None]

    def scripts(self) -> list[Script]:
        """Return its scripts: one or two."""
        return [run.script for run in self.runs()]


@dataclass(frozen=True, slots=True)
class Migrations:
    """All migrations of a directory in order, and the warnings that were found while reading them.

    `replaced` has the migration that has taken the place of another one, by ids; that one is no part of them any more,
    whether its files are still there or not. `misnumbered` are those of the warnings that say that the order may not
    be the one that is meant.
    """

    directory: Path
    ordered: tuple[Migration, ...]
    warnings: tuple[Problem, ...] = ()
    by_id: Mapping[str, Migration] = field(default_factory=dict)
    misnumbered: tuple[Problem, ...] = ()
    order: Order = "name"
    replaced: Mapping[str, str] = field(default_factory=dict)

    def left_out(self) -> list[Problem]:
        """Return the warnings of what stands in the directory and takes no part."""
        return [item for item in self.warnings if item not in self.misnumbered and item.message != NO_ROLLBACK]

    def get(self, migration_id: str) -> Migration | None:
        """Return the migration of an id, or None."""
        return self.by_id.get(migration_id)

    def named(self, migration_id: str) -> Migration:
        """Return the migration of an id; raises UsageError that offers near ids where there is none.

        Only one is offered where the name of one of its files was given.
        """
        if found := self.by_id.get(migration_id):
            return found
        stem = migration_id.rpartition(os.sep)[2].removesuffix(ROLLBACK).removesuffix(".sql")
        likely = [stem] if stem in self.by_id else near(migration_id, self.by_id, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(likely)}?" if likely else None
        raise UsageError(f"there is no migration {migration_id!r} in {self.directory}", hint=hint)


def migration_hash(migration_id: str) -> str:
    """Hash an id as yoyo does (`yoyo.migrations.get_migration_hash`)."""
    return hashlib.sha256(migration_id.encode()).hexdigest()


def near(name: str, known: Iterable[str], *, n: int = 1, cutoff: float = 0.6) -> list[str]:
    """Find known names that look like another one, the nearest first."""
    from difflib import get_close_matches  # noqa: PLC0415  only for a mistake

    return get_close_matches(name, list(known), n=n, cutoff=cutoff)
