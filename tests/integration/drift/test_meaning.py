"""What is only written differently is no drift: after a dump and restore, and on another major version."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fixtures.postgres import ROLE, Database
from sqlmigrate.errors import ServerError
from sqlmigrate.server import PrivateServer, ephemeral, find_binaries, find_program
from support import undo
from support.drift import Drifting, lines

pytestmark = pytest.mark.pg

OTHER_MAJORS = (18, 15)
NEWER = (b"SET transaction_timeout = 0;\n", b"    LOGGED\n")
"""What a newer pg_dump writes that the server does not know; the second one only before 15."""
DIFFERENT = """
CREATE DOMAIN dn AS int NOT NULL;
CREATE DOMAIN dm AS int CONSTRAINT named NOT NULL CHECK (VALUE > 77);
CREATE TABLE n (a int NOT NULL, b int CONSTRAINT named NOT NULL, c int PRIMARY KEY);
CREATE TABLE n_child (d int NOT NULL) INHERITS (n);
CREATE TABLE n_part (a int NOT NULL, k int) PARTITION BY LIST (a);
CREATE TABLE n_part_1 PARTITION OF n_part FOR VALUES IN (1, 2);
CREATE TABLE pk (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE pk_1 PARTITION OF pk FOR VALUES FROM (1) TO (9);
CREATE TABLE fk (id int REFERENCES pk) PARTITION BY RANGE (id);
CREATE TABLE fk_1 PARTITION OF fk FOR VALUES FROM (1) TO (9);
CREATE PUBLICATION pub FOR TABLE t;
CREATE UNLOGGED TABLE un (id serial, other int GENERATED ALWAYS AS IDENTITY);
CREATE COLLATION german FROM "C";
CREATE TABLE german (name text COLLATE german, lower text GENERATED ALWAYS AS (lower(name)) STORED);
CREATE VIEW star AS SELECT t.*, u.label FROM t, u WHERE u.t_id = t.id;
CREATE VIEW times AS SELECT at AT TIME ZONE 'UTC' AS utc, at::date AS day, extract(epoch FROM at) AS e FROM t;
CREATE FUNCTION rows() RETURNS SETOF t LANGUAGE sql BEGIN ATOMIC SELECT * FROM t WHERE id IN (1, 77); END;
CREATE PROCEDURE put(i int) LANGUAGE sql BEGIN ATOMIC INSERT INTO u (t_id, a) VALUES (i, 1); END;
CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
"""


@pytest.fixture(scope="module")
def other_url(clean_environment: None, pg_server: PrivateServer) -> Iterator[str]:
    """A server of another major version, for `migrator`, who may create databases there."""
    wanted = next(major for major in OTHER_MAJORS if major != pg_server.major)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SQLMIGRATE_PG_BINDIR")
        try:
            binaries = find_binaries(wanted)
        except ServerError as error:
            pytest.skip(str(error))
    with ephemeral(binaries=binaries, in_memory=True) as server:
        with psycopg.connect(server.conninfo(), autocommit=True) as session:
            session.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
        yield server.url("postgres", ROLE)


@pytest.fixture
def applied(database: Database, tmp_path: Path, shadow_url: str) -> Drifting:
    """A database with what is written in more ways than one."""
    directory = tmp_path / "sql"
    directory.mkdir()
    drifting = Drifting(database.conninfo, directory, shadow_url)
    drifting.write("1", undo.ground() + DIFFERENT, "SELECT 1;")
    drifting.apply()
    return drifting


def restored(source: Database, target: Database) -> None:
    """Restore a dump of one database in another one."""
    programs = [find_program(name, source.server.binaries) for name in ("pg_dump", "psql")]
    assert None not in programs
    dump, psql = programs
    text = subprocess.run([str(dump), source.conninfo], check=True, capture_output=True).stdout
    for newer in NEWER[: 1 if source.server.major >= 15 else 2]:
        text = text.replace(newer, b"")
    command = [str(psql), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", target.conninfo]
    done = subprocess.run(command, input=text, check=False, capture_output=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr.decode()


def test_a_dump_and_restore_is_not_drift(applied, database, database_factory):
    copy = database_factory()
    restored(database, copy)

    assert lines(applied.find(copy.conninfo)) == []


def test_another_major_version_is_reported_once_and_is_not_drift(applied, other_url):
    found = applied.find(shadow_url=other_url)

    assert lines(found) == []
    assert sum("what differs between them is not proven" in note for note in found.notes) == 1, found.notes
    assert len(set(found.notes)) == len(found.notes)


def test_a_change_is_found_on_another_major_version_too(applied, database, other_url):
    session = database.connect()
    session.execute(
        "ALTER TABLE n ALTER b DROP NOT NULL; ALTER TABLE t DROP CONSTRAINT c0;"
        "ALTER TABLE t ADD CONSTRAINT c0 CHECK (status IN ('new', 'p78'));"
        "CREATE OR REPLACE VIEW v0 AS SELECT id FROM t WHERE status IN ('p77')"
    )
    found = applied.find(shadow_url=other_url)

    assert {str(change.object) for change in found.changes} == {
        "column public.n.b",
        "column public.n_child.b",
        "constraint c0 on public.t",
        "view public.v0",
    }


def test_the_name_of_a_not_null_is_not_drift(applied, database):
    session = database.connect_superuser()
    if session.info.server_version < 180000:
        pytest.skip("PostgreSQL 18 or newer")
    session.execute("ALTER TABLE n RENAME CONSTRAINT named TO n_b_not_null")
    session.execute("ALTER TABLE un RENAME CONSTRAINT un_id_not_null TO older")

    assert lines(applied.find()) == []


def test_a_hostile_definition_is_made_and_never_run(applied, database):
    """The live database may hold anything: a function in a default or a view is not called on the shadow."""
    session = database.connect()
    session.execute(
        "CREATE FUNCTION boom(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$;"
        "CREATE TABLE calls (a int DEFAULT boom(1), b int);"
        "CREATE OR REPLACE VIEW v0 AS SELECT id FROM t WHERE boom(1) = 1"
    )
    found = applied.find()

    assert {str(change.object) for change in found.changes} == {
        "function public.boom(integer)",
        "table public.calls",
        "view public.v0",
    }
