"""A plan that psql runs leaves the same database and the same history as `apply` and `rollback` do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from fixtures.postgres import Database
from project.application import SQL
from sqlmigrate import engine, plan
from sqlmigrate.engine.psql import written
from sqlmigrate.errors import HalfWayError, HistoryError
from sqlmigrate.server import find_program
from support.runner import Runner, allow, ids
from support.sessions import is_there
from support.stepwise import OUTSIDE, journal

# what a run leaves in the history, without time, host, run and duration
HISTORY = """
SELECT 'applied', migration_id, marked::text, checksum, sha256, size::text, script,
       rollback_checksum, rollback_sha256, rollback_size::text, rollback_script
FROM {schema}.applied JOIN {schema}._yoyo_migration USING (migration_hash) ORDER BY seq
"""
LOG = """
SELECT 'log', migration_id, yoyo.operation, ours.operation, login_role, script_role, checksum, sha256,
       server_version, tool_version, reason, comment, username
FROM {schema}.log AS ours JOIN {schema}._yoyo_log AS yoyo USING (id) ORDER BY seq
"""
JOURNAL = "SELECT 'journal', migration_id, operation, number, last_number, state FROM {schema}.journal ORDER BY number"


class Twins:
    """One folder of migrations and two databases: one for `apply`, one for psql."""

    def __init__(self, left: Database, right: Database, directory: Path, **options: Any) -> None:
        self.left, self.right = left, right
        self.applied = Runner(left.conninfo, directory, **options)
        self.planned = Runner(right.conninfo, directory, **options)
        self.directory = directory
        self.schema = options.get("schema", "sqlmigrate")

    def write(self, migration_id: str, script: str | bytes, rollback: str | bytes | None = None) -> None:
        """Write the files of a migration, byte for byte."""
        for name, content in ((f"{migration_id}.sql", script), (f"{migration_id}.rollback.sql", rollback)):
            if content is not None:
                raw = content if isinstance(content, bytes) else content.encode()
                (self.directory / name).write_bytes(raw)

    def apply(self) -> None:
        """Do the same to both, and find no difference."""
        self.applied.apply()
        done = psql(self.right, written_plan(self.planned))
        assert done.returncode == 0, done.stderr
        self.require_equal()

    def rollback(self) -> None:
        self.applied.rollback(everything=True)
        done = psql(self.right, written_plan(self.planned, "rollback", everything=True))
        assert done.returncode == 0, done.stderr
        self.require_equal()

    def require_equal(self) -> None:
        assert self.recorded(self.right) == self.recorded(self.left)
        without = ("--exclude-table-data", f'"{self.schema.replace(chr(34), chr(34) * 2)}".*')
        assert self.right.dump(*without) == self.left.dump(*without)

    def recorded(self, database: Database) -> list[tuple[Any, ...]]:
        session = database.connect()
        name = sql.Identifier(self.schema)
        queries = (sql.SQL(text).format(schema=name) for text in (HISTORY, LOG, JOURNAL))
        return [row for query in queries for row in session.execute(query)]


def written_plan(runner: Runner, operation: str = "apply", **options: Any) -> str:
    """Give the script that `sqlmigrate plan` prints."""
    found = runner.load()
    planner = {"apply": plan.plan_apply, "rollback": plan.plan_rollback}[operation]
    settings = runner.options({})
    preview = engine.preview(runner.conninfo, lambda known: planner(found, known, **options), settings, gate=allow)
    return "".join(written(preview, settings))


def psql(database: Database, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a DBA does, with settings of the environment that must not matter."""
    program = find_program("psql", database.server.binaries)
    assert program is not None, "no psql"
    done = subprocess.run(
        [program, "-X", "-d", database.conninfo, "-f", "-"],
        input=script.encode(),
        capture_output=True,
        timeout=60,
        check=False,
        env={"PGCLIENTENCODING": "LATIN1", "PAGER": "cat"} | env,
    )
    words = [part.decode(errors="replace") for part in (done.stdout, done.stderr)]
    return subprocess.CompletedProcess(done.args, done.returncode, *words)


@pytest.fixture
def twins(database_factory: Callable[..., Database], tmp_path: Path) -> Twins:
    return Twins(database_factory(), database_factory(), tmp_path)


