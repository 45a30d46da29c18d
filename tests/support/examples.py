"""How many examples a property is tried with."""

from __future__ import annotations

import os

FEW = os.environ.get("SQLMIGRATE_TEST_FEW_EXAMPLES") == "1"
"""Whether a fifth of the examples does: where the same tests have run before with all, on another Python or server."""


def examples(count: int) -> int:
    """Give how many of so many examples to try."""
    return max(count // 5, 10) if FEW else count
