"""A verdict goes by what schemas and data mean, and not by how they are written or called in between."""

from __future__ import annotations

import psycopg
import pytest

from sqlmigrate import shadow
from sqlmigrate.roundtrip import Verdict
from sqlmigrate.schema.diff import as_text
from support import undo
from support.trips import NOTHING, one

pytestmark = pytest.mark.pg

WANTED = shadow.Wanted(bootstrap=NOTHING)

VISITS = "CREATE TABLE visits (id int PRIMARY KEY, at timestamp, seen timestamptz(3));"
ANOTHER = "has a type in between that cannot hold all values"
PLPGSQL = """CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$ BEGIN  -- one
    RETURN 'a  b' || $q$ -- kept $q$; END $$;"""
AGAIN = "CREATE OR REPLACE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$ {} $$;"


RENAMED = {
    "a column, while another one has its name": (
        "CREATE TABLE c (id int PRIMARY KEY, note text);",
        "ALTER TABLE c RENAME COLUMN note TO body; ALTER TABLE c ADD COLUMN note varchar(9);",
        "ALTER TABLE c DROP COLUMN note; ALTER TABLE c RENAME COLUMN body TO note;",
    ),
    "a table": (
        "CREATE TABLE d (id int, note text);",
        "ALTER TABLE d RENAME TO d_old; CREATE TABLE d (id int, note int);",
        "DROP TABLE d; ALTER TABLE d_old RENAME TO d;",
    ),
    "a schema": (
        "CREATE SCHEMA s; CREATE TABLE s.t (id int, note text); CREATE SEQUENCE s.n;",
        "ALTER SCHEMA s RENAME TO s_old; CREATE SCHEMA s; CREATE TABLE s.t (id smallint); CREATE SEQUENCE s.n;",
        "DROP SCHEMA s CASCADE; ALTER SCHEMA s_old RENAME TO s;",
    ),
    "a table's schema": (
        "CREATE SCHEMA s; CREATE TABLE s.t (id int);",
        "ALTER TABLE s.t SET SCHEMA public; CREATE TABLE s.t (id text);",
        "DROP TABLE s.t; ALTER TABLE public.t SET SCHEMA s;",
    ),
    "an enumeration": (
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE t (mood mood);",
        "ALTER TYPE mood RENAME TO feeling; CREATE TYPE mood AS ENUM ('none');",
        "DROP TYPE mood; ALTER TYPE feeling RENAME TO mood;",
    ),
    "a value of an enumeration": (
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE t (mood mood);",
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'down';",
        "ALTER TYPE mood RENAME VALUE 'down' TO 'sad';",
    ),
    "a domain": (
        "CREATE DOMAIN mail AS text; CREATE TABLE t (mail mail);",
        "ALTER DOMAIN mail RENAME TO post; CREATE DOMAIN mail AS varchar(3);",
        "DROP DOMAIN mail; ALTER DOMAIN post RENAME TO mail;",
    ),
    "a sequence": (
        "CREATE SEQUENCE n;",
        "ALTER SEQUENCE n RENAME TO m; CREATE SEQUENCE n;",
        "DROP SEQUENCE n; ALTER SEQUENCE m RENAME TO n;",
    ),
}


@pytest.mark.parametrize("pair", RENAMED.values(), ids=RENAMED)
def test_what_is_renamed_away_and_back_is_not_a_loss(project, throwaway_shadow, pair):
    ground, script, rollback = pair
    found = one(project, throwaway_shadow, script, rollback, ground=ground)

    assert (found.verdict, found.lost, as_text(found.differences)) == (Verdict.EXACT, (), [])


@pytest.mark.parametrize(
    ("ground", "script", "rollback", "lost"),
    [
        (
            "CREATE TABLE a (id int); CREATE TABLE b (id int);",
            "SELECT 1;",
            "ALTER TABLE a RENAME TO x; ALTER TABLE b RENAME TO a; ALTER TABLE x RENAME TO b;",
            ("table public.a is not the same one as before", "table public.b is not the same one as before"),
        ),
        (
            "CREATE TABLE a (id int);",
            "ALTER TABLE a RENAME TO b; TRUNCATE b;",
            "ALTER TABLE b RENAME TO a;",
            ("table public.a is emptied",),
        ),
        (
            "CREATE TABLE a (note text);",
            "ALTER TABLE a RENAME note TO body; ALTER TABLE a ALTER body TYPE varchar(3) USING left(body, 3);",
            "ALTER TABLE a ALTER body TYPE text; ALTER TABLE a RENAME body TO note;",
            (f"column public.a.note {ANOTHER}",),
        ),
        (
            "CREATE TABLE a (note text);",
            "ALTER TABLE a RENAME TO b; ALTER TABLE b RENAME note TO body; ALTER TABLE b ALTER body TYPE int USING 1;",
            "ALTER TABLE b ALTER body TYPE text; ALTER TABLE b RENAME body TO note; ALTER TABLE b RENAME TO a;",
            (f"column public.a.note {ANOTHER}",),
        ),
    ],
)
def test_what_is_lost_under_another_name_is_lost(project, throwaway_shadow, ground, script, rollback, lost):
    found = one(project, throwaway_shadow, script, rollback, ground=ground)

    assert (found.verdict, found.lost) == (Verdict.LOSSY, lost)


