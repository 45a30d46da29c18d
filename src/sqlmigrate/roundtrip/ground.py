"""The database that holds everything before the next migration, and the copies of it that pairs are tried on."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.roundtrip.model import LeftOut
from sqlmigrate.roundtrip.tester import Tester
from sqlmigrate.sql.statement.needs import cluster_wide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlmigrate.errors import Error
    from sqlmigrate.migrations import Migration
    from sqlmigrate.schema.read import Snapshot
    from sqlmigrate.schema.shared import Shared
    from sqlmigrate.shadow import Shadow, ShadowDatabase
    from sqlmigrate.sql.script import Script


@dataclass(frozen=True, slots=True)
class Base:
    """What is in the shadow before the first migration: a dump of the target, which has these applied."""

    dump: Script
    applied: frozenset[str]


def _is_repeatable(migration: Migration) -> bool:
    """Tell whether what a migration did to one database can be done to another one of the same server."""
    return migration.forward().transactional and not cluster_wide(migration.script, blocks=True)


def _beginning(shadow: Shadow, source: ShadowDatabase | None, *, given: bool) -> AbstractContextManager[ShadowDatabase]:
    if source is None:
        return shadow.database()
    return nullcontext(source) if given else shadow.clone(source)


class Ground:
    """The database that holds everything before the next migration, but for those in `left_out`, which failed.

    `known` is its schema as far as it was read, and `now` where it is that still; `shared` is what its server shared
    when a pair was looked at last. It `is_as_kept` as long as nobody has worked in what was taken from the cache
    together with its schema, `known`. `behind` are the ids of the migrations that it began with, which were only
    applied, in their order. A pair may be tried on the ground itself: between `secure` and `fall_back`.
    """

    def __init__(
        self, shadow: Shadow, stack: ExitStack, source: ShadowDatabase | None = None, *, given: bool = False
    ) -> None:
        """Begin with a database of what `bootstrap/` makes, with a copy of `source`, or if `given` with it."""
        self._shadow = shadow
        self._stack = stack
        self._source = source
        self._spare: Ground | None = None
        self._since: list[Migration] | None = None if given and source else []
        self._own = self._begun(_beginning(shadow, source, given=given))
        self.known: Snapshot | None = None
        self.now: Snapshot | None = None
        self.shared: Shared | None = None
        self.is_as_kept = False
        self.left_out: list[LeftOut] = []
        self.behind: tuple[str, ...] = ()

    def _begun(self, made: AbstractContextManager[ShadowDatabase]) -> ExitStack:
        """Go on with a database, and return what drops it."""
        self.is_as_kept = False
        own = self._stack.enter_context(ExitStack())
        self.database = own.enter_context(made)
        self._kept: ExitStack = ExitStack()
        self._tester: Tester | None = None
        own.callback(self._unread)
        return own

    def fork(self, stack: ExitStack) -> Ground:
        """Return another ground that goes on from here, on a copy; it is dropped with the stack.

        As long as it is in use, this one must stay as it is: the other may be made anew from it.
        """
        self._unread()
        other = Ground(self._shadow, stack, self.database)
        other.known, other.left_out, other.behind = self.known, list(self.left_out), self.behind
        other.is_as_kept = self.is_as_kept
        return other

    def learn(self, other: Ground) -> None:
        """Take over the schema that a fork has read, unless it is not the same for whoever reads it."""
        if self.known is None and other.known is not None and other.known.is_for_all:
            self.known = other.known

    def leave_out(self, migration: Migration, error: Error | None) -> None:
        """Note that a migration could not be applied, so that what follows is tried without it."""
        self.left_out.append(LeftOut(migration.migration_id, error))
        self.changed()  # sequences may have moved

    def went(self, migrations: Iterable[Migration]) -> None:
        """Note that these were applied, in this order, but for those that are left out."""
        without = {left.migration_id for left in self.left_out}
        for migration in migrations:
            self.now = None
            if migration.migration_id in without:
                continue
            if self._since is not None and _is_repeatable(migration):
                self._since.append(migration)
            else:
                self.changed()

    def changing(self) -> None:
        """Note that somebody is about to work in its database: what was copied from it ahead is of no use any more."""
        self.is_as_kept = False
        self._shadow.changes(self.database)

    def changed(self) -> None:
        """Note that something was done to the ground that cannot be done a second time elsewhere."""
        self._since = self.now = None

    def secure(self) -> None:
        """See to it that there is a way back to the ground as it is now; mostly there is one, and nothing is done."""
        if self._since is None:
            if self._spare is not None:
                self._spare.close()
            self._unread()
            self._spare, self._since = Ground(self._shadow, self._stack, self.database), []

    def fall_back(self, replay: Callable[[Sequence[Migration], Ground], None]) -> None:
        """Make the ground anew as it was when the last migration was noted.

        Another database, which each migration is applied to once, follows it up to there; the ground is a copy of it.
        """
        self._own.close()
        self.now = None
        if self._spare is None:
            self._spare = Ground(self._shadow, self._stack, self._source)
        spare, before = self._spare, len(self._spare.left_out)
        since, self._since = self._since or [], []
        replay(since, spare)
        self._own = self._begun(self._shadow.clone(spare.database))
        self.left_out += spare.left_out[before:]

    @contextmanager
    def tested(self) -> Iterator[Tester]:
        """Yield the tester of the ground for a block; it is kept for the next one until the ground is copied."""
        kept, tester = self._kept, self._tester
        self._kept, self._tester = ExitStack(), None
        with kept:
            tester = tester or Tester(kept, self.database.tester_conninfo, many=True)
            yield tester
            self._kept, self._tester = kept.pop_all(), tester
            tester.keep_in(self._kept)

    def _unread(self) -> None:
        self._kept.close()
        self._tester = None

    def close(self) -> None:
        """Drop the database."""
        self._own.close()

    @contextmanager
    def copy(self, *, keep: Callable[[], bool] = lambda: False, cluster: bool = False) -> Iterator[ShadowDatabase]:
        """Yield a copy for a block; where `keep` says so behind it, the copy is the ground from then on.

        `cluster` says that scripts may drop roles, which no other database but the copy shall keep them from.
        """
        self._unread()
        with ExitStack() as own:
            copy = own.enter_context(self._shadow.clone(self.database))
            with self._shadow.exclusive(copy) if cluster else nullcontext():
                yield copy
            if keep():
                self.changed()
                own.callback(self._unread)
                self._own.close()
                self._own, self.database = self._stack.enter_context(own.pop_all()), copy
                self.is_as_kept = False

    def exclusive(self, *, cluster: bool) -> AbstractContextManager[None]:
        """Do for the ground itself what `copy` does for a copy."""
        return self._shadow.exclusive(self.database) if cluster else nullcontext()
