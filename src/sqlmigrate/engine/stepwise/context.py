"""What a script outside a transaction is run with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.engine.lag import Lag
    from sqlmigrate.engine.stepwise.journal import Journal, Sender
    from sqlmigrate.engine.transaction.commit import Turn
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.history import History
    from sqlmigrate.runlock.aside import Row


@dataclass(frozen=True, slots=True)
class Context:
    """One script with its session and its journal, and what the run does for it.

    `turn` is what the run knows of how far it has come. `retrying` does a piece of work again where a lock was not
    granted. `afterwards` gives the history as another session finds it once this one is lost, None where it cannot be
    asked. `hold` raises ConnectionFailed where the run lock is lost. `ask` asks by a query of ours on the connection of
    the run lock, None standing for no answer; `standbys` looks there for those that lag by more than so many seconds.
    `resume_at` is the statement at which the user wants a script that stopped half way to go on; None where it is to be
    found out, or has not begun.
    """

    sender: Sender
    turn: Turn
    journal: Journal
    options: Options
    info: ServerInfo
    retrying: Callable[[Callable[[], None]], None]
    afterwards: Callable[[], History | None]
    hold: Callable[[], None] = lambda: None
    ask: Callable[[str], list[Row] | None] = lambda _: None
    standbys: Callable[[float], Lag] | None = None
    resume_at: int | None = None