def there(column: str, kind: str, zone: str) -> str:
    return f"ALTER TABLE visits ALTER {column} TYPE {kind} USING {column} AT TIME ZONE '{zone}';"


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+5", "+03:30"])
def test_a_time_that_goes_there_and_back_by_a_fixed_zone_is_not_a_loss(project, throwaway_shadow, zone):
    script, rollback = there("at", "timestamptz", zone), there("at", "timestamp", zone)
    found = one(project, throwaway_shadow, script, rollback, ground=VISITS)

    assert (found.verdict, found.lost) == (Verdict.EXACT, ())


def test_a_time_with_a_zone_may_go_there_and_back_too(project, throwaway_shadow):
    script = f"DO $$ BEGIN {there('seen', 'timestamp(3)', 'UTC')} END $$;"
    found = one(project, throwaway_shadow, script, there("seen", "timestamptz(3)", "UTC"), ground=VISITS)

    assert (found.verdict, found.lost) == (Verdict.EXACT, ())


@pytest.mark.parametrize(
    ("script", "rollback", "column"),
    [
        (there("seen", "timestamp(3)", "Europe/London"), there("seen", "timestamptz(3)", "Europe/London"), "seen"),
        (there("at", "timestamptz", "Europe/London"), there("at", "timestamp", "Europe/London"), "at"),
        (there("at", "timestamptz", "Asia/Tokyo"), there("at", "timestamp", "Asia/Tokyo"), "at"),
        (there("at", "timestamptz", "UTC"), there("at", "timestamp", "-01"), "at"),
        (there("at", "timestamptz", "UTC"), "ALTER TABLE visits ALTER at TYPE timestamp;", "at"),
        ("ALTER TABLE visits ALTER at TYPE timestamptz;", "ALTER TABLE visits ALTER at TYPE timestamp;", "at"),
        (there("at", "timestamptz(0)", "UTC"), there("at", "timestamp", "UTC"), "at"),
    ],
)
def test_a_time_whose_way_is_not_that_of_one_fixed_zone_is_lossy(project, throwaway_shadow, script, rollback, column):
    found = one(project, throwaway_shadow, script, rollback, ground=VISITS)

    assert (found.verdict, found.lost) == (Verdict.LOSSY, (f"column public.visits.{column} {ANOTHER}",))


def test_attributes_that_changed_places_are_not_restored(project, throwaway_shadow):
    found = one(
        project,
        throwaway_shadow,
        "ALTER TYPE pair DROP ATTRIBUTE a;",
        "ALTER TYPE pair ADD ATTRIBUTE a int;",
        ground="CREATE TYPE pair AS (a int, b int); CREATE TABLE t (pair pair);",
    )

    assert (found.verdict, as_text(found.differences)) == (
        Verdict.NOT_RESTORED,
        ["~ attribute public.pair.a: position 1 -> 2"],
    )


