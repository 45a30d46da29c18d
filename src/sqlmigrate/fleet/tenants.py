"""Targets that are a schema in a database: their search_path, and a history of their own."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmigrate.errors import MigrationsError, Place, Problem

if TYPE_CHECKING:
    from sqlmigrate.engine import Options
    from sqlmigrate.migrations import Migrations

_NAME_BYTES, _DIGITS = 63, 12  # NAMEDATALEN - 1


def history_schema(tenant: str | None, base: str) -> str:
    """Return the schema of a target's history: the project's, or for a tenant one beside its schema.

    A name that would be too long is cut and made unique.
    """
    if tenant is None:
        return base
    name = f"{tenant}_{base}"
    if len(name.encode()) <= _NAME_BYTES:
        return name
    digits = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name.encode()[: _NAME_BYTES - _DIGITS - 1].decode(errors='ignore')}_{digits}"


def options_of(tenant: str | None, options: Options) -> Options:
    """Return how scripts run for a target: a tenant's find its schema first, and behind it the configured path."""
    if tenant is None:
        return options
    quoted = '"' + tenant.replace('"', '""') + '"'
    path = f"{quoted}, {options.search_path}" if options.search_path else quoted
    return replace(options, tenant=tenant, search_path=path, schema=history_schema(tenant, options.schema))


def require_no_paths(migrations: Migrations) -> None:
    """Refuse scripts that set a search_path of their own: they would do the same to all tenants.

    Raises MigrationsError.
    """
    scripts = (script for item in migrations.ordered for script in (item.script, item.rollback) if script)
    problems = [
        Problem("has a search_path of its own, so it cannot be applied to a tenant's schema", Place(script.path))
        for script in scripts
        if script.directives.search_path is not None
    ]
    if problems:
        raise MigrationsError("the migrations do not fit targets that are schemas", problems)
