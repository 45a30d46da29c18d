"""No command runs what others have put into a schema of the login's search_path, under PostgreSQL's own names."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from sqlmigrate import api
from sqlmigrate.server import find_program
from support.hostile import hostile_script
from support.seeds import AGENTS, LLMS, SeedFiles
from support.yoyo import opened

WORST = "public, pg_catalog"
PATHS = [None, WORST]  # PostgreSQL looks into pg_catalog first, or last
# What scripts and triggers do is theirs: these name nothing that has a double.
TABLES = """
CREATE SCHEMA app;
CREATE FUNCTION app.hostile(what pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $trap$
BEGIN
    RAISE LOG 'hostile: %', what;
    RAISE EXCEPTION 'hostile: %', what;
END
$trap$;
CREATE TABLE app.things (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name varchar(20) UNIQUE,
    note pg_catalog.jsonb,
    parts varchar(10)[],
    at timestamp with time zone DEFAULT pg_catalog.now()
);
CREATE TABLE public.llms (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    model_code pg_catalog.text UNIQUE,
    provider varchar(10)
);
CREATE TABLE public.agents (
    agent_type varchar(40) PRIMARY KEY,
    llm_id pg_catalog.uuid REFERENCES public.llms,
    updated_at timestamp with time zone DEFAULT pg_catalog.now()
);
"""
UNDO = "DROP TABLE public.agents, public.llms;\nDROP SCHEMA app CASCADE;\n"
OUTSIDE = """
CREATE INDEX CONCURRENTLY things_note ON app.things (note);
ALTER TABLE app.things ADD COLUMN size bigint;
REINDEX TABLE CONCURRENTLY app.things;
"""
UNDO_OUTSIDE = (
    "-- transactional: false\nDROP INDEX CONCURRENTLY app.things_note;\nALTER TABLE app.things DROP COLUMN size;\n"
)
# what is found first where pg_temp does not stand behind pg_catalog
TEMPORARY = """
CREATE TEMPORARY TABLE pg_class (oid integer);
CREATE TEMPORARY TABLE pg_locks (pid integer);
CREATE TEMPORARY TABLE _yoyo_migration (migration_hash integer);
CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (app.hostile('type pg_temp.text'));
CREATE DOMAIN pg_temp.oid AS pg_catalog.oid CHECK (app.hostile('type pg_temp.oid'));
CREATE DOMAIN pg_temp.uuid AS pg_catalog.uuid CHECK (app.hostile('type pg_temp.uuid'));
CREATE DOMAIN pg_temp.regclass AS pg_catalog.regclass CHECK (app.hostile('type pg_temp.regclass'));
ALTER TABLE app.things ADD COLUMN temporary boolean;
"""
BATCHES = """-- transactional: false
-- sqlmigrate-batch: table=public.llms key=id
-- sqlmigrate-throttle: waiters=5 vacuum=wait oldest=1h slots=100GB wal=900MB/s
UPDATE public.llms SET provider = 'r' WHERE id OPERATOR(pg_catalog.>=) $1 AND id OPERATOR(pg_catalog.<=) $2
   AND provider OPERATOR(pg_catalog.<>) 'r'::pg_catalog.text;
"""
LLM_ROWS = "llms:\n  - {model_code: a, provider: p}\n  - {model_code: b, provider: p}\n"
AGENT_ROWS = "agents:\n  - {agent_type: T, llm_model_code: a}\n"


@pytest.fixture
def files(project):
    """Pairs of each kind, samples of one, and seeds."""
    project.migration("0001.tables", TABLES, rollback=UNDO)
    project.migration("0002.outside", "-- transactional: false" + OUTSIDE, rollback=UNDO_OUTSIDE)
    project.migration("0003.temporary", TEMPORARY, rollback="ALTER TABLE app.things DROP COLUMN temporary;\n")
    project.file("samples/0002.outside.sql", "INSERT INTO app.things (name, note) VALUES ('a', '{}'), ('b', NULL);\n")
    project.file("samples/0002.outside.after.sql", "INSERT INTO app.things (name) VALUES ('c');\n")
    project.file("samples/0002.outside.expect.sql", "SELECT true FROM app.things LIMIT 1;\n")
    (project.root / "data").mkdir()
    found = SeedFiles(project.root / "data")
    found.file("llms", LLMS, LLM_ROWS)
    found.file("agents", AGENTS, AGENT_ROWS)
    return found


@pytest.fixture
def run(sqlmigrate, traps) -> Callable[..., str]:
    """Run a command that must succeed; what was used meanwhile is an error of it."""

    def run(*arguments: str, status: int = 0) -> str:
        outcome = sqlmigrate(*arguments)
        assert traps.used() == [], arguments
        assert outcome.status == status, (arguments, outcome)
        return outcome.stdout

    return run


@pytest.fixture
def login(hostile, monkeypatch):
    """The database with the traps, in which the login is a superuser."""
    monkeypatch.setenv("DATABASE_URL", hostile.superuser_url)
    return hostile


@pytest.mark.parametrize("hostile", PATHS, indirect=True)
def test_no_command_uses_what_stands_in_its_way(login, files, project, run):
    run("validate")
    run("status")
    run("plan")
    run("apply", "-y")
    run("seed")
    files.file("llms", LLMS, LLM_ROWS.replace("provider: p", "provider: q", 1))
    assert "1 updated" in run("seed")
    run("status", "--json")
    run("history")
    run("history", "--id", "0001.tables", "--operation", "apply", "--since", "2020-01-01")
    run("stats")
    run("redo", "--accept-loss")
    run("rollback", "--accept-loss", "--steps", "2")
    run("apply", "-y", "--steps", "1")
    project.migration("0001.tables", TABLES + "-- edited\n", rollback=UNDO)
    run("status")
    run("accept", "0001.tables", "--reason", "a comment")
    run("unmark", "0002.outside", "-y")
    run("mark", "0002.outside")
    run("rollback", "--accept-loss", "--include-marked", "0002.outside")
    run("rollback", "--accept-loss", "--all")
    for name in ("0002.outside.sql", "0002.outside.rollback.sql"):
        (project.directory / name).unlink()
    run("apply", "-y", "--single-transaction")


@pytest.mark.parametrize("hostile", [WORST], indirect=True)
def test_seeds_of_every_size_batches_and_fleets_use_none(login, files, project, run):
    run("apply", "-y", "--steps", "1")
    files.file("llms", LLMS | {"prune": "delete"}, LLM_ROWS)
    run("seed")
    files.file("llms", LLMS | {"prune": "delete"}, LLM_ROWS.partition("  - {model_code: b")[0])
    run("seed", "diff")
    assert "1 pruned" in run("seed", "--prune")
    run("seed", "schema", "public.agents")
    run("seed", "export", "public.llms", "--where", "provider IS NOT NULL")
    run("seed", "export", "public.agents", "--format", "csv", "--key", "agent_type", "--data", "elsewhere")
    (project.root / "data/agents.yaml").unlink()
    (project.root / "data/llms.yaml").unlink()
    rows = "".join(f"m{number},p\n" for number in range(10_000))
    (project.root / "data/llms.csv").write_text(f"model_code,provider\na,p\n{rows}")
    assert "10000 inserted" in run("seed")
    project.migration("0002.outside", BATCHES, rollback="SELECT 1;\n")
    run("apply", "-y", "--steps", "1")
    run("backfill", "status")
    (project.root / "targets.json").write_text(json.dumps({"targets": [{"name": "one", "url": login.superuser_url}]}))
    run("fleet", "status", "--targets", "targets.json")
    run("fleet", "apply", "--targets", "targets.json", "-y")


@pytest.mark.parametrize("hostile", [WORST], indirect=True)
@pytest.mark.usefixtures("shadow_on_other_server")
def test_a_target_is_read_undisturbed(login, files, project, run):
    run("apply", "-y", "--steps", "2")
    run("drift", status=3)  # the traps are in the database alone
    run("review")


@pytest.mark.parametrize("hostile", PATHS, indirect=True)
def test_what_stops_half_way_is_looked_up_and_resumed_undisturbed(login, files, project, run):
    broken = OUTSIDE.replace("ADD COLUMN size bigint", "ADD COLUMN name varchar(1)")
    project.migration("0002.outside", "-- transactional: false" + broken, rollback=UNDO_OUTSIDE)
    run("apply", "-y", status=6)
    run("status")
    project.migration("0002.outside", "-- transactional: false" + OUTSIDE, rollback=UNDO_OUTSIDE)
    run("apply", "-y")
    run("rollback", "--accept-loss", "--all")


@pytest.mark.parametrize("hostile", PATHS, indirect=True)
def test_psql_runs_a_plan_undisturbed(login, files, run, traps, project):
    program = find_program("psql", login.server.binaries)
    assert program is not None
    for command in (("plan",), ("plan", "--rollback", "--all")):
        plan = project.root / "plan.sql"
        plan.write_text(run(*command), encoding="utf-8")
        done = subprocess.run(
            [program, "-X", "-v", "ON_ERROR_STOP=1", "-f", plan, login.superuser_url],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert traps.used() == [], done.stderr
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("hostile", PATHS, indirect=True)
def test_the_history_goes_to_yoyo_and_back_undisturbed(login, files, run):
    run("apply", "-y", "--steps", "1")
    run("mark", "--to", "yoyo", "--schema", "app")
    run("unmark", "0001.tables", "-y")
    run("mark", "--from", "yoyo", "--schema", "app")
    run("rollback", "--accept-loss", "--all", "--include-marked", "0001.tables")


@pytest.mark.parametrize("hostile", PATHS, indirect=True)
def test_the_library_uses_none_either(login, files, project, traps):
    url, sql = login.superuser_url, project.directory
    api.apply(url, sql)
    api.status(url, sql)
    api.plan_rollback(url, sql)
    api.seed(url, project.root / "data")
    api.rollback(url, sql, everything=True, accept_loss=True)
    api.plan_as_sql(url, sql)

    assert traps.used() == []


@pytest.mark.parametrize("hostile", PATHS, indirect=True)
def test_the_yoyo_command_uses_none_through_our_back_end(login, files, project, traps):
    with opened(login, project.directory, scheme="sqlmigrate", role=login.server.user) as yoyo:
        yoyo.apply()
        assert len(yoyo.applied()) == 3
        yoyo.rollback(*reversed(yoyo.applied()))
        assert yoyo.applied() == []

    assert traps.used() == []


def test_the_traps_are_where_they_are_said_to_be(login, traps):
    session = login.connect_superuser()
    for text in (
        "SELECT oid >= 16384 FROM pg_catalog.pg_class",
        "SELECT 'x'::public.text",
        "SELECT FROM public.pg_class",
    ):
        with pytest.raises(Exception, match="hostile"):
            session.execute(text)

    assert traps.used() == ["operator >= (oid, integer)", "type text", "relation pg_class"]


@pytest.mark.usefixtures("shadow_on_other_server")
def test_roundtrip_review_and_drift_use_nothing_that_a_migration_makes(target, project, run, shadow_traps, monkeypatch):
    monkeypatch.setenv("SQLMIGRATE_SEARCH_PATH", WORST)
    project.migration("0000.traps", hostile_script(few=True))
    project.migration("0001.tables", TABLES, rollback=UNDO)
    project.migration("0002.outside", "-- transactional: false" + OUTSIDE, rollback=UNDO_OUTSIDE)
    project.migration("0003.temporary", TEMPORARY, rollback="ALTER TABLE app.things DROP COLUMN temporary;\n")
    project.file("samples/0002.outside.sql", "INSERT INTO app.things (name, note) VALUES ('a', '{}'), ('b', NULL);\n")
    project.file("samples/0002.outside.expect.sql", "SELECT true FROM app.things LIMIT 1;\n")

    run("roundtrip", "0001.tables", "0002.outside", "0003.temporary")
    run("review", "0001.tables", "0002.outside", "0003.temporary")
    run("apply", "-y")
    run("drift")
    assert shadow_traps.used() == []