def test_columns_that_changed_places_in_a_row_type_that_is_stored_are_not_restored(project, throwaway_shadow):
    found = one(
        project,
        throwaway_shadow,
        "ALTER TABLE pair DROP COLUMN a;",
        "ALTER TABLE pair ADD COLUMN a int;",
        ground="CREATE TABLE pair (a int, b int); CREATE TABLE t (pairs pair[]);",
    )

    assert (found.verdict, as_text(found.differences)) == (
        Verdict.NOT_RESTORED,
        ["~ column public.pair.a: position in the row type 1 -> 2"],
    )


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN RETURN 'a  b' || $q$ -- kept $q$; END",
        "BEGIN\n\t/* other /* words */ */\n    RETURN 'a  b'||$q$ -- kept $q$;\nEND",
    ],
)
def test_white_space_and_comments_in_a_body_are_text_only(project, throwaway_shadow, body):
    found = one(project, throwaway_shadow, "DROP FUNCTION f();", AGAIN.format(body), ground=PLPGSQL)

    assert found.verdict is Verdict.TEXT_ONLY
    assert [change.property for change in found.differences] == ["definition"]


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN RETURN 'a b' || $q$ -- kept $q$; END",
        "BEGIN RETURN 'a  b' || $q$ $q$; END",
        "BEGIN RETURN 'a  b' || $q$ -- kept $q$ || ''; END",
        "BEGIN /*+ SeqScan(t) */ RETURN 'a  b' || $q$ -- kept $q$; END",
    ],
)
def test_another_literal_statement_or_planner_hint_is_not_text_only(project, throwaway_shadow, body):
    found = one(project, throwaway_shadow, "DROP FUNCTION f();", AGAIN.format(body), ground=PLPGSQL)

    assert found.verdict is Verdict.NOT_RESTORED


def test_a_space_that_makes_a_constant_one_of_another_type_is_not_text_only(project, throwaway_shadow):
    body = "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT ({}'1')::text $$;"
    found = one(
        project,
        throwaway_shadow,
        "DROP FUNCTION f();",
        body.format("n"),
        ground="CREATE DOMAIN n AS numeric(5, 2);" + body.format("n "),
    )

    assert found.verdict is Verdict.NOT_RESTORED


def test_an_order_of_columns_beside_a_text_is_order_only(project, throwaway_shadow):
    found = one(
        project,
        throwaway_shadow,
        "DROP FUNCTION f(); ALTER TABLE t DROP COLUMN a;",
        AGAIN.format("BEGIN RETURN 'a  b' || $q$ -- kept $q$; END")
        + "ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (1) STORED;",
        ground=f"{PLPGSQL} CREATE TABLE t (a int GENERATED ALWAYS AS (1) STORED, b int);",
    )

    assert found.verdict is Verdict.ORDER_ONLY


@pytest.fixture(scope="module")
def printed(throwaway_shadow: shadow.Shadow) -> dict[str, tuple[str, str, int]]:
    """For each program, what drops all definitions of the corpus, and what it prints to make them anew."""
    with throwaway_shadow.database() as database, psycopg.connect(database.conninfo, autocommit=True) as session:
        session.execute(undo.ground())
        return {"psql": undo.pair(session, pretty=True), "pg_dump": undo.pair(session, pretty=False)}


@pytest.mark.parametrize("program", ["psql", "pg_dump"])
def test_an_undo_copied_from_what_a_program_prints_is_exact(project, throwaway_shadow, printed, program):
    drops, undos, count = printed[program]
    found = one(project, throwaway_shadow, drops, undos, ground=undo.ground())

    assert count >= 50
    assert as_text([*found.differences, *found.again]) == []
    assert (found.verdict, found.failure) == (Verdict.EXACT, None)


@pytest.mark.parametrize("program", ["psql", "pg_dump"])
def test_an_undo_that_means_something_else_is_not_restored(project, throwaway_shadow, printed, program):
    drops, undos, count = printed[program]
    found = one(project, throwaway_shadow, drops, undos.replace("77", "78"), ground=undo.ground())

    assert found.verdict is Verdict.NOT_RESTORED
    # an exclusion constraint has an index of its own
    assert len({change.object for change in found.differences}) == count + 1


def test_where_nothing_can_be_recreated_a_difference_stays_one(project, throwaway_shadow):
    check = "ALTER TABLE t ADD CONSTRAINT c CHECK (status IN ('a', 'b'))"
    revoke = (
        "DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM %I', current_database(), current_user); END $$;"
    )
    undo_ = (
        "ALTER TABLE t ADD CONSTRAINT c CHECK "
        "(status::text = ANY (ARRAY['a'::character varying, 'b'::character varying]::text[]));"
    )
    ground = f"CREATE TABLE t (status varchar); {check}; "
    allowed = one(project, throwaway_shadow, "ALTER TABLE t DROP CONSTRAINT c;", undo_, ground=ground)
    denied = one(project, throwaway_shadow, "ALTER TABLE t DROP CONSTRAINT c;", undo_, ground=ground + revoke)

    assert (allowed.verdict, as_text(allowed.differences)) == (Verdict.EXACT, [])
    assert (denied.verdict, denied.failure) == (Verdict.NOT_RESTORED, None)
    assert [str(change.object) for change in denied.differences] == ["constraint c on public.t"]
