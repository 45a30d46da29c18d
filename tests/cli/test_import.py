"""`sqlmigrate import` and `mark --from TOOL`, as a user types them."""

from __future__ import annotations

import pytest

from support.contents import applied
from support.importing import contents, written
from support.their_histories import TABLES

UP, DOWN = "-- migrate:up\nCREATE TABLE {0} ();\n", "-- migrate:down\nDROP TABLE {0};\n"
FLYWAY = """
    CREATE TABLE flyway_schema_history (
        installed_rank integer PRIMARY KEY, version varchar(50), description varchar(200), type varchar(20),
        script varchar(1000), checksum integer, installed_by varchar(100), installed_on timestamp,
        execution_time integer, success boolean
    );
    INSERT INTO flyway_schema_history
    SELECT n, '1.' || n, 'x', 'SQL', '', 0, 'me', '2024-01-01 10:00'::timestamp + n * interval '1 day', 0, true
    FROM generate_series(8, 10) AS n
"""


@pytest.fixture
def dbmate(project):
    files = {f"db/migrations/{n}_{name}.sql": (UP + DOWN).format(name) for n, name in ((1, "a"), (2, "b"))}
    written(project.root, files)
    return project


def test_every_file_that_is_not_converted_is_counted(project, sqlmigrate):
    files = {"V1__a.sql": "CREATE SCHEMA ${name};\n", "V2__b.sql": "SELECT 1;\n", "U2__b.sql": "COMMIT;\n"}
    others = dict.fromkeys(("R__v.sql", "V3__c.java", "afterMigrate.sql"), "SELECT 1;\n")
    written(project.root, {f"db/migration/{name}": text for name, text in (files | others).items()})

    outcome = sqlmigrate("import", "--from", "flyway")

    assert outcome.status == 3
    assert sum(line.startswith("not converted: ") for line in outcome.lines) == 5
    assert outcome.lines[-1] == "Flyway, db/migration: 1 imported, 0 there already, 5 not converted"


def test_an_import_says_what_it_wrote_and_a_second_one_what_is_new(dbmate, sqlmigrate):
    first = sqlmigrate("import", "--from", "dbmate")
    written(dbmate.root, {"db/migrations/3_c.sql": UP.format("c")})
    again = sqlmigrate("import", "--from", "dbmate", "db/migrations", "--json")

    assert (first.status, first.stdout.splitlines()) == (
        0,
        ["imported 1_a", "imported 2_b", "dbmate, db/migrations: 2 imported, 0 there already, 0 not converted"],
    )
    assert (again.status, again.document["imported"], again.document["unchanged"]) == (0, ["3_c"], ["1_a", "2_b"])
    assert again.document["without_rollback"] == ["3_c"]
    assert (dbmate.root / "sql" / "1_a.sql").read_text() == "CREATE TABLE a ();\n"


def test_a_dry_run_writes_nothing(dbmate, sqlmigrate):
    outcome = sqlmigrate("import", "--from", "dbmate", "--dry-run", "--into", "here")

    assert outcome.status == 0
    assert "would import 1_a" in outcome.stdout
    assert "(nothing was written)" in outcome.stdout
    assert not (dbmate.root / "here").exists()


def test_what_is_not_converted_is_a_finding_with_its_line(dbmate, sqlmigrate):
    written(dbmate.root, {"db/migrations/3_c.sql": "-- migrate:up\nSELECT 1;\nCOMMIT;\n"})

    outcome = sqlmigrate("import", "--from", "dbmate")

    assert outcome.status == 3
    assert "not converted: db/migrations/3_c.sql:3:1: COMMIT" in outcome.stdout
    assert "what to do:" in outcome.stdout


def test_a_wrong_call_is_refused(dbmate, sqlmigrate):
    assert sqlmigrate("import", "db/migrations").status == 2
    assert sqlmigrate("import", "--from", "liquibase").status == 2
    assert "there is no folder nowhere" in sqlmigrate("import", "--from", "goose", "nowhere").stderr
    assert "name one folder" in sqlmigrate("import", "--from", "goose", "a", "b").stderr
    assert "--files belongs to --from" in sqlmigrate("mark", "--all", "--files", "x").stderr


