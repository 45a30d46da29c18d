"""What seeding many rows costs: each figure as a multiple of another one of the same run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg

from clock import cost, middle
from comparing import tell
from contestants import BIN, environment
from growing import Growth
from servers import fresh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clock import Cost
    from growing import Bench
    from servers import Database

_TABLE = "CREATE TABLE items (code varchar(40) PRIMARY KEY, name text, price numeric, active boolean, stock integer)"
_COPY, _MEMORY = 4.0, 1.5
_MEGABYTE = 1 << 20
_PROPERTIES: dict[str, Any] = {
    "code": {"type": "string", "maxLength": 40, "pattern": "^[a-z0-9-]+$"},
    "name": {"type": "string"},
    "price": {"type": "number", "minimum": 0},
    "active": {"type": "boolean"},
    "stock": {"type": "integer", "minimum": 0},
}
_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": list(_PROPERTIES),
                "properties": _PROPERTIES,
            },
        }
    },
    "x-sqlmigrate": {"list": "items", "table": "public.items", "conflict": ["code"]},
}


def seeding(bench: Bench, few: int, many: int) -> Iterator[Growth]:
    r"""Seed rows of YAML and of CSV beside psql's `\copy` of them, and CSV of as many rows as `many` in memory."""
    for form in ("csv", "yaml"):
        tell(f"seeding {few} rows of {form}")
        copied, first, again = _rounds(bench, few, form)
        limit = _COPY if form == "csv" else None
        what = f"{few} rows of {form.upper()}"
        yield Growth(f"seed of {what}", first.wall, "\\copy of CSV", copied.wall, limit)
        yield Growth(f"seed of {what}, nothing to do", again.wall, "the first time", first.wall)
        yield Growth(f"seed of {what}, MB", first.peak / _MEGABYTE, "without rows, MB", _empty(bench).peak / _MEGABYTE)
    tell(f"seeding {many} rows of csv")
    copied, first, _ = _rounds(bench, many, "csv", rounds=1)
    less = _rounds(bench, many // 10, "csv", rounds=1)[1]
    yield Growth(f"seed of {many} rows of CSV", first.wall, "\\copy of CSV", copied.wall)
    what = f"seed of {many} rows of CSV, MB"
    yield Growth(what, first.peak / _MEGABYTE, f"{many // 10}, MB", less.peak / _MEGABYTE, _MEMORY)


def _rounds(bench: Bench, count: int, form: str, rounds: int | None = None) -> tuple[Cost, Cost, Cost]:
    r"""Give what `\copy`, the first `seed` and the second one take."""
    folder = _written(bench.place, count, form)
    csv = _written(bench.place, count, "csv") / "items.csv"
    taken = [_round(bench, folder, csv) for _ in range(rounds or bench.rounds)]
    copied, first, again = zip(*taken, strict=True)
    return middle(copied), middle(first), middle(again)


def _round(bench: Bench, folder: Path, csv: Path) -> tuple[Cost, Cost, Cost]:
    env = environment(bench.place)
    with fresh(bench.server) as database:
        psycopg.connect(database.url(), autocommit=True).execute(_TABLE)
        psql = [str(bench.server.bindir / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.url()]
        copied = cost([[*psql, "-c", f"\\copy items FROM '{csv}' CSV HEADER"]], cwd=bench.place, env=env)
        cost([[*psql, "-c", "TRUNCATE items"]], cwd=bench.place, env=env)
        return copied, _seed(bench, folder, database), _seed(bench, folder, database)


def _seed(bench: Bench, folder: Path, database: Database) -> Cost:
    command = [str(BIN / "sqlmigrate"), "seed", "-q", "--data", str(folder), "-d", database.url()]
    return cost([command], cwd=bench.place, env=environment(bench.place))


def _empty(bench: Bench) -> Cost:
    with fresh(bench.server) as database:
        psycopg.connect(database.url(), autocommit=True).execute(_TABLE)
        return _seed(bench, _written(bench.place, 0, "csv"), database)


def _written(place: Path, count: int, form: str) -> Path:
    """Write a folder with so many rows in a format, unless it is there."""
    folder = place / "seeds" / f"{count}-{form}"
    if folder.exists():
        return folder
    folder.mkdir(parents=True)
    (folder / "items.schema.json").write_text(json.dumps(_SCHEMA))
    with (folder / f"items.{form}").open("w") as file:
        file.write("code,name,price,active,stock\n" if form == "csv" else "items:\n")
        for number in range(count):
            file.write(_row(number, form))
    return folder


def _row(number: int, form: str) -> str:
    values = (f"item-{number:07}", f"Item number {number}", f"{number % 1000}.25", "true", str(number % 977))
    if form == "csv":
        return f"{','.join(values)}\n"
    keys = zip(_PROPERTIES, values, strict=True)
    return "  - " + "\n    ".join(f"{key}: {value}" for key, value in keys) + "\n"