# each of these is a script with something that psql, or a text around a script, could get wrong
TRICKY: dict[str, str | bytes] = {
    "without_a_last_semicolon": "CREATE TABLE no_semicolon (a int)",
    "with_a_comment_for_an_end": "CREATE TABLE comment_at_the_end (a int) -- the end",
    "with_a_semicolon_behind_a_comment": "CREATE TABLE comment_before_it (a int) -- not here;\n;",
    "with_crlf": b"CREATE TABLE crlf (a text DEFAULT 'x\r\ny');\r\nINSERT INTO crlf VALUES ('1\r\n2');\r\n"
    b"CREATE FUNCTION crlf() RETURNS int LANGUAGE sql AS $$\r\nSELECT 1\r\n$$;\r\n"
    b"COPY crlf FROM stdin;\r\none\r\n\\.\r\n",
    "with_a_mark_of_byte_order": b"\xef\xbb\xbfCREATE TABLE bom (a int);\n",
    "with_quotes": """
        CREATE TABLE quotes ("a ""b"" ;" text);
        INSERT INTO quotes VALUES ('it''s; \\.'), (E'\\'; \\\\'), ($a$ $$ ; ' \\q $a$), (U&'\\00e4'), ('%s %% %(x)s $1');
        CREATE FUNCTION quotes() RETURNS text LANGUAGE plpgsql AS $_$ BEGIN RETURN $$a;'b\\$$; END $_$;
    """,
    "with_variables_of_psql": """
        CREATE TABLE variables (a text);
        INSERT INTO variables VALUES (':HOST :''USER'' :"PORT"'), ('http://x:ON_ERROR_STOP/:AUTOCOMMIT');
        INSERT INTO variables SELECT ((ARRAY['x', 'y', 'z'])[USER:DBNAME])::text FROM (VALUES (1, 2)) AS v(USER, DBNAME);
    """.replace("[USER:DBNAME]", "[one:VERSION_NUM]").replace("v(USER, DBNAME)", "v(one, VERSION_NUM)"),
    "with_letters": "CREATE TABLE \"größe 🙂\" (a text DEFAULT '名');\nINSERT INTO \"größe 🙂\" VALUES ('😀 é');\n",
    "with_another_encoding": "SET client_encoding TO 'LATIN1';\nCREATE TABLE latin (a text);\n",
    "with_nothing": "",
    "with_a_comment_alone": "/* nothing */ -- at all",
    "with_restrict": "\\restrict abc123\nCREATE TABLE restricted ();\n\\unrestrict abc123\n",
    "with_a_body_of_sql": """
        CREATE FUNCTION body(a int) RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE a WHEN 1 THEN 2 END; END;
        CREATE PROCEDURE proc() LANGUAGE sql AS 'SELECT 1; SELECT 2';
    """,
    "with_data": "CREATE TABLE data (a text, b text);\nCOPY data FROM stdin;\n:HOST\t'\n\\\\restrict\t\\N\n; --\t$$\n\\.\n"
    "COPY data FROM stdin WITH (FORMAT csv);\n\"a\nb\",1\n\\.\nINSERT INTO data VALUES ('last', '1')",
    "with_data_for_an_end": "CREATE TABLE data_end (a text);\nCOPY data_end FROM stdin;\n1\n2\n\\.",
    "with_data_without_an_end": "CREATE TABLE data_open (a text);\nCOPY data_open FROM stdin;\n1\n2",
    "with_settings_left_behind": "SET search_path TO nowhere;\nSET lock_timeout TO 1;\nCREATE TEMP TABLE t ();\n"
    "SELECT pg_advisory_unlock_all();\nPREPARE t AS SELECT 1;\n",
    "with_deferred_constraints": """
        CREATE TABLE later (id int PRIMARY KEY, next int REFERENCES later DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO later VALUES (1, 2); INSERT INTO later VALUES (2, 1);
    """,
}


def test_psql_does_what_apply_does_whatever_a_script_holds(twins):
    for name, script in TRICKY.items():
        twins.write(name, script, script if name == "with_letters" else None)

    twins.apply()
