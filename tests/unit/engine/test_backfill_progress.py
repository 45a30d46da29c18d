"""How far a batched statement is, as its journal entry says it."""

from __future__ import annotations

import pytest

from sqlmigrate.engine.backfill.progress import Progress
from sqlmigrate.errors import HistoryError

FOUND = Progress("t", ["k"], "x", ["7"], 1, 500, 400, 0.5, 20_000).written()


def test_what_was_written_is_read_with_what_a_later_release_adds():
    assert Progress.read(FOUND | {"later": 1}) == Progress("t", ["k"], "x", ["7"], 1, 500, 400, 0.5, 20_000)
    assert Progress.read({"kind": "index"}) is None


@pytest.mark.parametrize(
    "values",
    [
        {"rows": "7"},
        {"seconds": "x"},
        {"estimate": "a"},
        {"token": None},
        {"position": "x"},
        {"position": [1]},
        {"key": "k"},
        {"batches": {}},
        {"wanted": 5},
    ],
)
def test_what_somebody_has_made_up_is_an_error_and_no_bug(values):
    with pytest.raises(HistoryError, match="none that sqlmigrate has written"):
        Progress.read(FOUND | values)
