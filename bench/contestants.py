"""The tools that are compared: how each wants its files, and the commands that run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from samples import small

if TYPE_CHECKING:
    from collections.abc import Callable

    from samples import Small
    from servers import Database
    from sqlmigrate.server import PrivateServer

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
DBMATE = ROOT / "build" / "bench" / "npm" / "node_modules" / "@dbmate"

APPLY, NOTHING, ROLLBACK = "apply", "nothing to do", "rollback all"
ACTIONS = (APPLY, NOTHING, ROLLBACK)

Commands = list[list[str]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A tool: `write` makes its files in a folder, `commands` gives what is called for an action on `count` of them."""

    name: str
    version: str
    write: Callable[[Path, list[Small]], None]
    commands: Callable[[str, Path, Database, int], Commands]

    def prepared(self, place: Path, count: int) -> Path:
        """Give a folder with the files of `count` small migrations, written once."""
        folder = place / self.name / str(count)
        if not folder.exists():
            folder.mkdir(parents=True)
            self.write(folder, small(count))
        return folder


def environment(home: Path) -> dict[str, str]:
    """Give the environment of every measured process: nothing of the user's own settings."""
    return {"PATH": os.defpath, "HOME": str(home), "LANG": "C.UTF-8"}


def contestants(server: PrivateServer) -> list[Contestant]:
    """Give every tool that is installed, the floor first."""
    psql = server.bindir / "psql"
    found = [_psql(psql), _sqlmigrate(), _yoyo(), _alembic()]
    binary = next(DBMATE.glob("*/bin/dbmate"), None)
    return found if binary is None else [*found, _dbmate(binary)]


def _said_version(binary: Path) -> str:
    said = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    number = re.search(r"\d+(\.\d+)+\S*", said)
    return number[0] if number else said.strip()


def _psql(binary: Path) -> Contestant:
    """Give one psql process over one file: a transaction and a history row a migration, and nothing else."""

    def write(folder: Path, migrations: list[Small]) -> None:
        up = ["CREATE TABLE history (id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());"]
        down = []
        for one in migrations:
            up += ["BEGIN;", f"INSERT INTO history (id) VALUES ('{one.name}');", *one.up, "COMMIT;"]
        for one in reversed(migrations):
            down += ["BEGIN;", f"DELETE FROM history WHERE id = '{one.name}';", *one.down, "COMMIT;"]
        (folder / "up.sql").write_text("\n".join(up))
        (folder / "down.sql").write_text("\n".join(down))

    def commands(action: str, folder: Path, database: Database, _: int) -> Commands:
        call = [str(binary), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.url()]
        what = {APPLY: ["-f", "up.sql"], NOTHING: ["-c", "SELECT id FROM history"], ROLLBACK: ["-f", "down.sql"]}
        del folder  # the commands run in it
        return [[*call, *what[action]]]

    return Contestant("psql", _said_version(binary), write, commands)


def _write_pairs(folder: Path, migrations: list[Small]) -> None:
    for one in migrations:
        (folder / f"{one.name}.sql").write_text("\n".join(one.up) + "\n")
        (folder / f"{one.name}.rollback.sql").write_text("\n".join(one.down) + "\n")


def _sqlmigrate() -> Contestant:
    program = str(BIN / "sqlmigrate")

    def commands(action: str, folder: Path, database: Database, _: int) -> Commands:
        target = ["-d", database.url(), "-m", str(folder)]
        words = ["rollback", "--all", "--accept-loss"] if action == ROLLBACK else ["apply"]
        return [[program, *words, *target]]

    return Contestant("sqlmigrate", version("pg-sqlmigrate"), _write_pairs, commands)


def _yoyo() -> Contestant:
    program = str(BIN / "yoyo")

    def commands(action: str, folder: Path, database: Database, _: int) -> Commands:
        what = ["rollback", "--all"] if action == ROLLBACK else ["apply"]
        target = ["--batch", "--no-config-file", "-d", database.url("postgresql+psycopg"), str(folder)]
        return [[program, *what, *target]]

    return Contestant("yoyo", version("yoyo-migrations"), _write_pairs, commands)


_ALEMBIC_ENV = """\
from alembic import context
from sqlalchemy import create_engine, pool

url = context.get_x_argument(as_dictionary=True)["url"]
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
_ALEMBIC_FILE = """\
from alembic import op

revision = {revision!r}
down_revision = {before!r}


def upgrade():
{up}


def downgrade():
{down}
"""


def _alembic() -> Contestant:
    """Give Alembic with a transaction a migration, as all others do; its own default is one for all."""
    program = str(BIN / "alembic")

    def write(folder: Path, migrations: list[Small]) -> None:
        (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
        (folder / "env.py").write_text(_ALEMBIC_ENV)
        (folder / "versions").mkdir()
        before = None
        for one in migrations:
            up, down = ("\n".join(f"    op.execute({text!r})" for text in part) for part in (one.up, one.down))
            text = _ALEMBIC_FILE.format(revision=one.name, before=before, up=up, down=down)
            (folder / "versions" / f"{one.name}.py").write_text(text)
            before = one.name

    def commands(action: str, folder: Path, database: Database, _: int) -> Commands:
        what = ["downgrade", "base"] if action == ROLLBACK else ["upgrade", "head"]
        configuration = ["-c", str(folder / "alembic.ini"), "-x", f"url={database.url('postgresql+psycopg')}"]
        return [[program, *configuration, *what]]

    return Contestant("alembic", version("alembic"), write, commands)


def _dbmate(binary: Path) -> Contestant:
    """Give dbmate's Go binary itself, not npm's wrapper; it rolls back one migration a call, so all take many calls."""

    def write(folder: Path, migrations: list[Small]) -> None:
        for number, one in enumerate(migrations, 1):
            up, down = "\n".join(one.up), "\n".join(one.down)
            text = f"-- migrate:up\n{up}\n\n-- migrate:down\n{down}\n"
            (folder / f"{number:05}_{one.name}.sql").write_text(text)

    def commands(action: str, folder: Path, database: Database, count: int) -> Commands:
        url = f"postgres://postgres@/{database.name}?socket={database.host}&port={database.port}&sslmode=disable"
        call = [str(binary), "--no-dump-schema", "--env-file", "none", "-d", str(folder), "-u", url]
        return [[*call, "rollback"]] * count if action == ROLLBACK else [[*call, "migrate"]]

    return Contestant("dbmate", _said_version(binary), write, commands)