def test_a_folder_without_a_migration_of_the_tool_is_refused(dbmate, sqlmigrate):
    outcome = sqlmigrate("import", "--from", "flyway", "db/migrations")

    assert outcome.status == 2
    assert "db/migrations: no migration of Flyway is here" in outcome.stderr


def test_a_database_of_flyways_goes_on_with_its_order_and_its_times(project, target, sqlmigrate):
    names = {f"db/migration/V1.{n}__x.sql": f"CREATE TABLE t{n} ();\n" for n in (8, 9, 10, 11)}
    written(project.root, names | {f"db/migration/U1.{n}__x.sql": f"DROP TABLE t{n};\n" for n in (8, 9, 10, 11)})
    target.connect().execute(FLYWAY + "; CREATE TABLE t8 (); CREATE TABLE t9 (); CREATE TABLE t10 ()")

    first = sqlmigrate("import", "--from", "flyway")
    hint = sqlmigrate("plan")
    marked = sqlmigrate("mark", "--from", "flyway")
    applied_now = sqlmigrate("apply")
    history = sqlmigrate("status", "--json").document

    assert (first.status, marked.status, applied_now.status) == (0, 0, 0), (first, marked, applied_now)
    assert 'sqlmigrate.toml was created, with order = "natural"' in first.stdout
    assert "mark it first: sqlmigrate mark --from flyway" in " ".join(hint.stderr.split())
    assert "V1.8__x was edited since Flyway applied it" in marked.stderr
    assert applied(target) == ["V1.8__x", "V1.9__x", "V1.10__x", "V1.11__x"]
    assert [str(item["applied_at"])[:10] for item in history["migrations"]][:3] == [
        "2024-01-09",
        "2024-01-10",
        "2024-01-11",
    ]


def test_an_existing_configuration_is_not_changed(project, sqlmigrate):
    project.config('migrations = "sql"\n')
    written(project.root, {f"migrations/{n}_x.up.sql": "SELECT 1;\n" for n in (2, 10)})

    outcome = sqlmigrate("import", "--from", "golang-migrate")

    assert 'only with order = "natural": write that into' in " ".join(outcome.stdout.split())
    assert (project.root / "sqlmigrate.toml").read_text() == 'migrations = "sql"\n'


def test_what_only_the_history_of_supabase_still_has_is_written_when_asked_for(project, target, sqlmigrate):
    project.migration("1_a", "SELECT 1;\n")
    session = target.connect()
    session.execute(TABLES["supabase"])
    kept = {
        ("1", "a"): ["SELECT 1"],
        ("2", "b"): ["CREATE TABLE b (t text DEFAULT ';')", "SELECT 1 -- one", "-- the end"],
        ("3", "../c"): ["SELECT 3"],
        ("4", "d"): ["SELECT 4", "COMMIT", "SELECT 5"],
        ("5", "e"): None,
    }
    for (version, name), statements in kept.items():
        values = [version, statements, name]
        session.execute("INSERT INTO supabase_migrations.schema_migrations VALUES (%s, %s, %s)", values)

    refused = sqlmigrate("mark", "--all", "--write-missing")
    first = sqlmigrate("mark", "--from", "supabase")
    second = sqlmigrate("mark", "--from", "supabase", "--write-missing")
    again = sqlmigrate("mark", "--from", "supabase", "--write-missing", "--json")

    assert (refused.status, first.status, second.status) == (2, 0, 0)
    assert "`mark --from supabase --write-missing` writes those that" in " ".join(first.stderr.split())
    assert contents(project.directory) == {
        "1_a.sql": "SELECT 1;\n",
        "2_b.sql": "CREATE TABLE b (t text DEFAULT ';');\nSELECT 1 -- one\n;\n-- the end\n",
        "3.sql": "SELECT 3;\n",
    }
    assert applied(target) == ["1_a", "2_b", "3"]
    assert "not written: " in second.stderr
    assert "4_d.sql:2:1: COMMIT" in second.stderr
    assert "--write-missing" not in second.stderr
    assert again.document["written"] == []
    assert again.document["already_applied"] == ["1_a", "2_b", "3"]
    assert again.document["without_file"] == ["4_d", "5_e"]
