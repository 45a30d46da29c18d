"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.postgres import Database
from support.faults import Trial
from support.proxy import Proxy


@pytest.fixture
def trial(
    unwatched: None, pinging_beside: None, database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Trial]:
    """A scenario in the test's database, with a proxy in between; how slow the machine is adds no messages."""
    with Proxy(database.server.host, database.server.port) as proxy:
        yield Trial(request.param, database.conninfo, proxy, tmp_path, database.connect())
