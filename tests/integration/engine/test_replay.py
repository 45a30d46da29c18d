"""Many scripts on one session leave what each leaves in a session of its own."""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import replace

import pytest

from sqlmigrate import connection as connections
from sqlmigrate.engine import Options
from sqlmigrate.review.question import Question
from sqlmigrate.review.reviewer import review
from sqlmigrate.roundtrip import Ground, Runner, round_trips
from sqlmigrate.roundtrip.contents import read_contents
from sqlmigrate.schema.read import read_schema
from sqlmigrate.server import ephemeral
from sqlmigrate.shadow import Wanted, opened
from sqlmigrate.sql.statement.lasting import settings_asked
from support.tracing import shadow_on
from support.waiting import wait_until

pytestmark = pytest.mark.pg

PROBE = """
INSERT INTO seen
SELECT {n}, current_setting('app.who', true) AS who, current_setting('TimeZone'), current_setting('search_path'),
       current_setting('application_name'), current_user, session_user,
       (SELECT count(*) FROM pg_prepared_statements),
       (SELECT count(*) FROM pg_cursors),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
       (SELECT count(*) FROM pg_listening_channels()),
       (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
       nextval('numbers');
"""
GROUND = """
CREATE TABLE seen (
    n int, who text, zone text, path text, name text, role text, login text,
    prepared int, cursors int, locks int, channels int, temporary int, number int
);
CREATE TABLE rows (id int PRIMARY KEY, note text);
INSERT INTO rows SELECT generate_series(1, 5);
CREATE SEQUENCE numbers CACHE 10;
CREATE FUNCTION latest() RETURNS rows LANGUAGE plpgsql AS $$
DECLARE found rows; BEGIN SELECT * INTO found FROM rows ORDER BY id DESC LIMIT 1; RETURN found; END $$;
"""
AT_COMMIT = """
CREATE TABLE late{n} (n int);
CREATE FUNCTION late{n}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.n < 2 THEN
        SET CONSTRAINTS ALL DEFERRED;
        INSERT INTO public.late{n} VALUES (NEW.n + 1);
    ELSE
        {does}
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late{n} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION late{n}();
INSERT INTO late{n} VALUES (1);
"""
HERE = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {}', current_database()); END $$;"
SCRIPTS = [
    "CREATE TABLE t{n} (id int);",
    "INSERT INTO t VALUES ({n});",
    "ALTER TABLE rows ADD c{n} int DEFAULT {n}; INSERT INTO rows VALUES ({n} + 100);",
    "SELECT latest(); UPDATE rows SET note = (latest()).note || '{n}';",
    "SET app.who = 'somebody {n}';",
    "SELECT set_config('app.who', '{n}', true);",
    "DO $$ BEGIN EXECUTE 'SET app.' || 'who = 1'; END $$;",
    "SET TimeZone = 'Asia/Kathmandu'; SET search_path = pg_catalog;",
    "SET ROLE pg_monitor;",
    "SET SESSION AUTHORIZATION pg_monitor;",
    "CREATE TEMP TABLE temporary (id int); CREATE TEMP SEQUENCE once;",
    "PREPARE ready AS SELECT 1; LISTEN news; SELECT pg_advisory_lock({n}); SELECT nextval('numbers');",
    "SELECT currval('numbers');",
    "DECLARE held CURSOR WITH HOLD FOR SELECT 1;",
    "DECLARE same CURSOR WITH HOLD FOR SELECT 1;",
    "CREATE TABLE gone{n} (); SELECT nextval('numbers'); SELECT 1 / 0;",
    "CREATE TABLE gone{n} (); SELECT pg_terminate_backend(pg_backend_pid()); SELECT 2;",
    "CREATE TABLE gone{n} ();\nCOMMIT;\nSELECT 1;",
    AT_COMMIT.format(n="{n}", does="RAISE EXCEPTION 'not at COMMIT';"),
    AT_COMMIT.format(n="{n}", does="INSERT INTO public.rows VALUES ({n} + 1000);"),
    AT_COMMIT.format(n="{n}", does="PERFORM pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid());"),
    "-- sqlmigrate: isolation=serializable\nCREATE TABLE serial{n} ();",
    "-- sqlmigrate: role=pg_monitor search_path=pg_catalog\nSELECT 1;",
    "-- transactional: false\nCREATE INDEX CONCURRENTLY ON rows (id);",
    "-- transactional: false\nCREATE TABLE half{n} ();\nSELECT 1 / 0;",
    "CREATE ROLE somebody_else;",
    HERE.format("SET TimeZone = ''Asia/Tokyo''"),
    HERE.format("SET app.who = ''the database {n}''"),
    HERE.format("RESET ALL"),
    "SET CONSTRAINTS ALL DEFERRED; SET LOCAL lock_timeout = '1h'; SET temp_buffers = '1MB';",
]


@pytest.fixture(scope="module")
def shadow(pg_server):
    with shadow_on(pg_server) as shadow:
        yield shadow


def reached(ground: Ground) -> dict[str, object]:
    """Give what there is to be seen in a database, and what could not be applied there."""
    database = ground.database
    with connections.session(database.admin_conninfo) as session:
        sequences = session.execute("SELECT schemaname, sequencename, last_value FROM pg_sequences").fetchall()
        settings = session.execute(
            "SELECT setconfig FROM pg_db_role_setting JOIN pg_database AS d ON d.oid = setdatabase WHERE datname = %s",
            [database.name],
        ).fetchall()
        rows = session.execute("SELECT * FROM public.seen ORDER BY n").fetchall()
        contents = read_contents(session)
    with connections.session(database.admin_conninfo) as session:
        schema = read_schema(session).schema
    left_out = [(item.migration_id, str(item.error)) for item in ground.left_out]
    return {
        "seen": rows,
        "sequences": sorted(sequences),
        "settings": settings,
        "contents": contents,
        "schema": schema,
        "left out": left_out,
    }


