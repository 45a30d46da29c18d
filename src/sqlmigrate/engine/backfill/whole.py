"""Run a batched statement on a throwaway database: the same checks, and then one batch of all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from sqlmigrate.engine.backfill.errors import failed
from sqlmigrate.engine.backfill.prepared import prepare
from sqlmigrate.engine.backfill.verify import require_verified

if TYPE_CHECKING:
    from sqlmigrate.engine.stepwise.journal import Sender
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.script import Statement


def run_whole(sender: Sender, statement: Statement, batched: Batched) -> None:
    """Run it once, from the first key to the last; in a transaction of the caller's the verify is not asked."""
    prepared = prepare(sender, statement, batched)
    try:
        bounds = prepared.key.whole(sender.connection)
    except psycopg.Error as error:
        raise failed(sender, statement, error) from None
    sender.send(prepared.step(bounds))
    prepared.forget()
    if sender.connection.info.transaction_status == pq.TransactionStatus.IDLE:
        require_verified(sender, statement, batched)
