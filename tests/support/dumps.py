"""A database as comparable text."""

from __future__ import annotations

import re

NOISE = re.compile(
    r"^(?:--|-- (?:PostgreSQL database|Dumped|Started|Completed|Name:|Data for Name:|TOC ).*|\\(?:un)?restrict .*)$"
)


def normalized(dump: str) -> str:
    """Take out of a `pg_dump` what differs from run to run: its own comments, versions, the order of rows."""
    lines: list[str] = []
    rows: list[str] | None = None
    for line in dump.splitlines():
        if rows is not None and line != r"\.":
            rows.append(line)
        elif rows is not None:
            lines += [*sorted(rows), line]
            rows = None
        elif not (NOISE.match(line) or (not line and lines[-1:] in ([], [""]))):
            lines.append(line)
            rows = [] if re.match(r"COPY .* FROM stdin;$", line) else None
    return "\n".join(lines).rstrip() + "\n"
