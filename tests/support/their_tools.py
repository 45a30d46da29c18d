"""The real tools, where they are installed (`make install-tools`): how each applies a project of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fixtures.postgres import Database
from support.places import ROOT

TOOLS = ROOT / "build" / "tools"
PLACES = [TOOLS / "venv" / "bin", TOOLS / "node_modules" / ".bin"]
SECONDS = 240
BROKEN, FORGETFUL = "index_0", "last_0"
_ENV = """
from alembic import context
from sqlalchemy import create_engine
import os
url = os.environ["ALEMBIC_URL"]
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(url).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""
_REVISION = """
from alembic import op
revision, down_revision, branch_labels, depends_on = {name!r}, {before!r}, None, None
def upgrade():
    op.execute({up!r})
def downgrade():
    op.execute({down!r})
"""
_DJANGO = """
import os, pathlib
import django
from django.conf import settings
from django.core.management import call_command
database = {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["NAME"], "USER": "migrator",
            "HOST": os.environ["HOST"], "PORT": os.environ["PORT"]}
settings.configure(INSTALLED_APPS=["shop"], DATABASES={"default": database}, USE_TZ=True)
django.setup()
call_command("migrate", verbosity=0)
folder = pathlib.Path("django-sql")
folder.mkdir()
with (folder / "plan.txt").open("w") as file:
    call_command("showmigrations", "--plan", verbosity=2, no_color=True, stdout=file)
for path in sorted(pathlib.Path("shop/migrations").glob("0*.py")):
    for backwards, ending in ((False, ".sql"), (True, ".down.sql")):
        with (folder / f"shop.{path.stem}{ending}").open("w") as file:
            call_command("sqlmigrate", "shop", path.stem, backwards=backwards, no_color=True, stdout=file)
"""
_RUN_SQL = """
from django.db import migrations
class Migration(migrations.Migration):
    dependencies = {before!r}
    operations = [migrations.RunSQL({up!r}, {down!r})]
"""
_DRIZZLE = """
module.exports = {{
  dialect: 'postgresql', schema: './schema.ts', out: './drizzle',
  dbCredentials: {{ host: {host}, port: {port}, user: 'migrator', database: {name}, ssl: false }}
}};
"""


