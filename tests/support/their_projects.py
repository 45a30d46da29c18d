"""Projects of other tools on a live database: applied by the tool, or files and rows as it would write them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from zlib import crc32

from psycopg import sql

from fixtures.postgres import Database
from support.importing import written
from support.their_histories import TABLES
from support.their_tools import (
    REAL,
    changes,
    committed_files,
    dbmate_files,
    drizzle_files,
    hashes,
    revisions,
    supabase_files,
)

_FLYWAY = "src/main/resources/db/migration"


@dataclass(frozen=True)
class Recorded:
    """A project as files and the rows of its history: a statement for each migration, and what goes before."""

    files: Callable[[int], Mapping[str, str]]
    row: Callable[[int, str, str], str]
    first: str = ""


def when(number: int) -> str:
    """Give the time at which the old tool applied a migration, if it records one."""
    return f"2024-03-01 10:{number:02d}:00"


def live(tool: str, root: Path, database: Database, count: int, *, really: bool) -> None:
    """Write the project, and have the tool apply it, or do what it would have done."""
    if really:
        REAL[tool].apply(written(root, REAL[tool].files(count)), database)
        return
    record = RECORDED[tool]
    written(root, record.files(count))
    session = database.connect()
    session.execute(TABLES[tool])
    session.execute(record.first)
    for number, (name, up, _) in enumerate(changes(count), 1):
        session.execute(up)
        session.execute(record.row(number, name, up))


def _literal(text: str) -> str:
    return sql.Literal(text).as_string()


def _pairs(path: str, undo: str, count: int) -> dict[str, str]:
    """Write each direction into a file of its own."""
    files = {}
    for number, (name, up, down) in enumerate(changes(count), 1):
        files |= {path.format(number=number, name=name): up, undo.format(number=number, name=name): down}
    return files


def _flyway_row(number: int, name: str, up: str) -> str:
    checksum = 0
    for line in up.split("\n"):
        checksum = crc32(line.encode(), checksum)
    checksum -= (1 << 32) * (checksum >= 1 << 31)
    said = name.replace("_", " ")
    return (
        f"INSERT INTO flyway_schema_history VALUES ({number}, '1.{number}', '{said}', 'SQL', 'V1_{number}__{name}.sql',"
        f" {checksum}, 'me', '{when(number)}', 7, true)"
    )


def _goose_files(count: int) -> dict[str, str]:
    begin, end = "-- +goose StatementBegin\n", "-- +goose StatementEnd\n"
    return {
        f"migrations/{number:05d}_{name}.sql": f"-- +goose Up\n{begin}{up}{end}\n-- +goose Down\n{begin}{down}{end}"
        for number, (name, up, down) in enumerate(changes(count), 1)
    }


def _stream(count: int) -> dict[str, str]:
    """Write what Alembic prints with --sql."""
    steps = list(zip(pairwise(["", *revisions(count)]), changes(count), strict=True))
    up = "".join(f"-- Running upgrade {below} -> {name}\n\n{text}\n" for (below, name), (_, text, _) in steps)
    down = "".join(
        f"-- Running downgrade {name} -> {below}\n\n{text}\n" for (below, name), (_, _, text) in reversed(steps)
    )
    return {"up.sql": f"BEGIN;\n\n{up}COMMIT;\n", "down.sql": f"BEGIN;\n\n{down}COMMIT;\n"}


def _sqlx_row(number: int, name: str, up: str) -> str:
    digest = hashlib.sha384(up.encode()).hexdigest()
    return (
        f"INSERT INTO _sqlx_migrations VALUES ({number}, '{name.replace('_', ' ')}', '{when(number)}Z', true,"
        f" decode('{digest}', 'hex'), 7)"
    )


def _prisma_row(number: int, name: str, up: str) -> str:
    digest = hashlib.sha256(up.encode()).hexdigest()
    return (
        "INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count)"
        f" VALUES ('{number}', '{digest}', '{when(number)}Z', '2024{number:010d}_{name}', '{when(number)}Z', 1)"
    )


RECORDED = {
    "flyway": Recorded(
        partial(_pairs, f"{_FLYWAY}/V1_{{number}}__{{name}}.sql", f"{_FLYWAY}/U1_{{number}}__{{name}}.sql"), _flyway_row
    ),
    "goose": Recorded(
        _goose_files,
        lambda number, *_: (
            f"INSERT INTO goose_db_version (version_id, is_applied, tstamp) VALUES ({number}, true, '{when(number)}')"
        ),
        f"INSERT INTO goose_db_version (version_id, is_applied, tstamp) VALUES (0, true, '{when(0)}')",
    ),
    "golang-migrate": Recorded(
        partial(_pairs, "migrations/{number}_{name}.up.sql", "migrations/{number}_{name}.down.sql"),
        lambda number, *_: f"TRUNCATE schema_migrations; INSERT INTO schema_migrations VALUES ({number}, false)",
    ),
    "dbmate": Recorded(
        dbmate_files, lambda number, *_: f"INSERT INTO schema_migrations VALUES ('2024{number:010d}')"
    ),
    "supabase": Recorded(
        supabase_files,
        lambda number, name, up: (
            "INSERT INTO supabase_migrations.schema_migrations"
            f" VALUES ('2024{number:010d}', ARRAY[{_literal(up.strip().removesuffix(';'))}], '{name}')"
        ),
    ),
    "drizzle": Recorded(
        drizzle_files,
        lambda number, _, up: (
            "INSERT INTO drizzle.__drizzle_migrations (hash, created_at)"
            f" VALUES ('{hashlib.sha256(up.encode()).hexdigest()}', {1700000000000 + number - 1})"
        ),
    ),
    "alembic": Recorded(
        _stream,
        lambda number, *_: f"TRUNCATE alembic_version; INSERT INTO alembic_version VALUES ('{revisions(number)[-1]}')",
    ),
    "sqlx": Recorded(
        partial(_pairs, "migrations/{number}_{name}.up.sql", "migrations/{number}_{name}.down.sql"), _sqlx_row
    ),
    "prisma": Recorded(
        lambda count: {
            f"prisma/migrations/2024{number:010d}_{name}/migration.sql": up
            for number, (name, up, _) in enumerate(changes(count), 1)
        },
        _prisma_row,
    ),
    "diesel": Recorded(
        partial(
            _pairs, "migrations/2024{number:010d}_{name}/up.sql", "migrations/2024{number:010d}_{name}/down.sql"
        ),
        lambda number, *_: f"INSERT INTO __diesel_schema_migrations VALUES ('2024{number:010d}', '{when(number)}')",
    ),
    "graphile-migrate": Recorded(
        committed_files,
        lambda number, *_: (
            f"INSERT INTO graphile_migrate.migrations VALUES ('{hashes(number)[-1]}', NULL,"
            f" '{number:06d}.sql', '{when(number)}Z')"
        ),
    ),
}  # fmt: skip
