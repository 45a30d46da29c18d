"""Write docs/locks.md: what statements lock, rewrite and scan, as the tests measure it: python tools/lock_table.py."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "locks.md"
sys.path.insert(0, str(ROOT / "tests"))

from support.statement_kinds import KINDS, Kind  # noqa: E402  lies beside the tests

_HEAD = """# What statements lock

Measured, not copied: `sqlmigrate review` traces each of these statements in a small database, and a
test holds this table to what PostgreSQL 15 and 18 really do (14, 16 and 17 in `make matrix`).
*Rewrites* are tables and indexes that are rewritten, *scans* are tables that are read from end to
end. Both take time in proportion to the table's size, and the lock is held meanwhile. Only tables
that existed before count: nobody can wait for a new table.

`orders` has a primary key and two indexes, a check that forbids `NULL` in `reason`, a check on
`note`, and a foreign key to `customers`; `measures` is partitioned, with a default partition
`measures_rest`; `plain` has none.

| statement | locks | rewrites | scans |
|---|---|---|---|
"""
_FOOT = """
The modes, from the weakest: ACCESS SHARE, ROW SHARE, ROW EXCLUSIVE, SHARE UPDATE EXCLUSIVE, SHARE,
SHARE ROW EXCLUSIVE, EXCLUSIVE, ACCESS EXCLUSIVE. From SHARE on, writes wait; behind ACCESS
EXCLUSIVE, reads wait too. If an index is locked more strongly than its table, it is named beside
it: whoever plans a query on the table waits for it.
"""


def text() -> str:
    """Give the page."""
    return _HEAD + "".join(map(_row, KINDS)) + _FOOT


def _row(kind: Kind) -> str:
    locks = _locks(kind.locks)
    if kind.from_18 is not None:
        locks = f"{locks}; from 18 on: {_locks(kind.from_18)}"
    cells = (f"`{kind}`".replace("|", "\\|"), locks, ", ".join(kind.rewrites), ", ".join(kind.scans))
    return f"| {' | '.join(cell or '-' for cell in cells)} |\n"


def _locks(locks: dict[str, str]) -> str:
    return ", ".join(f"{name} {mode}" for name, mode in locks.items()) or "-"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
