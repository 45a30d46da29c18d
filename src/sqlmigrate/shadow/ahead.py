"""Copies of a database that will be needed, made in a session of their own while something else is done."""

from __future__ import annotations

from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg import sql

    from sqlmigrate.connection import Connection


class Ahead:
    """Copies of one database, made one after the other; nobody else uses the session meanwhile.

    No more than the first, which is needed next, is made unless there `is_room` for the others, asked in that session.
    An error is told to nobody: whoever gets no copy makes one himself, and then hears why that cannot be done.
    """

    def __init__(
        self, session: Connection, statements: Mapping[str, sql.Composed], is_room: Callable[[Connection], bool]
    ) -> None:
        """Begin at once to make those of these names, each by its statement."""
        self._session = session
        self._is_room = is_room
        self._statements = dict(statements)
        self._made: SimpleQueue[str | None] = SimpleQueue()
        self._names = list(statements)
        self._left = False
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether its session may be used for something else."""
        return not self._thread.is_alive()

    def take(self) -> str | None:
        """Return the name of the next copy, once it is made; None where there is none any more."""
        name = self._made.get() if self._names else None
        if name is not None:
            self._names.remove(name)
        else:
            self._made.put(None)
        return name

    def leave(self) -> list[str]:
        """Make no more of them, and give the names of those that nobody has taken: they may be there or not."""
        self._left = True
        if not self.is_done:
            with suppress(psycopg.Error):
                self._session.cancel()
            self._thread.join()
        return self._names

    def _work(self) -> None:
        try:
            for number, (name, statement) in enumerate(self._statements.items()):
                if self._left or (number == 1 and not self._is_room(self._session)):
                    return
                self._session.execute(statement)
                self._made.put(name)
        except psycopg.Error:
            pass
        finally:
            self._made.put(None)
