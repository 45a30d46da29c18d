"""The real yoyo beside us: its command, its back end, and a project as its users have them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import yoyo
from yoyo.migrations import get_migration_hash

from fixtures.postgres import Database
from sqlmigrate import plan
from sqlmigrate.history.yoyo_tables import TABLE, Where
from sqlmigrate.importing.yoyo import exchange as yoyo_exchange
from sqlmigrate.plan import State
from support.command import SECONDS, SOURCE, environment
from support.runner import Runner

ROOT = SOURCE.parent
NOUNS = [
    "customers", "addresses", "products", "prices", "stock", "carts", "orders", "order-lines", "invoices", "payments",
    "refunds", "shipments", "carriers", "returns", "coupons", "reviews", "sessions", "audit-log", "settings", "reports",
]  # fmt: skip
WORDS = ["create", "extend", "split", "import", "archive"]


def url(database: Database, scheme: str = "postgresql+psycopg", *, role: str = "migrator", **arguments: str) -> str:
    """Give the database's address as yoyo's users write it."""
    where = urlencode({"host": database.server.host, "port": database.server.port} | arguments)
    return f"{scheme}://{quote(role)}@/{database.name}?{where}"


class Yoyo:
    """yoyo's back end on a database, with the migrations of a folder."""

    def __init__(self, backend: Any, directory: Path) -> None:
        self.backend = backend
        self.directory = directory

    def read(self) -> Any:
        return yoyo.read_migrations(str(self.directory))

    def pending(self) -> list[str]:
        return [item.id for item in self.backend.to_apply(self.read())]

    def applied(self) -> list[str]:
        """Give what yoyo says is applied and has a file, in the order that yoyo gives."""
        names = {get_migration_hash(item.id): item.id for item in self.read()}
        return [names[key] for key in self.backend.get_applied_migration_hashes() if key in names]

    def apply(self, *ids: str, first: int | None = None) -> list[str]:
        """Apply these, or the first of the pending ones, or all of them."""
        todo = self.backend.to_apply(self.read())
        chosen = [item for item in todo if item.id in ids] if ids else list(todo)[:first]
        with self.backend.lock():
            self.backend.apply_migrations(todo.replace(chosen))
        return [item.id for item in chosen]

    def rollback(self, *ids: str) -> None:
        todo = self.backend.to_rollback(self.read())
        with self.backend.lock():
            self.backend.rollback_migrations(todo.replace([item for item in todo if item.id in ids]))

    def log(self) -> list[tuple[str, str]]:
        """Give operation and id of what yoyo's log has, in the order of time."""
        query = "SELECT operation, migration_id FROM _yoyo_log ORDER BY created_at_utc"
        return list(self.backend.execute(query).fetchall())


@contextmanager
def opened(database: Database, directory: Path, **arguments: str) -> Iterator[Yoyo]:
    """Open yoyo's back end as its command does, which makes its lock's table."""
    backend = yoyo.get_backend(url(database, **arguments))
    try:
        yield Yoyo(backend, directory)
    finally:
        backend.connection.close()


def project_of_100(runner: Runner) -> list[str]:
    """Write 100 scripts named as `yoyo new` names them; two thirds depend on one, two or three others.

    Each table refers to those of its dependencies, so a wrong order fails. Every seventh depends on the file after it.
    """
    names = [_name(number) for number in range(100)]
    for number, name in enumerate(names):
        depends = _depends(number)
        table = f"table_{number:02d}"
        columns = "".join(f", ref_{at:02d} integer REFERENCES table_{at:02d}" for at in depends)
        header = f"-- depends: {' '.join(names[at] for at in depends)}\n" if depends else ""
        script = f"-- {name}\n{header}\nCREATE TABLE {table} (id integer PRIMARY KEY{columns});\n"
        script += f"INSERT INTO {table} (id) VALUES (1);\nCOMMENT ON TABLE {table} IS 'it''s 100%; really';\n"
        runner.write(name, script, f"DROP TABLE {table};\n")
    return names


def _name(number: int) -> str:
    day = date(2024, 1, 8) + timedelta(days=number // 3)
    tag = hashlib.sha256(str(number).encode()).hexdigest()[:5]
    what = f"{WORDS[number // len(NOUNS)]}-{NOUNS[number % len(NOUNS)]}"
    return f"{day:%Y%m%d}_{number % 3 + 1:02d}_{tag}-{what}"


def _depends(number: int) -> list[int]:
    if number % 7 == 0 and number < 99:
        return [number + 1]
    wanted = {0: (), 1: (1,), 2: (2, 3), 3: (), 4: (5, 8), 5: (1, 4, 9)}[number % 6]
    # only back, and never on one that depends on the file after it: no circles
    return sorted({number - back for back in wanted if number >= back and (number - back) % 7})


def adopt(runner: Runner, schema: str | None = None, table: str = TABLE, **options: Any) -> yoyo_exchange.Adoption:
    """`mark --from yoyo`, through the library."""
    where = Where(schema, table)
    return yoyo_exchange.adopt(runner.conninfo, runner.load(), runner.options(options), where=where)


def copy_back(runner: Runner, schema: str | None = None, table: str = TABLE, **options: Any) -> yoyo_exchange.Copy:
    """`mark --to yoyo`, through the library."""
    return yoyo_exchange.copy_back(runner.conninfo, runner.options(options), where=Where(schema, table))


def pending(runner: Runner) -> list[str]:
    """Give what we say is pending, in the order in which it would run."""
    states = plan.status(runner.load(), runner.history())
    return [item.migration_id for item in states if item.state is State.PENDING]


def registered(folder: Path) -> Path:
    """Make a folder in which Python finds the entry points of our pyproject.toml, without an installation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    info = folder / "pg_sqlmigrate-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pg-sqlmigrate\nVersion: 0\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder


@contextmanager
def started(*arguments: str | Path, plugins: Path, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the `yoyo` command as a program of its own; what still runs at the end is killed."""
    path = os.pathsep.join([str(plugins), str(SOURCE), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", "yoyo", *map(str, arguments), "--batch", "--no-config-file"],
        env=environment({}) | {"PYTHONPATH": path},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def command(*arguments: str | Path, plugins: Path, cwd: Path) -> tuple[int, str, str]:
    """Run the `yoyo` command; its errors are tracebacks."""
    with started(*arguments, plugins=plugins, cwd=cwd) as process:
        stdout, stderr = process.communicate(timeout=SECONDS)
        return process.returncode, stdout, stderr
