"""The database that holds everything before the next migration, and the copies of it that pairs are tried on."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.roundtrip.model import LeftOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sqlmigrate.errors import Error
    from sqlmigrate.migrations import Migration
    from sqlmigrate.schema.read import Snapshot
    from sqlmigrate.shadow import Shadow, ShadowDatabase
    from sqlmigrate.sql.script import Script


@dataclass(frozen=True, slots=True)
class Base:
    """What is in the shadow before the first migration: a dump of the target, which has these applied."""

    dump: Script
    applied: frozenset[str]


class Ground:
    """The database that holds everything before the next migration, but for those in `left_out`, which failed.

    `known` is its schema as far as it was read. `behind` are the ids of the migrations that it began with, which were
    only applied, in their order.
    """

    def __init__(self, shadow: Shadow, stack: ExitStack, source: ShadowDatabase | None = None) -> None:
        """Begin with a database that is empty but for `bootstrap/`, or with a copy of `source`."""
        self._shadow = shadow
        self._stack = stack
        self._own = stack.enter_context(ExitStack())
        self.database = self._own.enter_context(shadow.clone(source) if source else shadow.database())
        self.known: Snapshot | None = None
        self.left_out: list[LeftOut] = []
        self.behind: tuple[str, ...] = ()

    def fork(self, stack: ExitStack) -> Ground:
        """Return another ground that goes on from here, on a copy; it is dropped with the stack."""
        other = Ground(self._shadow, stack, self.database)
        other.known, other.left_out, other.behind = self.known, list(self.left_out), self.behind
        return other

    def leave_out(self, migration: Migration, error: Error | None) -> None:
        """Note that a migration could not be applied, so that what follows is tried without it."""
        self.left_out.append(LeftOut(migration.migration_id, error))

    @contextmanager
    def copy(self, *, keep: Callable[[], bool] = lambda: False, cluster: bool = False) -> Iterator[ShadowDatabase]:
        """Yield a copy for a block; where `keep` says so behind it, the copy is the ground from then on.

        `cluster` says that scripts may drop roles, which no other database but the copy shall keep them from.
        """
        with ExitStack() as own:
            copy = own.enter_context(self._shadow.clone(self.database))
            with self._shadow.exclusive(copy) if cluster else nullcontext():
                yield copy
            if keep():
                self._own.close()
                self._own, self.database = self._stack.enter_context(own.pop_all()), copy

    def exclusive(self, *, cluster: bool) -> AbstractContextManager[None]:
        """Do for the ground itself what `copy` does for a copy."""
        return self._shadow.exclusive(self.database) if cluster else nullcontext()
