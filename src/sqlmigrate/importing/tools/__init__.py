"""One module for each tool that we import from; each has a `TOOL`."""

from __future__ import annotations

from importlib import import_module

from sqlmigrate.importing.tool import Tool

NAMES = (
    "dbmate", "goose", "golang-migrate", "flyway", "supabase", "drizzle", "alembic", "sqitch", "sqlx", "prisma",
    "diesel", "node-pg-migrate", "graphile-migrate", "django",
)  # fmt: skip
"""The names of the tools, as `--from` takes them."""
WRITTEN = ("dbmate", "supabase")
"""Those whose history `mark --to` can write."""


def named(name: str) -> Tool:
    """Load a tool by its name."""
    found = import_module(f"{__name__}.{name.replace('-', '_')}").TOOL
    if not isinstance(found, Tool):
        raise TypeError(name)
    return found
