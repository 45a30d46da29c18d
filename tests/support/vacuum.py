"""A table that autovacuum works on, slowly."""

from __future__ import annotations

from typing import Any

import psycopg

from support.waiting import wait_until

SLOWLY = "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1"
_SOON = "autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0"
_WORKER = """
SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'autovacuum worker' AND query LIKE %s
"""


def make_thing(conninfo: str) -> None:
    """Make a table `thing` that keeps autovacuum busy."""
    # at the session's end what it did is counted at once, and not after ten idle seconds
    with psycopg.connect(conninfo, autocommit=True) as session:
        session.execute(f"CREATE TABLE public.thing (n integer) WITH ({SLOWLY}, {_SOON})")
        session.execute("INSERT INTO public.thing SELECT pg_catalog.generate_series(1, 50000)")
        session.execute("DELETE FROM public.thing WHERE n % 2 = 0")


def wait_for_vacuum(session: psycopg.Connection[Any], pattern: str = "%thing%", database: str | None = None) -> int:
    """Wait until autovacuum works on something like this; gives its process id."""
    name = database or session.info.dbname
    return int(wait_until(lambda: session.execute(_WORKER, [name, pattern]).fetchone(), timeout=100)[0])
