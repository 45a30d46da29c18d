"""The SQL of our own, kept as files: blocks that begin with a line `-- name: NAME`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def load(name: str) -> dict[str, str]:
    """Read the blocks of `queries/NAME.sql` by their names."""
    text = files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("-- name: "):
            lines = blocks.setdefault(line.removeprefix("-- name: ").strip(), [])
        else:
            lines.append(line)
    return {key: "\n".join(block).strip() for key, block in blocks.items()}


def history_upgrade(version: int) -> str:
    """Read the script that brings the history tables from the version before to this one."""
    return history_part(f"{version:03d}")


def history_part(name: str) -> str:
    """Read the script that makes a part of the history tables."""
    return files(__name__).joinpath("history", f"{name}.sql").read_text(encoding="utf-8")
