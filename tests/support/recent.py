"""Follow what the open transaction of a session has changed, and see how it was found."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import psycopg

from sqlmigrate.schema.recent import Recent, recent


class Spied(Recent):
    """Remembers which answers came from the rows of the transaction alone."""

    def __init__(self, catalogs: dict[str, int]) -> None:
        super().__init__(catalogs, may_stop=False)
        self.sure: list[bool] = []

    def changed(self, connection: psycopg.Connection[Any], leave_out: Collection[str]) -> dict[int, bool] | None:
        found = super().changed(connection, leave_out)
        self.sure.append(found is not None)
        return found


def spied(session: psycopg.Connection[Any]) -> Spied:
    """Follow a session that might stop the server from counting, and does not."""
    return Spied(recent(session).catalogs)
