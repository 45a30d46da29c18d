"""Write into the history what was seeded: the files as they were, and what became of their rows."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import RawCursor

from sqlmigrate import history
from sqlmigrate.errors import HistoryError
from sqlmigrate.history import SeededFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.connection import Connection
    from sqlmigrate.history import LastSeeded
    from sqlmigrate.seeds.model import SeedResult, SeedSet, TableResult


def record(
    connection: Connection, schema: str, owners: tuple[str, ...], role: str | None, seeds: SeedSet, result: SeedResult
) -> None:
    """Record in the caller's transaction, as the login role, what was written and what is new of the files.

    Nothing is written where neither is the case, and a database without a history has none to record it in. Raises
    HistoryError and psycopg.errors.InsufficientPrivilege where the login may not.
    """
    connection.execute("SET LOCAL role TO DEFAULT")
    if history.read(connection, schema, owners=owners).version is None:
        return
    last: Mapping[str, LastSeeded] | None = None
    with suppress(HistoryError, psycopg.errors.InsufficientPrivilege), connection.transaction():
        last = history.last_seeded(connection, schema, owners=owners)
    files = [] if last is None else [file for file in _files(seeds, result) if _is_news(file, last.get(file.file))]
    if not (files or result.written or result.pruned):
        return
    history.catch_up(connection, schema, owners)
    history.hold(connection, schema, owners)
    run, cursor = history.Run(), RawCursor(connection)
    for command in history.log(schema, None, "seed", run, script_role=role, reason=_words(result)):
        cursor.execute(command.sql.encode(), command.params)
    with suppress(HistoryError, psycopg.errors.InsufficientPrivilege), connection.transaction():
        history.write_seeded(connection, schema, owners, run, role, files)


def _files(seeds: SeedSet, result: SeedResult) -> Iterator[SeededFile]:
    """Yield the files, those of an environment, too; the counts stand with the one that the others are laid over."""
    digests = {seeds.directory / digest.name: digest for digest in seeds.digests}
    for file, item in zip(seeds.files, result.tables, strict=True):
        for at, source in enumerate(file.sources):
            if digest := digests.get(source.path):
                counts = _counts(item) if at == 0 else {}
                yield SeededFile(
                    digest.name, str(item.table), digest.checksum, digest.schema_checksum, source.rows, **counts
                )


def _counts(item: TableResult) -> dict[str, int]:
    return {name: getattr(item, name) for name in ("inserted", "updated", "unchanged", "kept", "pruned")}


def _is_news(file: SeededFile, last: LastSeeded | None) -> bool:
    """Tell whether rows of a file were written, or it is not as it was when it was recorded last."""
    if file.inserted or file.updated or file.pruned or last is None:
        return True
    return (file.checksum, file.schema_checksum) != (last.checksum, last.schema_checksum)


def _words(result: SeedResult) -> str:
    return ", ".join(
        f"{item.table}: {item.inserted} inserted, {item.updated} updated"
        f"{f', {item.pruned} pruned' if item.pruned else ''}"
        for item in result.tables
    )
