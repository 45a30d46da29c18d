"""Times that Python has no value for are read all the same: whoever writes rows may write those."""

from __future__ import annotations

from datetime import datetime

import pytest
from psycopg.rows import tuple_row

from sqlmigrate import connection as connections


@pytest.mark.pg
@pytest.mark.parametrize("kind", ["timestamp", "timestamptz"])
def test_each_time_of_postgresql_is_read(database, kind):
    texts = ["-infinity", "4713-02-01 00:00:00 BC", "2026-01-02 03:04:05", "12000-01-01 00:00:00", "infinity"]
    with connections.session(database.conninfo) as session:
        asked = f"SELECT t::pg_catalog.{kind} FROM pg_catalog.unnest(%s::pg_catalog.text[]) AS t"
        found = [row[0] for row in session.cursor(row_factory=tuple_row).execute(asked, [texts])]

    assert found == sorted(found)
    assert found[2].replace(tzinfo=None) == datetime.fromisoformat("2026-01-02 03:04:05")
    assert [time.astimezone().year for time in found] == [1, 1, 2026, 9999, 9999]
