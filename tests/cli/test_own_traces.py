"""Scripts that work on every table that they find find ours too: nothing breaks, and it is said whose they are."""

from __future__ import annotations

import pytest

from cli.conftest import Project
from fixtures.postgres import Database
from support.command import Call

pytestmark = pytest.mark.pg

EVERY = """
CREATE SCHEMA elsewhere;
DO $$ DECLARE t regclass; BEGIN
    FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname !~ '^pg_|^information_schema$' LOOP
        {}
    END LOOP; END $$;
"""
HARMFUL = {
    "drops": "EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', t);",
    "empties": "EXECUTE format('TRUNCATE %s', t);",
    "moves": "EXECUTE format('ALTER TABLE %s SET SCHEMA elsewhere', t);",
    "renames": "EXECUTE format('ALTER TABLE %s RENAME TO %I', t, 'z' || t::oid);",
    "makes unlogged": "EXECUTE format('ALTER TABLE %s SET UNLOGGED', t);",
    "hangs a trigger on": "EXECUTE format('CREATE TRIGGER a BEFORE INSERT OR UPDATE ON %s FOR EACH ROW "
    "EXECUTE FUNCTION suppress_redundant_updates_trigger()', t);",
}
HUNG = {
    "logs": "EXECUTE format('CREATE TRIGGER a AFTER INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION log()', t);",
    "has a policy on": "EXECUTE format('CREATE POLICY p ON %s USING (true)', t);",
    "numbers": "EXECUTE format('ALTER TABLE %s ADD COLUMN uid uuid DEFAULT gen_random_uuid()', t);",
    "checks": "EXECUTE format('ALTER TABLE %s ADD CHECK (true)', t);",
    "indexes an expression of": "EXECUTE format('CREATE INDEX ON %s ((1))', t);",
}
LOG_IT = "CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
HARMLESS = {
    "renames the constraints of": "DECLARE k name; BEGIN FOR k IN SELECT conname FROM pg_constraint "
    "WHERE conrelid = t LOOP EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', t, k, k || '_x'); "
    "END LOOP; END;",
    "adds a column to": "EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS made timestamptz DEFAULT now()', t);",
    "secures the rows of": "EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);",
    "comments on": "EXECUTE format('COMMENT ON TABLE %s IS $x$x$x$', t);",
    "gives away": "EXECUTE format('GRANT SELECT ON %s TO PUBLIC', t);",
    "indexes": "DECLARE a name; BEGIN FOR a IN SELECT attname FROM pg_attribute WHERE attrelid = t AND attnum > 0 LOOP "
    "EXECUTE format('CREATE INDEX ON %s (%I)', t, a); END LOOP; END;",
}


@pytest.mark.parametrize("what", HARMFUL.values(), ids=HARMFUL)
def test_a_script_that_takes_our_tables_too_is_rolled_back_and_told_whose_they_are(
    target: Database, project: Project, sqlmigrate: Call, what: str
) -> None:
    project.tables("1")
    assert sqlmigrate("apply").status == 0
    project.migration("2", EVERY.format(what))

    result = sqlmigrate("apply")

    assert result.status == 1
    assert (
        "schema sqlmigrate holds sqlmigrate's own tables: change the script so that it leaves them out" in result.stderr
    )
    assert "1 applied, 1 pending" in sqlmigrate("status").stdout


@pytest.mark.parametrize("what", HUNG.values(), ids=HUNG)
def test_a_script_after_which_no_run_would_trust_the_history_is_rolled_back(
    target: Database, project: Project, sqlmigrate: Call, what: str
) -> None:
    project.tables("1")
    assert sqlmigrate("apply").status == 0
    project.migration("2", LOG_IT + EVERY.format(what))
    project.tables("3")

    result = sqlmigrate("apply")

    assert result.status == 1
    assert "the script changed what sqlmigrate's own tables do" in result.stderr
    assert "change the script so that it leaves them out" in result.stderr
    assert "1 applied, 2 pending" in sqlmigrate("status").stdout


@pytest.mark.parametrize("what", HARMLESS.values(), ids=HARMLESS)
def test_what_a_script_does_to_our_tables_in_passing_harms_nothing(
    target: Database, project: Project, sqlmigrate: Call, what: str
) -> None:
    project.tables("1")
    assert sqlmigrate("apply").status == 0
    project.migration("2", EVERY.format(what), rollback="DROP SCHEMA elsewhere;")
    project.tables("3")

    applied = sqlmigrate("apply")

    assert (applied.status, applied.lines[-1:]) == (0, ["2 applied"]), applied.stderr
    assert sqlmigrate("rollback", "--yes", "--steps", "2").lines[-1] == "2 rolled back"
    assert "1 applied, 2 pending" in sqlmigrate("status").stdout


def test_what_is_set_for_all_tables_to_come_is_set_for_ours_too(
    target: Database, project: Project, sqlmigrate: Call
) -> None:
    with target.connect_superuser() as session:
        session.execute(
            """
            CREATE FUNCTION secure() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE made text; BEGIN
                FOR made IN SELECT object_identity FROM pg_event_trigger_ddl_commands()
                    WHERE command_tag = 'CREATE TABLE' LOOP
                    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', made);
                END LOOP; END $$
            """
        )
        session.execute("CREATE EVENT TRIGGER secure ON ddl_command_end EXECUTE FUNCTION secure()")
        session.execute("CREATE PUBLICATION everything FOR ALL TABLES")
        session.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
    project.tables("1", "2")

    assert sqlmigrate("apply").lines[-1] == "2 applied"
    assert sqlmigrate("rollback", "--yes").lines[-1] == "1 rolled back"
    assert sqlmigrate("apply").lines[-1] == "1 applied"


def test_a_recursion_without_end_is_reported_in_a_page(target: Database, project: Project, sqlmigrate: Call) -> None:
    project.migration(
        "1", "CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN f($1 + 1); END $$; SELECT f(1);"
    )

    said = sqlmigrate("apply").stderr

    assert "stack depth limit exceeded" in said
    assert "more lines)" in said
    assert len(said.splitlines()) < 40
