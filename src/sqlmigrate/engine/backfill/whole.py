"""Run a batched statement on a throwaway database: the same checks, and then one batch of all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.engine.backfill.errors import failed
from sqlmigrate.engine.backfill.prepared import prepare
from sqlmigrate.engine.backfill.verify import require_verified

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.engine.backfill.prepared import Prepared
    from sqlmigrate.engine.stepwise.journal import Sender
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.script import Statement


def run_whole(
    sender: Sender, statement: Statement, batched: Batched, look: Callable[[Prepared, Batched], None] | None = None
) -> None:
    """Run it once, from the first key to the last, and verify it; before that `look` may look at what was prepared."""
    prepared = prepare(sender, statement, batched)
    if look is not None:
        look(prepared, batched)
    try:
        bounds = prepared.key.whole(sender.connection)
    except psycopg.Error as error:
        raise failed(sender, statement, error) from None
    sender.send(prepared.step(bounds))
    prepared.forget()
    require_verified(sender, statement, batched)