def both_ways(project, shadow) -> dict[str, object]:
    """Hold a replay against scripts that run in sessions of their own; gives what both reached."""
    steps = project.load().ordered
    shadow.asked = settings_asked(item.script for item in steps)
    with ExitStack() as stack:
        alone, together = (Runner(shadow, Options()) for _ in range(2))
        one_by_one = alone.ground(stack)
        for migration in steps:
            alone.replay(migration, one_by_one)
        at_once = together.ground(stack, steps)
        expected = reached(one_by_one)
        assert reached(at_once) == expected
    return expected


def write(project, scripts) -> None:
    project.migration("000", GROUND)
    for number, script in enumerate(scripts, 1):
        text = script.replace("{n}", str(number))
        project.migration(f"{number:03}", text + PROBE.replace("{n}", str(number)))


@pytest.mark.parametrize("at", range(len(SCRIPTS)))
def test_what_one_script_leaves_is_not_found_by_the_next(project, shadow, at):
    write(project, ["SELECT 1;", SCRIPTS[at], "SELECT 2;", SCRIPTS[at], "SELECT 3;"])

    assert both_ways(project, shadow)["seen"]


@pytest.mark.parametrize("seed", range(6))
def test_scripts_of_all_kinds_in_any_order_leave_the_same(project, shadow, seed):
    write(project, random.Random(seed).choices(SCRIPTS, k=25))

    assert both_ways(project, shadow)["seen"]


def test_scripts_that_put_the_name_of_a_setting_together_find_nothing_of_others(project, shadow):
    ask = "UPDATE rows SET note = coalesce(current_setting('app.' || 'other', true), 'none {n}') WHERE id = 1;"
    write(project, [ask, "SET app.other = 'me';", ask, "SELECT 1;", ask])

    both_ways(project, shadow)
    assert shadow.asked is None


def test_a_trigger_on_login_runs_for_each_script(project, shadow, pg_server):
    if pg_server.major < 17:
        pytest.skip("PostgreSQL 17 brought event triggers on login")
    trigger = """
        CREATE FUNCTION hello() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF current_setting('application_name') = 'sqlmigrate' THEN INSERT INTO public.rows VALUES (default); END IF;
        END $$;
        ALTER TABLE rows ALTER id ADD GENERATED ALWAYS AS IDENTITY (START 1000);
        CREATE EVENT TRIGGER hello ON login EXECUTE FUNCTION hello();
    """
    write(project, ["SELECT 1;", trigger, "SELECT 2;", "SELECT 3;", "DROP EVENT TRIGGER hello;", "SELECT 4;"])

    (numbered,) = [last for _, name, last in both_ways(project, shadow)["sequences"] if name == "rows_id_seq"]
    assert numbered == 1002  # one row for each script while the trigger was there


def test_round_trips_on_a_copy_of_a_ground_find_what_they_find_from_the_start(project, shadow):
    write(project, SCRIPTS)
    found = project.load()
    shadow.asked = settings_asked(item.script for item in found.ordered)
    wanted = [item.migration_id for item in found.ordered[-3:]]
    with ExitStack() as stack:
        ground = Runner(shadow, Options()).ground(stack, found.ordered[:-6])
        forked = list(round_trips(found, wanted, shadow, Options(), ground=ground))
    whole = list(round_trips(found, wanted, shadow, Options()))

    assert [shown(trip) for trip in forked] == [shown(trip) for trip in whole]


def shown(trip) -> object:
    left_out = tuple((item.migration_id, str(item.error)) for item in trip.left_out)
    failure = trip.failure and (trip.failure.step, str(trip.failure.error))
    return replace(trip, seconds=0, left_out=left_out, failure=failure)


def test_a_review_makes_as_many_connections_behind_many_migrations_as_behind_a_few(project, binaries):
    few, many = 3, 30
    for number in range(many):
        project.migration(f"{number:03}", f"CREATE TABLE t{number} (id int);", rollback=f"DROP TABLE t{number};")
    found = project.load()
    with ephemeral(binaries=binaries, settings={"log_connections": "on"}) as server, shadow_on(server) as shadow:

        def connections_of(migration_id: str) -> int:
            before = logged(server)
            report = review(Question(found, (found.named(migration_id),)), shadow, Options())
            assert report.migrations[0].proof.verdict == "exact"
            return logged(server) - before

        connections_of("001")
        assert connections_of(f"{few:03}") == connections_of(f"{many - 1:03}")


def logged(server) -> int:
    """Count the sessions that a server has let in, behind one that it certainly has told of."""
    with connections.session(server.conninfo()) as session:
        pid = session.info.backend_pid
    text = wait_until(lambda: text if f"[{pid}]" in (text := server.log.read_text()) else None)
    return text.count("connection authorized")


def test_a_base_that_makes_a_role_is_applied_before_what_is_reviewed(project):
    project.migration("1", "CREATE ROLE reader; CREATE TABLE a ();", rollback="DROP TABLE a; DROP ROLE reader;")
    project.migration("2", "GRANT SELECT ON a TO reader;", rollback="REVOKE SELECT ON a FROM reader;")
    found = project.load()
    with opened(Wanted(superuser=True)) as shadow:
        report = review(Question(found, (found.named("2"),)), shadow, Options())

    assert report.migrations[0].verdict == "fine"
    assert report.migrations[0].without == ()
