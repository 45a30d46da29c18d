"""`sqlmigrate drift`, and `apply --check-drift`."""

from __future__ import annotations

import psycopg
import pytest

from cli.conftest import Project
from fixtures.postgres import Database
from support.command import Call, program
from support.formats import check_junit

pytestmark = [pytest.mark.pg, pytest.mark.usefixtures("shadow_on_other_server")]


@pytest.fixture
def applied(project: Project, target: Database, sqlmigrate: Call) -> psycopg.Connection:
    """A project whose one migration is applied; gives a session for changes by hand."""
    project.migration("0001.a", "CREATE TABLE a (one integer, two text);\n", rollback="DROP TABLE a;\n")
    assert sqlmigrate("apply").status == 0
    return target.connect()


def test_no_drift_is_one_line_and_status_0(applied, sqlmigrate, target):
    done = sqlmigrate("drift")

    assert done.status == 0
    assert done.lines == ["no drift: the database is what 1 applied migration makes of it"]
    assert done.stderr.startswith(f"database {target.name} on socket ")
    assert len(done.stderr.splitlines()) == 1


def test_drift_is_shown_in_three_groups_with_status_3(applied, sqlmigrate, tmp_path):
    applied.execute("ALTER TABLE a DROP COLUMN two; ALTER TABLE a ALTER one SET NOT NULL; CREATE SCHEMA by_hand")
    if applied.info.server_version >= 180000:
        applied.execute("ALTER TABLE a DROP CONSTRAINT a_one_not_null; COMMENT ON COLUMN a.one IS 'x'")
    else:
        applied.execute("ALTER TABLE a ALTER one DROP NOT NULL; COMMENT ON COLUMN a.one IS 'x'")

    done = sqlmigrate("drift", "--output", tmp_path / "drift.xml")

    assert [case.attrib["name"] for case in check_junit((tmp_path / "drift.xml").read_text()).iter("testcase")] == [
        "column public.a.one",
        "column public.a.two",
        "schema by_hand",
    ]
    assert done.status == 3
    assert done.lines == [
        "extra: in the database, but not in the files",
        "  + schema by_hand: acl migrator=UC/migrator",
        "",
        "missing: in the files, but not in the database",
        "  - column public.a.two: text",
        "",
        "different: first what the files say, then what is in the database",
        "  ~ column public.a.one: comment none -> x",
        "",
        "drift: 1 extra, 1 missing, 1 different",
    ]


def test_json_is_all_that_is_on_stdout_also_with_status_3(applied, sqlmigrate):
    applied.execute("CREATE TABLE by_hand (); CREATE TABLE tmp_1 ()")

    done = sqlmigrate("drift", "--json", "--ignore", "table public.tmp_*", "--ignore", "role *")

    (change,) = done.document["changes"]
    assert (done.status, change["kind"], change["object"]) == (3, "added", {"kind": "table", "name": "public.by_hand"})
    assert {key: value for key, value in done.document.items() if key != "changes"} == {
        "version": 1,
        "command": "drift",
        "drift": True,
        "ignored": 1,
        "notes": ["nothing matches the ignored 'role *'"],
    }


def test_patterns_come_from_the_settings_too(applied, sqlmigrate, project, monkeypatch):
    applied.execute("CREATE TABLE by_hand (); CREATE TABLE tmp_1 ()")
    project.config('drift_ignore = ["public.tmp_*"]\n[env.mine]\ndrift_ignore = ["public.tmp_*", "public.by_hand"]\n')

    assert sqlmigrate("drift").lines[-1] == "drift: 1 extra (1 ignored)"
    assert sqlmigrate("drift", "--ignore", "public.by_hand").lines == [
        "no drift: the database is what 1 applied migration makes of it (2 ignored)"
    ]
    assert sqlmigrate("drift", "--env", "mine").status == 0
    monkeypatch.setenv("SQLMIGRATE_DRIFT_IGNORE", "public.by_hand, table public.tmp_1")
    assert sqlmigrate("drift").status == 0


def test_a_migration_that_fails_on_the_shadow_is_an_error_with_its_place(applied, sqlmigrate, project, target):
    applied.execute("CREATE TABLE by_hand ()")
    project.migration("0002.b", "ALTER TABLE by_hand ADD COLUMN one integer;\n")
    assert sqlmigrate("apply").status == 0

    done = sqlmigrate("drift")

    assert (done.status, done.stdout) == (1, "")
    assert 'sql/0002.b.sql:1:1: on the throwaway database: relation "by_hand" does not exist' in done.stderr
    assert "the database itself was not touched" in done.stderr
    assert "was rolled back" not in done.stderr
    assert sqlmigrate("drift", "--json").document["error"]["place"]["line"] == 1


