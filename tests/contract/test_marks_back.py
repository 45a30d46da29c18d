"""`mark --to TOOL`: what we have applied is told to another tool, for the way back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from fixtures.postgres import Database
from sqlmigrate.errors import Error, HistoryError, UsageError
from sqlmigrate.importing.copying import Copy, copy_to
from sqlmigrate.importing.tables import Where
from sqlmigrate.importing.tools import NAMES, WRITTEN, named
from support.command import Call
from support.default_privileges import DEFAULTS, rights_of_others
from support.importing import contents, imported, written
from support.runner import Runner
from support.their_histories import TABLES
from support.their_tools import REAL, call, changes, dbmate_files, supabase_files, url

pytestmark = pytest.mark.contract

COUNT = 5


def copied(runner: Runner, tool: str, **where: str) -> Copy:
    return copy_to(runner.conninfo, named(tool), runner.load(), runner.options({}), where=Where(**where))


def rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    return database.connect().execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


@pytest.fixture
def abc(database: Database, tmp_path: Path) -> Runner:
    """Migrations that are applied."""
    runner = Runner(database.conninfo, tmp_path / "sql")
    runner.tables("1_a", "2_b")
    runner.apply()
    return runner


def test_those_that_can_be_written_are_those_that_say_how():
    assert [name for name in NAMES if named(name).writing] == list(WRITTEN)


def test_dbmate_itself_has_nothing_left_to_do(database, tmp_path, monkeypatch, sqlmigrate: Call):
    if missing := REAL["dbmate"].missing:
        pytest.skip(f"{missing[0]} is not installed (make install-tools)")
    written(tmp_path, {".git/HEAD": "", **dbmate_files(COUNT)})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.url)
    assert sqlmigrate("import", "--from", "dbmate", "db/migrations").status == 0
    assert sqlmigrate("apply").status == 0

    first, again = sqlmigrate("mark", "--to", "dbmate", "--json"), sqlmigrate("mark", "--to", "dbmate")
    dump = database.dump()
    dbmate = ("dbmate", "--url", url(database, sslmode="disable"), "--no-dump-schema")
    call(tmp_path, *dbmate, "status", "--exit-code", output=tmp_path / "said")
    call(tmp_path, *dbmate, "up")

    names = [f"2024{number:010d}_{name}" for number, (name, *_) in enumerate(changes(COUNT), 1)]
    assert (first.status, first.document["created"], first.document["added"]) == (0, True, names)
    assert again.lines[-1] == "public.schema_migrations: 0 added, 5 there already, 0 left out"
    assert "Applied: 5\nPending: 0" in (tmp_path / "said").read_text(encoding="utf-8")
    assert database.dump() == dump
    call(tmp_path, *dbmate, "down")
    assert len(rows(database, "schema_migrations")) == COUNT - 1


def test_the_supabase_cli_itself_has_nothing_left_to_do_and_can_write_the_files_again(database, tmp_path):
    if missing := REAL["supabase"].missing:
        pytest.skip(f"{missing[0]} is not installed (make install-tools NPM=1)")
    imported(tmp_path, "supabase", supabase_files(COUNT), "supabase/migrations")
    runner, theirs = Runner(database.conninfo, tmp_path / "sql"), tmp_path / "theirs"
    runner.apply()
    copied(runner, "supabase")
    dump = database.dump("--exclude-schema=sqlmigrate")

    address = url(database, "postgresql", sslmode="disable").replace("@/", "@localhost/")
    call(theirs, "supabase", "init", "--force")
    call(theirs, "supabase", "migration", "up", "--yes", "--db-url", address)

    assert database.dump("--exclude-schema=sqlmigrate") == dump
    shutil.rmtree(theirs / "supabase" / "migrations")
    call(theirs, "supabase", "migration", "fetch", "--yes", "--db-url", address)
    assert contents(theirs / "supabase" / "migrations") == {
        path.rpartition("/")[2]: text for path, text in supabase_files(COUNT).items()
    }


def test_the_rows_of_supabase_hold_names_and_statements(database, tmp_path):
    runner = Runner(database.conninfo, tmp_path / "sql")
    runner.write("1_a", "-- why; because\nCREATE TABLE a ();\nSELECT ';' ;\n-- the end\n")
    runner.write("2_", "COMMENT ON TABLE a IS 'x'")
    runner.apply()
    session = database.connect()
    session.execute("CREATE SCHEMA supabase_migrations")
    session.execute("CREATE TABLE supabase_migrations.schema_migrations (version text NOT NULL PRIMARY KEY)")
    session.execute("INSERT INTO supabase_migrations.schema_migrations VALUES ('0')")

    done = copied(runner, "supabase")

    assert (done.added, done.created, done.only_there) == (("1_a", "2_"), False, ("0",))
    assert rows(database, "supabase_migrations.schema_migrations") == [
        ("0", None, None),
        ("1", ["-- why; because\nCREATE TABLE a ()", "SELECT ';'", "-- the end"], "a"),
        ("2", ["COMMENT ON TABLE a IS 'x'"], ""),
    ]


def test_what_is_there_stays_and_what_the_tool_cannot_be_told_is_named(database, tmp_path):
    session = database.connect()
    session.execute(TABLES["dbmate"])
    session.execute("INSERT INTO schema_migrations VALUES ('2'), ('7')")
    runner = Runner(database.conninfo, tmp_path / "sql")
    runner.tables("01", "1_a", "1_b", "2_c", "x")
    runner.apply()

    done, again = copied(runner, "dbmate"), copied(runner, "dbmate")

    assert rows(database, "schema_migrations") == [("01",), ("1",), ("2",), ("7",)]
    assert (done.added, done.already, done.only_there) == (("01", "1_a"), ("2_c",), ("7",))
    assert dict(done.left_out) == {
        "x": "dbmate takes no file of this name",
        "1_b": "for dbmate it has the same version as 1_a",
    }
    assert (again.added, again.already) == ((), ("01", "1_a", "2_c"))


REFUSED = {
    "it looks like the one of golang-migrate": TABLES["golang-migrate"],
    "beside it stands ar_internal_metadata": f"{TABLES['dbmate']}; CREATE TABLE ar_internal_metadata (key text)",
    "has a trigger": f"""
        {TABLES["dbmate"]};
        CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER t BEFORE INSERT ON schema_migrations FOR EACH ROW EXECUTE FUNCTION t()""",
    "has a CHECK constraint": f"{TABLES['dbmate']}; ALTER TABLE schema_migrations ADD CHECK (version <> 'x')",
    "is not a plain table": "CREATE VIEW schema_migrations AS SELECT 'x' AS version",
}


def test_a_table_that_is_not_theirs_or_not_trusted_is_refused(abc, database):
    session = database.connect()
    for number, (reason, made) in enumerate(REFUSED.items()):
        session.execute(f"CREATE SCHEMA s{number}")
        session.execute(f"SET search_path TO s{number}")
        session.execute(made)
        with pytest.raises(HistoryError) as refused:
            copied(abc, "dbmate", schema=f"s{number}")
        assert reason in f"{refused.value.message}; {refused.value.hint}"
        assert session.execute("SELECT count(*) FROM schema_migrations WHERE version::text <> 'x'").fetchall() == [(0,)]


def test_one_of_another_role_is_refused_and_one_that_may_not_be_written_says_what_helps(abc, database):
    admin = database.connect_superuser()
    admin.execute(TABLES["dbmate"] + "; GRANT ALL ON schema_migrations TO migrator")
    admin.execute("ALTER TABLE schema_migrations OWNER TO pg_monitor")
    with pytest.raises(HistoryError, match="belongs to role pg_monitor"):
        copied(abc, "dbmate")
    admin.execute("ALTER TABLE schema_migrations OWNER TO CURRENT_USER; REVOKE ALL ON schema_migrations FROM migrator")
    admin.execute("GRANT SELECT ON schema_migrations TO migrator")
    with pytest.raises(HistoryError, match=r"public\.schema_migrations cannot be written") as refused:
        copied(abc, "dbmate")
    assert refused.value.hint == 'a DBA can help: GRANT INSERT ON "public"."schema_migrations" TO "migrator"'
    assert rows(database, "schema_migrations") == []


NOWHERE: list[tuple[dict[str, str], str]] = [
    ({"schema": "nowhere"}, "there is no schema nowhere"),
    ({"schema": "pg_temp"}, "which cannot hold its table"),
    ({"schema": "sqlmigrate"}, "which cannot hold its table"),
]


@pytest.mark.parametrize(("tool", "schema"), [("dbmate", "public"), ("supabase", "supabase_migrations")])
def test_default_privileges_give_nobody_the_right_to_write_it(abc, database, admin, new_role, tool, schema):
    other = new_role()
    database.connect().execute(DEFAULTS.format(other=other))
    before = rights_of_others(admin, schema)
    copied(abc, tool)

    own = [(other, "", "USAGE")] if schema != "public" else []
    assert rights_of_others(admin, schema) == sorted([*before, *own, (other, "r", "SELECT")])


@pytest.mark.parametrize(("where", "said"), NOWHERE)
def test_a_schema_that_cannot_hold_it_is_refused(abc, where, said):
    with pytest.raises(UsageError, match=said):
        copied(abc, "dbmate", **where)


def test_a_database_without_a_history_or_with_one_half_way_is_refused(database, tmp_path):
    runner = Runner(database.conninfo, tmp_path / "sql")
    runner.write("1_a", "-- transactional: false\nSELECT 1;\nSELECT 1/0;\n")
    with pytest.raises(UsageError, match="there is no history in schema sqlmigrate"):
        copied(runner, "dbmate")
    with pytest.raises(Error):
        runner.apply()
    with pytest.raises(HistoryError, match="1_a stopped half way"):
        copied(runner, "dbmate")
