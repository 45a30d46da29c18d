"""Where a database has no history yet: look whether another one, of ours or of another tool, says what is applied."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from sqlmigrate import queries
from sqlmigrate.errors import HistoryError
from sqlmigrate.history import foreign as other_tools
from sqlmigrate.history import yoyo_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.plan import Plan


def require_new(connection: Connection, options: Options, plan: Plan) -> tuple[str, ...]:
    """Say which other tools keep a history here, whose migrations would be run again unless they are marked.

    For a tenant, here is its schema: what is in others is not its own. Raises HistoryError where yoyo has applied one
    of the plan (its files, ids and tables are ours), and where a table of yoyo's is not to be trusted.
    """
    hashes = [migration.migration_hash for migration in plan.steps]
    if found := yoyo_tables.not_adopted(connection, options.schema, options.history_owners, hashes, options.tenant):
        place, row = found
        raise HistoryError(
            f"{row} is applied, says {place}, but sqlmigrate does not know it yet; nothing was run",
            hint=f"take over yoyo's history once: sqlmigrate mark --from yoyo --schema {quote(place.schema)}",
        )
    return (*our_others(connection, options), *of_other_tools(connection, options.tenant))


def our_others(connection: Connection, options: Options) -> Iterator[str]:
    """Say that another history of ours does not count here: its schema, or the setting, may have had another name."""
    if options.tenant:
        return  # each tenant has one
    if others := yoyo_tables.of_ours(connection, options.schema):
        more = f" and in {len(others) - 1} more" if len(others) > 1 else ""
        yield (
            f"there is another history of sqlmigrate in schema {others[0]}{more}: what it records as applied does "
            f"not count for the one in schema {options.schema}"
        )


def histories_of_others(connection: Connection, within: str | None = None) -> dict[tuple[str, str], str]:
    """Return the tool of each table, by schema and name, in which another one but yoyo says what it has applied.

    It looks in all schemas, or `within` one.
    """
    values = {"names": other_tools.NAMES, "columns": other_tools.MARKS, "within": within}
    tables = connection.execute(queries.load("history")["of_other_tools"], values).fetchall()
    return other_tools.histories(tables)


def of_other_tools(connection: Connection, within: str | None = None) -> Iterator[str]:
    """Say which other tools keep a history here, as long as we have none: nothing of it counts as applied."""
    for (space, name), tool in histories_of_others(connection, within).items():
        adopted = other_tools.ADOPTED.get(tool)
        command = f"sqlmigrate mark --from {adopted}" if adopted else "sqlmigrate mark ID ..."
        yield (
            f"{space}.{name} is the history of {tool}: what it has applied of these files would run again; mark it "
            f"first: {command}"
        )
