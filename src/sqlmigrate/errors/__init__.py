"""The exception tree: every error that a user can cause or meet, with its place and its exit status.

::

    Error                          1   the base: something failed
    ├── UsageError                 2   wrong options, or refused for want of a target or of --yes
    │   ├── ConfigError            2   a setting that cannot be read or does not fit
    │   ├── NoTargetError          2   no database was named and a private one was not asked for
    │   ├── InventoryError         2   the list of targets is refused; holds every problem found
    │   └── ConfirmationRequired   2   the question could not be asked, or the answer was no
    │       └── LossNotAccepted    2   data would be lost; holds what
    ├── ScriptError                1   a migration file cannot be read or must not be run
    ├── MigrationsError            1   the set of files is refused; holds every problem found
    ├── HistoryError               1   the recorded history and the files contradict each other
    ├── ConnectionFailed           1   no session could be opened, or the server cannot be written to
    ├── ExecutionError             1   PostgreSQL refused a statement of a script
    │   ├── LockBudgetSpent        5   lock_timeout struck until the budget was used up
    │   └── HalfWayError           6   a non-transactional script stopped half way
    ├── RunLockBusy                4   another run holds the run lock
    ├── SeedError                  1   seed data does not fit its schema or its tables
    ├── ServerError                1   a private PostgreSQL server could not be found, started or stopped
    └── Bug                       70   a mistake of ours; `report` holds its trace

Ctrl-C is a KeyboardInterrupt; one that leaves something behind is `Interrupted`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SIGNS = ("password", "secret", "scram_", "token=", ":/")
"""Where none of these stands, no password does."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file: `line` and `column` count characters from 1; `text` is that whole line, for the caret."""

    path: Path
    line: int | None = None
    column: int | None = None
    text: str | None = None

    def __str__(self) -> str:
        """Return `file:line:column`, as compilers do; unknown parts are left out."""
        return redact(":".join(str(part) for part in (self.path, self.line, self.column) if part is not None))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file; a warning does not stop `apply`, an error does.

    `detail` holds lines to be shown below it, such as a unified diff. `rule` names its kind in reports for other
    programs (`reports`), where it has one of its own.
    """

    message: str
    place: Place | None = None
    hint: str | None = None
    warning: bool = False
    detail: tuple[str, ...] = ()
    rule: str | None = None

    def __post_init__(self) -> None:
        """Blank out passwords."""
        for name in ("message", "hint"):
            if said := getattr(self, name):
                object.__setattr__(self, name, redact(said))

    def __str__(self) -> str:
        """Return the message behind its place."""
        return f"{self.place}: {self.message}" if self.place else self.message


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """What PostgreSQL said: the parts of an ErrorResponse that people read (protocol section 55.8).

    `internal_query` is what a function or DO block had PostgreSQL run, `internal_position` the 1-based place in it.
    """

    message: str
    severity: str = "ERROR"
    sqlstate: str | None = None
    detail: str | None = None
    hint: str | None = None
    context: str | None = None
    internal_query: str | None = None
    internal_position: int | None = None


class Error(Exception):
    """Something failed; `hint` says what to do next, `place` where it is.

    `done` holds the ids that the run had finished before. Passwords in its words are blanked out: people write a
    connection string where a name, a number or a command should stand.
    """

    exit_status: ClassVar[int] = 1
    done: tuple[str, ...] = ()

    def __init__(self, message: str, *, hint: str | None = None, place: Place | None = None) -> None:
        self.message = redact(message)
        super().__init__(self.message)
        self.hint = redact(hint) if hint else hint
        self.place = place

    def __str__(self) -> str:
        """Return the message behind its place."""
        return f"{self.place}: {self.message}" if self.place else self.message

    def replaced(self, **values: object) -> Self:
        """Return the same error with other values, for who knows more: an error does not change on its way up.

        Raises AttributeError for a value that this kind of error does not have.
        """
        made = type(self).__new__(type(self), *self.args)
        made.__dict__.update(self.__dict__)
        for name, value in values.items():
            getattr(self, name)
            setattr(made, name, value)
        return made.with_traceback(self.__traceback__)


class UsageError(Error):
    """The command was called in a way that it cannot carry out."""

    exit_status = 2


class ConfigError(UsageError):
    """A setting cannot be read or has a value that does not fit."""


class NoTargetError(UsageError):
    """No database was named, and a private server was not asked for."""


class InventoryError(UsageError):
    """The list of the databases of a fleet is refused; `problems` holds everything that was found."""

    def __init__(self, message: str, problems: Sequence[Problem] = (), *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class ConfirmationRequired(UsageError):
    """The question could not be asked, or the answer was no; nothing was changed."""


class LossNotAccepted(ConfirmationRequired):
    """Data would be lost, and nobody has accepted that; `losses` are plain values, as of `plan.Loss.as_json`."""

    def __init__(self, message: str, *, losses: Sequence[Mapping[str, object]], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.losses = tuple(losses)


class Bug(Error):
    """A mistake of ours, that no other place knew; `report` is its trace, without any password."""

    exit_status = 70

    def __init__(self, message: str, *, report: str) -> None:
        super().__init__(message)
        self.report = report


class ScriptError(Error):
    """A migration file cannot be read or must not be run."""


class MigrationsError(Error):
    """The migrations are refused as a set; `problems` holds everything that was found."""

    def __init__(self, message: str, problems: Sequence[Problem] = (), *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class HistoryError(Error):
    """The recorded history cannot be used, or contradicts the files."""


class ConnectionFailed(Error):
    """No session could be opened, or the one that was cannot do the work; `silent` says that nobody has answered."""

    silent = False


class RunLockBusy(Error):
    """Another run holds the run lock of this database."""

    exit_status = 4


class SeedError(Error):
    """Seed data does not fit its schema or its tables; nothing was written.

    `kept` says that it was committed all the same: what ran at COMMIT has taken rows away again. `server` holds
    PostgreSQL's own words, where it has refused something.
    """

    def __init__(
        self,
        message: str,
        problems: Sequence[Problem] = (),
        *,
        hint: str | None = None,
        place: Place | None = None,
        kept: bool = False,
        server: ServerMessage | None = None,
    ) -> None:
        super().__init__(message, hint=hint, place=place)
        self.problems = tuple(problems)
        self.kept = kept
        self.server = server


class ServerError(Error):
    """A private PostgreSQL server could not be found, started or stopped."""


class ExecutionError(Error):
    """PostgreSQL refused a statement of a script, or the session was lost under it.

    `server` holds PostgreSQL's own words, `statement` the number of the statement in its script (from 1),
    `migration_id` whose script it was, `operation` whether it was applied or rolled back, `kept` whether something of
    the script may be in the database, and `together` whether all scripts of the run shared one transaction.
    """

    def __init__(
        self,
        message: str,
        *,
        migration_id: str | None = None,
        server: ServerMessage | None = None,
        statement: int | None = None,
        hint: str | None = None,
        place: Place | None = None,
        kept: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, place=place)
        self.kept = kept
        self.migration_id = migration_id
        self.server = server
        self.statement = statement
        self.operation = "apply"
        self.together = False


class HalfWayError(ExecutionError):
    """A non-transactional script stopped half way; its journal says where, and `apply` goes on from there.

    `done_statements` is the last statement up to which all are done.
    """

    exit_status = 6
    done_statements = 0


class LockBudgetSpent(ExecutionError):
    """`lock_timeout` struck again and again until the budget was used up; nothing was changed."""

    exit_status = 5


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or a signal that counts as one, came where there is something to say of what it leaves: `left`.

    Where nothing is left of what was running, a KeyboardInterrupt stays what it is.
    """

    def __init__(self, left: str) -> None:
        super().__init__(left)
        self.left = left

    @classmethod
    def leaving(cls, left: str, stop: BaseException) -> Interrupted:
        """Say what an interruption leaves, behind what is said of it already."""
        return cls(f"{stop.left}; {left}" if isinstance(stop, Interrupted) else left)


def redact(text: str) -> str:
    """Blank out the passwords of URLs, connection strings, `ALTER ROLE ... PASSWORD` and JSON in a text."""
    lower = text.lower()
    if not any(sign in lower for sign in _SIGNS):  # nearly always
        return text
    from sqlmigrate.errors.redaction import without_passwords  # noqa: PLC0415  its patterns are slow to compile

    return without_passwords(text)


def as_bug(error: Exception) -> Bug:
    """Return the error that reports an exception that nobody expected, with its trace, both without any password."""
    import traceback  # noqa: PLC0415  only for a mistake of ours

    from sqlmigrate import __version__  # noqa: PLC0415  same

    message = f"this is a bug in sqlmigrate {__version__}: {type(error).__name__}: {redact(str(error))}"
    return Bug(message, report=redact("".join(traceback.format_exception(error))))
