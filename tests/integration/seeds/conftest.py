"""What the tests of seeding share."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest


@pytest.fixture
def session_with_tables(conn: psycopg.Connection[Any], request: pytest.FixtureRequest) -> psycopg.Connection[Any]:
    """A session in a database that has the TABLES of the file."""
    conn.execute(request.module.TABLES)
    return conn
