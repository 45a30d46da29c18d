"""The session that samples and expectations run in, and that reads what scripts have made."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.shadow import ShadowDatabase

_PREPARED_FROM = 2
_OFTEN = "SET plan_cache_mode TO force_generic_plan"


class Tester:
    """The tester's session in one database, which is opened anew where a script has ended it.

    One that is used for `many` pairs has the server keep its plans: to make them takes longer than to run them.
    """

    def __init__(self, stack: ExitStack, conninfo: str, *, many: bool) -> None:
        self._stack, self._conninfo, self._many = stack, conninfo, many
        self._session = self._opened()

    def __call__(self) -> Connection:
        """Return the session."""
        try:
            self._session.execute("SELECT")
        except psycopg.OperationalError:
            self._session = self._opened()
        return self._session

    def keep_in(self, stack: ExitStack) -> None:
        """Let another stack close the sessions to come."""
        self._stack = stack

    def _opened(self) -> Connection:
        opened = self._stack.enter_context(session(self._conninfo))
        if self._many and not opened.pooled:
            opened.execute(_OFTEN)
            opened.prepare_threshold = _PREPARED_FROM
        return opened


@contextmanager
def tested_by(database: ShadowDatabase) -> Iterator[Tester]:
    """Yield the tester of a database for a block."""
    with ExitStack() as stack:
        yield Tester(stack, database.tester_conninfo, many=False)
