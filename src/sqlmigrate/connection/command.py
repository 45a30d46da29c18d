"""A command of ours: its SQL, its parameters, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Purpose(Enum):
    """What a command is for: it decides what its answer means, and whether a plan for psql has it."""

    OTHER = auto()
    """No answer decides anything; a failure means that the history could not be written."""
    SETTINGS = auto()
    """Makes the settings that a script runs under."""
    ROLE = auto()
    """Takes on the role of the script."""
    TENANT = auto()
    """Fails (22012) where names of the script would be looked up in another schema than its tenant's."""
    ADVISORY_LOCKS = auto()
    """Gives back the advisory locks of a script; in psql, whose session holds the run lock, that would go too."""
    TRUST = auto()
    """Holds the history's tables and looks at them; fails (22012) where somebody has changed what they do."""
    CLAIM = auto()
    """Writes or takes away the row that says what is applied; fails where another run was faster."""
    UNTOUCHED = auto()
    """Fails (22012) where the script itself has changed what the history's tables do."""
    COMPLETE = auto()
    """Completes the row that was claimed; writes none where the script has removed it."""
    LOG = auto()
    """Writes down who did what."""
    CONSTRAINTS = auto()
    """Checks at the end of a script what it has deferred."""
    SHARED_CONSTRAINTS = auto()
    """The same at the end of a transaction that several scripts share."""
    FLUSH = auto()
    """Decides whether the COMMIT to come flushes the WAL; returns a row where that is not sure."""
    COMMIT = auto()
    """Ends the transaction of scripts with all that they did."""
    CHANGED = auto()
    """Looks at the end of a script whether a new session would find something else; then it returns a row."""
    WRITTEN = auto()
    """Tells at the end of a script what it may have written; its row is kept."""
    PROGRESS = auto()
    """Moves the progress of a batched statement on; fails (22012) where another run has done so."""
    CONFIRM = auto()
    """Looks behind the COMMIT whether the history says what was done; fails (22012) where it does not."""


@dataclass(frozen=True, slots=True)
class Command:
    """One SQL command and its parameters in PostgreSQL's text form; without parameters, `%` and `$1` are plain text.

    Nobody recognises a command by its text: `purpose` tells. With a `name` and no parameters it is only prepared under
    that name; with parameters, what was prepared under it runs.
    """

    sql: str
    params: tuple[str | None, ...] = ()
    purpose: Purpose = Purpose.OTHER
    name: str | None = None