def test_control_characters_of_names_do_not_reach_the_terminal(applied, sqlmigrate):
    applied.execute('CREATE TABLE "\x1b[31mred" ()')

    assert "\x1b" not in sqlmigrate("drift").stdout


def test_nothing_is_applied_where_the_database_has_drifted(applied, sqlmigrate, project):
    applied.execute("CREATE TABLE by_hand ()")
    project.tables("0002.b")

    done = sqlmigrate("apply", "--check-drift")

    assert done.status == 3
    assert done.lines[0] == "nothing was applied, since the database is not what its files say:"
    assert done.lines[-1] == "drift: 1 extra"
    assert sqlmigrate("status", "--json").document["summary"]["pending"] == 1


def test_what_was_applied_stays_where_it_makes_drift(applied, sqlmigrate, project):
    project.migration("0002.b", "DO $$ BEGIN IF current_database() !~ 'shadow' THEN CREATE TABLE b (); END IF; END $$")

    done = sqlmigrate("apply", "--check-drift")

    assert done.status == 3
    assert done.lines[0].startswith("applied 0002.b (")
    assert done.lines[1:3] == ["1 applied", "extra: in the database, but not in the files"]
    assert sqlmigrate("status", "--json").document["summary"]["pending"] == 0


def test_apply_without_drift_works_as_always(applied, sqlmigrate, project):
    project.tables("0002.b")

    done = sqlmigrate("apply", "--check-drift")

    assert done.status == 0
    assert done.lines[-2:] == ["1 applied", "no drift: the database is what 2 applied migrations make of it"]


def test_apply_prints_one_document_whatever_is_found(applied, sqlmigrate, project):
    project.tables("0002.b")
    good = sqlmigrate("apply", "--check-drift", "--json")
    applied.execute("CREATE TABLE by_hand ()")
    project.tables("0003.c")
    bad = sqlmigrate("apply", "--check-drift", "--json")

    assert (good.status, good.document["drift"]["when"], good.document["drift"]["drift"]) == (0, "after", False)
    assert [item["migration_id"] for item in good.document["migrations"]] == ["0002.b"]
    assert (bad.status, bad.document["drift"]["when"], bad.document["drift"]["drift"]) == (3, "before", True)
    assert bad.document["migrations"] == []


def test_the_setting_checks_with_nothing_pending_too(applied, sqlmigrate, project):
    project.config("[env.production]\ncheck_drift = true\n")
    applied.execute("CREATE TABLE by_hand ()")

    assert sqlmigrate("apply").status == 0
    assert sqlmigrate("apply", "--env", "production").status == 3


def test_a_protected_environment_is_compared_before_it_is_asked_for(applied, sqlmigrate, project):
    project.config("protected = true\ncheck_drift = true\n")
    applied.execute("CREATE TABLE by_hand ()")
    project.tables("0002.b")

    assert sqlmigrate("apply").status == 3


def test_a_script_that_stopped_half_way_is_finished_and_compared_then(applied, sqlmigrate, project):
    project.migration("0002.b", "-- transactional: false\nCREATE TABLE b ();\nALTER TABLE by_hand ADD x integer;\n")
    assert sqlmigrate("apply").status == 6
    applied.execute("CREATE TABLE by_hand ()")

    done = sqlmigrate("apply", "--check-drift")

    assert "0002.b stopped half way, so only the result is compared" in done.stderr
    assert "1 applied, but the comparison afterwards failed: " in done.stderr  # by_hand is in no file
    assert done.status == 1


@pytest.mark.usefixtures("applied")
def test_the_command_works_as_a_program_without_a_server_for_the_shadow(target, project):
    done = program("drift", "--json", env={"SQLMIGRATE_SHADOW_URL": ""}, cwd=project.root)

    assert (done.status, done.document["drift"]) == (0, False)


@pytest.mark.parametrize("schema", ["public", "app", "sqlmigrate", "My app"])
@pytest.mark.usefixtures("shadow_on_other_server")
def test_what_else_is_in_the_schema_of_the_history_is_compared(project, target, sqlmigrate, schema):
    project.config(f'history_schema = "{schema}"\n')
    project.migration("1", "CREATE SCHEMA IF NOT EXISTS app; CREATE TABLE app.a (x int); CREATE TABLE b (x int);")
    assert sqlmigrate("apply").status == 0
    assert sqlmigrate("drift").status == 0

    target.connect().execute(f'CREATE TABLE "{schema}".by_hand (x int)')

    outcome = sqlmigrate("drift")
    assert (outcome.status, "by_hand" in outcome.stdout) == (3, True)
