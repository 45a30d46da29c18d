"""What the history holds, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  rows are held against the types of their fields
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Applied:
    """One applied migration as recorded, at `applied_at` in UTC.

    For a row that yoyo added, `seq` and `run_id` are None.
    """

    migration_id: str
    migration_hash: str
    applied_at: datetime | None = None
    seq: int | None = None
    marked: bool = False
    checksum: str | None = None
    sha256: str | None = None
    rollback_checksum: str | None = None
    run_id: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement of a non-transactional script, or one block from BEGIN to COMMIT, as the journal knows it.

    `state` is `running` (its outcome is not known), `failed` or `done`; `found` is what was there before it ran.
    """

    number: int
    last_number: int
    state: str
    digest: str
    statement: str
    line: int | None = None
    found: dict[str, Any] | None = None
    error: str | None = None
    run_id: str | None = field(default=None, compare=False)

    @property
    def is_known(self) -> bool:
        """Whether a release of ours may have written this row of the journal."""
        in_place = 0 < self.number <= self.last_number and self.state in {"running", "failed", "done"}
        return in_place and (self.found is None or isinstance(self.found, dict))


def last_done(entries: Iterable[Entry]) -> int:
    """Return the last statement that is done; all before it are done too."""
    return max((entry.last_number for entry in entries if entry.state == "done"), default=0)


@dataclass(frozen=True, slots=True)
class HalfWay:
    """A non-transactional script that stopped half way; `operation` is apply or rollback."""

    migration_id: str
    operation: str
    entries: tuple[Entry, ...]

    @property
    def stopped_at(self) -> Entry:
        """The last statement that was begun."""
        return self.entries[-1]

    @property
    def run_id(self) -> str | None:
        """The run that stopped."""
        return self.stopped_at.run_id

    @property
    def done(self) -> int:
        """The last statement that is done; all before it are done too."""
        return last_done(self.entries)


@dataclass(frozen=True, slots=True)
class Texts:
    """The scripts of a migration as they were recorded; None where they were too large, or only yoyo knows it."""

    script: str | None = None
    rollback: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How tables that are believed stand.

    `shared` says that others than the login and superusers can change what they do, so that they are looked at again
    before each write. `subscription` is the one by which another server writes to them, `unlogged` says that a crash
    of the server empties them.
    """

    shared: bool = False
    subscription: str | None = None
    unlogged: bool = False

    def remarks(self) -> list[Problem]:
        """Return warnings for whoever asks what is applied."""
        found = []
        if self.subscription is not None:
            message = (
                f"the history gets rows from another server (subscription {self.subscription}): "
                "it says what was applied there, even if that is not here"
            )
            hint = "leave its schema out of the publication there, then ALTER SUBSCRIPTION ... REFRESH PUBLICATION"
            found.append(Problem(message, hint=hint, warning=True))
        if self.unlogged:
            message = "the history is UNLOGGED: a crash of the server empties it, and no standby has it"
            found.append(Problem(message, hint="ALTER TABLE ... SET LOGGED for each of its tables", warning=True))
        return found


@dataclass(frozen=True, slots=True)
class History:
    """The applied migrations in the order of their application, and the scripts that stopped half way.

    `version` is None where no tables exist yet; `texts` are the recorded scripts of those migrations for which they
    were asked (`with_texts`): mostly of none, since only an edited file is compared with what was recorded.
    `standing` is how the tables stand. `attempts` says that there is a table for what became of attempts.
    """

    applied: tuple[Applied, ...] = ()
    version: int | None = None
    half_way: tuple[HalfWay, ...] = ()
    texts: Mapping[str, Texts] = field(default_factory=dict, repr=False, compare=False)
    standing: Standing = field(default=Standing(), repr=False, compare=False)
    attempts: bool = field(default=False, repr=False, compare=False)

    def half_way_of(self, migration_id: str) -> HalfWay | None:
        """Return where a script of this id stopped half way; a rollback goes before the apply that it undoes."""
        found = [item for item in self.half_way if item.migration_id == migration_id]
        return max(found, key=lambda item: item.operation, default=None)

    def get(self, migration_id: str) -> Applied | None:
        """Return what is recorded of an id, or None."""
        return next((row for row in self.applied if row.migration_id == migration_id), None)

    def text_of(self, migration_id: str) -> Texts:
        """Return the recorded scripts of an id, as far as there are any."""
        return self.texts.get(migration_id, Texts())


def _run_id() -> str:
    import uuid  # noqa: PLC0415  most calls run nothing

    return str(uuid.uuid4())


def _hostname() -> str:
    import socket  # noqa: PLC0415  as above

    return socket.gethostname()[:255]


def _username() -> str:
    import getpass  # noqa: PLC0415  as above

    try:
        return getpass.getuser()[:255]
    except (KeyError, OSError):  # a container may run as a user id without a name
        return "unknown"


@dataclass(frozen=True, slots=True)
class Run:
    """Who runs: recorded with everything that one call of the command does."""

    run_id: str = field(default_factory=_run_id)
    username: str = field(default_factory=_username)
    hostname: str = field(default_factory=_hostname)
