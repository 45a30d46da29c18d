"""What to review."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.config import API_ROLES
from sqlmigrate.review.asking import Source
from sqlmigrate.review.known import Limits

if TYPE_CHECKING:
    from sqlmigrate.migrations import Migration, Migrations
    from sqlmigrate.review import model
    from sqlmigrate.review.workload.queries import Workload
    from sqlmigrate.roundtrip import Base
    from sqlmigrate.seeds import SeedSet


@dataclass(frozen=True, slots=True)
class Question:
    """What to review: the `wanted` migrations, on top of those that are `applied`, in the order in which they were.

    Without a target, `applied` is None: everything that stands before a wanted one is applied first. `base` is a dump
    to begin with instead. `target` holds the figures of the database that it is for, `settings_from` says where its
    settings come from, `api_roles` are the roles behind which an API puts everybody, `limits` say what is large, and
    `source` is who is asked what the statements of a script work on. `workload` is what the application sends, its
    names looked up under `paths`, None for what each role finds. What fits of `seeds` is loaded as sample rows for the
    round trips.
    """

    migrations: Migrations
    wanted: tuple[Migration, ...]
    applied: tuple[str, ...] | None = None
    base: Base | None = None
    target: model.Target | None = None
    settings_from: str = "assumed"
    notes: tuple[str, ...] = ()
    api_roles: tuple[str, ...] = API_ROLES
    workload: Workload | None = None
    paths: tuple[str | None, ...] = (None,)
    design: bool = True
    limits: Limits = field(default_factory=Limits)
    source: Source = field(default_factory=Source)
    seeds: SeedSet | None = None

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the wanted ones."""
        return frozenset(item.migration_id for item in self.wanted)

    def steps(self) -> list[Migration]:
        """Return what is applied already, as it was applied, and what comes behind it up to the last wanted one.

        What the base holds is left out. Raises UsageError where something is applied that has no file.
        """
        applied = () if self.base is not None or self.applied is None else self.applied
        ordered = self.migrations.ordered
        last = max((at for at, item in enumerate(ordered) if item.migration_id in self.ids), default=-1)
        done = set(self.applied or ()) | (self.base.applied if self.base else set())
        pending = [item for item in ordered[: last + 1] if item.migration_id not in done - self.ids]
        return [*map(self.migrations.named, applied), *pending]
