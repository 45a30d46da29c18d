from __future__ import annotations

import pytest

from support.fleets import Fleet


@pytest.fixture
def fleet(tmp_path):
    directory = tmp_path / "sql"
    directory.mkdir()
    return Fleet(directory)
