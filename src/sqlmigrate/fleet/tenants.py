"""Targets that are a schema in a database: their search_path, and a history of their own."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmigrate.errors import MigrationsError, Place, Problem
from sqlmigrate.sql.statement.session import sets_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.engine import Options
    from sqlmigrate.migrations import Migration
    from sqlmigrate.sql.script import Script

_NAME_BYTES, _DIGITS = 63, 12  # NAMEDATALEN - 1
_MAY_SET_PATH = re.compile(r"search_path|\bset\s+(?:\w+\s+)?schema\b|\b(?:reset|discard)\s+all\b", re.IGNORECASE)
_OVERLAP = 64  # characters of one part of a large script that are looked at again with the next one
_HINT = "write names without a schema; if a script needs what is in another one, the setting search_path adds it"


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


def require_no_paths(steps: Iterable[Migration]) -> None:
    """Refuse migrations that leave the tenant's schema by a search_path of their own: they would do the same to all.

    Raises MigrationsError.
    """
    scripts = (script for item in steps for script in (item.script, item.rollback) if script)
    if problems := [problem for script in scripts for problem in _own_paths(script)]:
        raise MigrationsError("the migrations do not fit targets that are schemas", problems)


def _own_paths(script: Script) -> Iterator[Problem]:
    """Find the first thing in a script that sets a search_path."""
    if script.directives.search_path is not None:
        what = "has a search_path of its own, so it cannot be applied to a tenant's schema"
        yield Problem(what, Place(script.path), _HINT)
    elif not script.refused and _may_set_path(script):
        found = next((item for item in script.readable_statements() if sets_path(item.text)), None)
        if found is not None:
            what = "sets the search_path, so what follows would not be done in the tenant's schema"
            yield Problem(what, script.place(found), _HINT)


def _may_set_path(script: Script) -> bool:
    """Tell by its words whether it is worth while to take a script apart."""
    before = ""
    for part in script.parts():
        if _MAY_SET_PATH.search(before + part):
            return True
        before = part[-_OVERLAP:]
    return False