def changes(count: int) -> list[tuple[str, str, str]]:
    """Give names and both directions of believable migrations: tables, columns, indexes, functions, rows.

    Two undo scripts never worked: that of `BROKEN` fails, that of `FORGETFUL` leaves its function behind.
    """
    found = []
    for number in range(count // 5):
        table = f"orders_{number}"
        create = f"CREATE TABLE {table} (id bigint PRIMARY KEY, note text);\n"
        state = f"ALTER TABLE {table} ADD state text NOT NULL DEFAULT 'new; -- no';\n"
        index = f"CREATE INDEX {table}_state ON {table} (state);\n"
        last = (
            f"CREATE FUNCTION last_{number}() RETURNS bigint LANGUAGE sql AS $$\n  SELECT max(id) FROM {table};\n$$;\n"
        )
        rows = f"INSERT INTO {table} VALUES (1, 'it''s');\n"
        misspelt = f"{table}_state" if f"index_{number}" != BROKEN else f"{table}_sate"
        undo = f"DROP FUNCTION last_{number}();\n" if f"last_{number}" != FORGETFUL else "SELECT 'later';\n"
        found += [
            (f"create_{table}", create, f"DROP TABLE {table};\n"),
            (f"add_state_{number}", state, f"ALTER TABLE {table} DROP state;\n"),
            (f"index_{number}", index, f"DROP INDEX {misspelt};\n"),
            (f"last_{number}", last, undo),
            (f"rows_{number}", rows, f"DELETE FROM {table};\n"),
        ]
    return found


@dataclass(frozen=True)
class Real:
    """A tool that can be installed: the programs it needs, the files of its project, and how it applies them."""

    programs: tuple[str, ...]
    files: Callable[[int], Mapping[str, str]]
    apply: Callable[[Path, Database], None]

    @property
    def missing(self) -> list[str]:
        """The programs that are not installed."""
        return [name for name in self.programs if program(name) is None]


def program(name: str) -> str | None:
    """Find a program, those of `make install-tools` first."""
    return shutil.which(name, path=os.pathsep.join([*map(str, PLACES), os.environ.get("PATH", "")]))


def call(folder: Path, *words: str, output: Path | None = None, **environment: str) -> None:
    """Run a program of a tool in its project; what it prints is shown where it fails."""
    done = subprocess.run(
        [program(words[0]) or words[0], *words[1:]],
        cwd=folder,
        env=os.environ
        | environment
        | {"NO_COLOR": "1", "CI": "1", "DO_NOT_TRACK": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
    if output:
        output.write_text(done.stdout, encoding="utf-8")


def url(database: Database, scheme: str = "postgres", **more: str) -> str:
    """Give the database's address as these tools take it."""
    options = {"host": str(database.server.host), "port": str(database.server.port)} | more
    return f"{scheme}://migrator@/{database.name}?" + "&".join(
        f"{key}={quote(value)}" for key, value in options.items()
    )


def numbered(folder: str, text: str, count: int) -> dict[str, str]:
    """Fill in a text for each change: its file's name is NUMBER_NAME.sql."""
    return {
        f"{folder}/2024{number:010d}_{name}.sql": text.format(up=up, down=down)
        for number, (name, up, down) in enumerate(changes(count), 1)
    }


def _dbmate(folder: Path, database: Database) -> None:
    address = url(database, sslmode="disable")
    call(folder, "dbmate", "--url", address, "--no-dump-schema", "up")


def revisions(count: int) -> list[str]:
    """Give the names that Alembic's revisions have."""
    return [f"{number * 7919:012x}" for number in range(1, count + 1)]


def _alembic_files(count: int) -> dict[str, str]:
    names = revisions(count)
    files = {
        f"a/versions/{name}.py": _REVISION.format(name=name, before=before, up=up, down=down)
        for name, before, (_, up, down) in zip(names, [None, *names], changes(count), strict=False)
    }
    return {"alembic.ini": "[alembic]\nscript_location = a\n", "a/env.py": _ENV, **files}


def _alembic(folder: Path, database: Database) -> None:
    address = {"ALEMBIC_URL": url(database, "postgresql+psycopg")}
    call(folder, "alembic", "upgrade", "head", **address)
    call(folder, "alembic", "upgrade", "head", "--sql", output=folder / "up.sql", **address)
    call(folder, "alembic", "downgrade", "head:base", "--sql", output=folder / "down.sql", **address)


def _sqitch_files(count: int) -> dict[str, str]:
    lines = ["%syntax-version=1.0.0", "%project=shop", ""]
    files = {"sqitch.conf": "[core]\n\tengine = pg\n"}
    for number, (name, up, down) in enumerate(changes(count)):
        lines.append(f"{name} 2024-01-01T10:{number:02d}:00Z Me <me@example.org> # {name}")
        for kind, text in (("deploy", up), ("revert", down)):
            files[f"{kind}/{name}.sql"] = f"-- {kind} shop:{name}\n\nBEGIN;\n\n{text}\nCOMMIT;\n"
        files[f"verify/{name}.sql"] = "BEGIN;\nSELECT 1/count(*) FROM pg_catalog.pg_class;\nROLLBACK;\n"
    return files | {"sqitch.plan": "\n".join(lines) + "\n"}


def _sqitch(folder: Path, database: Database) -> None:
    me = {"SQITCH_FULLNAME": "Me", "SQITCH_EMAIL": "me@example.org"}
    call(folder, "sqitch", "deploy", url(database, "db:pg"), **me)


def _django_files(count: int) -> dict[str, str]:
    found = changes(count)
    names = [f"{number:04d}_{name}" for number, (name, *_) in enumerate(found, 1)]
    files = {
        f"shop/migrations/{name}.py": _RUN_SQL.format(before=[("shop", before)] if before else [], up=up, down=down)
        for name, before, (_, up, down) in zip(names, [None, *names], found, strict=False)
    }
    return {"shop/__init__.py": "", "shop/migrations/__init__.py": "", "export.py": _DJANGO, **files}


def _django(folder: Path, database: Database) -> None:
    server = database.server
    where = {"NAME": database.name, "HOST": str(server.host), "PORT": str(server.port)}
    call(folder, str(TOOLS / "venv" / "bin" / "python"), "export.py", **where)


def _node_pg_migrate(folder: Path, database: Database) -> None:
    call(folder, "node-pg-migrate", "up", DATABASE_URL=url(database))


def drizzle_files(count: int) -> dict[str, str]:
    """Give a project of Drizzle's: files and their journal."""
    entries = [
        {
            "idx": number,
            "version": "7",
            "when": 1700000000000 + number,
            "tag": f"{number:04d}_{name}",
            "breakpoints": True,
        }
        for number, (name, *_) in enumerate(changes(count))
    ]
    files = {f"drizzle/{number:04d}_{name}.sql": up for number, (name, up, _) in enumerate(changes(count))}
    journal = json.dumps({"version": "7", "dialect": "postgresql", "entries": entries})
    return files | {"drizzle/meta/_journal.json": journal}


def _drizzle(folder: Path, database: Database) -> None:
    words = {"host": str(database.server.host), "name": database.name}
    config = folder / "drizzle.config.cjs"
    config.write_text(
        _DRIZZLE.format(**{key: json.dumps(word) for key, word in words.items()}, port=database.server.port),
        encoding="utf-8",
    )
    call(folder, "drizzle-kit", "migrate", "--config", config.name)


def hashes(count: int) -> list[str]:
    """Give the hashes of graphile-migrate's first migrations: each is made of the one before and the text."""
    found: list[str] = []
    for _, up, _ in changes(count + 4)[:count]:
        text = "\n".join([*found[-1:], up.strip()]) + "\n"
        found.append(f"sha1:{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()}")
    return found


def committed_files(count: int) -> dict[str, str]:
    """Give a project of graphile-migrate, as its `commit` writes it: each file names the hash of the one before."""
    digests = hashes(count)
    files = {"migrations/current.sql": ""}
    for number, (before, digest, (name, up, _)) in enumerate(
        zip(["-", *digests], digests, changes(count), strict=False)
    ):
        head = f"--! Previous: {before}\n--! Hash: {digest}\n--! Message: {name}\n\n"
        files[f"migrations/committed/{number + 1:06d}-{name}.sql"] = head + up
    return files


def _graphile_migrate(folder: Path, database: Database) -> None:
    call(folder, "graphile-migrate", "migrate", DATABASE_URL=url(database))


def supabase_files(count: int) -> dict[str, str]:
    """Give a project of the Supabase CLI."""
    return numbered("supabase/migrations", "{up}", count)


def dbmate_files(count: int) -> dict[str, str]:
    """Give a project of dbmate."""
    return numbered("db/migrations", "-- migrate:up\n{up}\n-- migrate:down\n{down}", count)


def _supabase(folder: Path, database: Database) -> None:
    address = url(database, "postgresql", sslmode="disable").replace("@/", "@localhost/")
    call(folder, "supabase", "init", "--force")
    call(folder, "supabase", "migration", "up", "--yes", "--db-url", address)


REAL = {
    "dbmate": Real(("dbmate",), dbmate_files, _dbmate),
    "alembic": Real(("alembic",), _alembic_files, _alembic),
    "django": Real(("django-admin",), _django_files, _django),
    "sqitch": Real(("sqitch", "psql"), _sqitch_files, _sqitch),
    "node-pg-migrate": Real(
        ("node-pg-migrate",),
        lambda count: numbered("migrations", "-- Up Migration\n{up}\n-- Down Migration\n{down}", count),
        _node_pg_migrate,
    ),
    "graphile-migrate": Real(
        ("graphile-migrate",), lambda count: {".gmrc": "{}", **committed_files(count)}, _graphile_migrate
    ),
    "drizzle": Real(("drizzle-kit",), drizzle_files, _drizzle),
    "supabase": Real(("supabase",), supabase_files, _supabase),
}
