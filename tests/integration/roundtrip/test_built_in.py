"""A pair that changes PostgreSQL's own objects, or what a copy does not hold by itself, is judged like any other."""

from __future__ import annotations

import pytest

from sqlmigrate import shadow
from sqlmigrate.roundtrip import Verdict
from sqlmigrate.schema.diff import as_text
from support.trips import one, tried

pytestmark = pytest.mark.pg

WANTED = shadow.Wanted(superuser=True, roles=frozenset({"reader"}))

CHANGES = {
    "a right on a function": (
        "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep FROM PUBLIC;",
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep TO PUBLIC;",
        "~ function pg_sleep(double precision): acl - =X/",
    ),
    "a right on a language": (
        "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;",
        "GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC;",
        "~ language plpgsql: acl - =U/",
    ),
    "a right on a view": (
        "REVOKE SELECT ON information_schema.tables FROM PUBLIC;",
        "GRANT SELECT ON information_schema.tables TO PUBLIC;",
        "~ view information_schema.tables: acl - =r/",
    ),
    "a right on a column": (
        "GRANT UPDATE (relname) ON pg_catalog.pg_class TO reader;",
        "REVOKE UPDATE (relname) ON pg_catalog.pg_class FROM reader;",
        "~ column pg_class.relname: acl + reader=w/",
    ),
    "a right on a type": (
        "REVOKE USAGE ON TYPE pg_catalog.int4 FROM PUBLIC;",
        "GRANT USAGE ON TYPE pg_catalog.int4 TO PUBLIC;",
        "~ type integer: acl - =U/",
    ),
    "a right on a schema": (
        "REVOKE USAGE ON SCHEMA information_schema FROM PUBLIC;",
        "GRANT USAGE ON SCHEMA information_schema TO PUBLIC;",
        "~ schema information_schema: acl - =U/",
    ),
    "an owner": (
        "ALTER FUNCTION pg_catalog.pg_sleep OWNER TO reader;",
        "DO $$ BEGIN EXECUTE format('ALTER FUNCTION pg_catalog.pg_sleep OWNER TO %I', current_user); END $$;",
        "~ function pg_sleep(double precision): owner ",
    ),
    "a text search configuration": (
        "ALTER TEXT SEARCH CONFIGURATION pg_catalog.english ALTER MAPPING FOR asciiword WITH simple;",
        "ALTER TEXT SEARCH CONFIGURATION pg_catalog.english ALTER MAPPING FOR asciiword WITH english_stem;",
        "~ text search configuration pg_catalog.english: mappings - asciiword: english_stem + asciiword: simple",
    ),
    "a mapping that goes": (
        "ALTER TEXT SEARCH CONFIGURATION pg_catalog.english DROP MAPPING FOR asciiword;",
        "ALTER TEXT SEARCH CONFIGURATION pg_catalog.english ADD MAPPING FOR asciiword WITH english_stem;",
        "~ text search configuration pg_catalog.english: mappings - asciiword: english_stem",
    ),
    "a text search dictionary": (
        "ALTER TEXT SEARCH DICTIONARY pg_catalog.simple (ACCEPT = false);",
        "ALTER TEXT SEARCH DICTIONARY pg_catalog.simple (ACCEPT);",
        "~ text search dictionary pg_catalog.simple: parameters ",
    ),
    "a cost of a function": (
        "ALTER FUNCTION pg_catalog.pg_sleep COST 77;",
        "ALTER FUNCTION pg_catalog.pg_sleep COST 1;",
        "~ function pg_sleep(double precision): definition",
    ),
    "a comment": (
        "COMMENT ON FUNCTION pg_catalog.pg_sleep IS 'sleeps';",
        "COMMENT ON FUNCTION pg_catalog.pg_sleep IS 'sleep for the specified time in seconds';",
        "~ function pg_sleep(double precision): comment ",
    ),
    "a comment that goes": (
        "COMMENT ON FUNCTION pg_catalog.pg_sleep IS NULL;",
        "COMMENT ON FUNCTION pg_catalog.pg_sleep IS 'sleep for the specified time in seconds';",
        "~ function pg_sleep(double precision): comment ",
    ),
    "a comment that comes": (
        "COMMENT ON COLUMN pg_catalog.pg_class.relname IS 'its name';",
        "COMMENT ON COLUMN pg_catalog.pg_class.relname IS NULL;",
        "~ column pg_class.relname: comment none -> its name",
    ),
    "a default of a column": (
        "ALTER VIEW information_schema.tables ALTER table_name SET DEFAULT 'x';",
        "ALTER VIEW information_schema.tables ALTER table_name DROP DEFAULT;",
        "~ column information_schema.tables.table_name: default none -> ",
    ),
    "a trigger on a table": (
        "CREATE TRIGGER t BEFORE UPDATE ON information_schema.sql_features FOR EACH ROW EXECUTE FUNCTION touch();",
        "DROP TRIGGER t ON information_schema.sql_features;",
        "+ trigger t on information_schema.sql_features",
    ),
    "a view that is replaced": (
        "ALTER VIEW information_schema.tables SET (security_barrier);",
        "ALTER VIEW information_schema.tables RESET (security_barrier);",
        "~ view information_schema.tables: options + security_barrier=true",
    ),
    "a text search configuration that is dropped": (
        "DROP TEXT SEARCH CONFIGURATION pg_catalog.danish;",
        None,
        "- text search configuration pg_catalog.danish",
    ),
}
SHARED = {
    "a comment on a tablespace": (
        "COMMENT ON TABLESPACE pg_default IS 'here';",
        "COMMENT ON TABLESPACE pg_default IS NULL;",
        "~ tablespace pg_default: comment none -> here",
    ),
    "a setting of a tablespace": (
        "ALTER TABLESPACE pg_default SET (seq_page_cost = 7);",
        "ALTER TABLESPACE pg_default RESET (seq_page_cost);",
        "~ tablespace pg_default: options + seq_page_cost=7",
    ),
    "a right on a tablespace": (
        "GRANT CREATE ON TABLESPACE pg_default TO reader;",
        "REVOKE CREATE ON TABLESPACE pg_default FROM reader;",
        "~ tablespace pg_default: acl + reader=C/",
    ),
    "a comment on a role": (
        "COMMENT ON ROLE pg_monitor IS 'looks';",
        "COMMENT ON ROLE pg_monitor IS NULL;",
        "~ role pg_monitor: comment none -> looks",
    ),
    "a setting for all roles": (
        "ALTER ROLE ALL SET work_mem = '7MB';",
        "ALTER ROLE ALL RESET work_mem;",
        "+ role settings for all roles",
    ),
    "a setting of another database": (
        "ALTER DATABASE template1 SET work_mem = '7MB';",
        "ALTER DATABASE template1 RESET work_mem;",
        "~ other database template1: settings + work_mem=7MB",
    ),
    "another database": (
        "-- transactional: false\nCREATE DATABASE another;",
        "-- transactional: false\nDROP DATABASE another;",
        "+ other database another",
    ),
}


TOUCH = "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;"


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_what_is_postgresqls_own_is_found_unless_it_is_taken_back(project, throwaway_shadow, change):
    script, undo, says = change
    if undo is not None:
        good = one(project, throwaway_shadow, script, undo, ground=TOUCH)
        assert (good.verdict, good.failure, as_text([*good.differences, *good.again])) == (Verdict.EXACT, None, [])
        assert says in "\n".join(as_text(good.makes))
    bad = one(project, throwaway_shadow, script, "SELECT 1;", ground=TOUCH)

    assert bad.verdict is Verdict.NOT_RESTORED
    assert says in "\n".join(as_text(bad.differences))
    assert len({change.object for change in bad.differences}) == 1


@pytest.mark.parametrize("change", SHARED.values(), ids=SHARED)
def test_a_change_of_what_all_databases_share_is_found_unless_it_is_taken_back(project, throwaway_shadow, change):
    script, undo, says = change
    good = one(project, throwaway_shadow, script, undo)
    assert (good.verdict, good.failure, as_text([*good.differences, *good.again])) == (Verdict.EXACT, None, [])
    assert says in "\n".join(as_text(good.makes))

    bad = one(project, throwaway_shadow, undo, "SELECT 1;")  # what was applied is there now
    assert bad.verdict is Verdict.NOT_RESTORED
    assert {change.object for change in bad.differences} == {change.object for change in good.makes}


SUBSCRIPTION = """
CREATE SUBSCRIPTION far CONNECTION 'host=nowhere' PUBLICATION p
    WITH (connect = false, enabled = false, slot_name = NONE);
COMMENT ON SUBSCRIPTION far IS 'from afar';
"""


@pytest.mark.parametrize(
    ("script", "undo"),
    [
        ("CREATE TABLE t (id int);", "DROP TABLE t;"),
        ("ALTER SUBSCRIPTION far SET (binary = true);", "ALTER SUBSCRIPTION far SET (binary = false);"),
        ("ALTER SUBSCRIPTION far OWNER TO CURRENT_USER;", "SELECT 1;"),
        ("ALTER SUBSCRIPTION far RENAME TO near;", "ALTER SUBSCRIPTION near RENAME TO far;"),
        ("COMMENT ON SUBSCRIPTION far IS NULL;", "COMMENT ON SUBSCRIPTION far IS 'from afar';"),
        ("DROP SUBSCRIPTION far;", SUBSCRIPTION),
    ],
)
def test_a_subscription_is_there_in_a_copy(project, throwaway_shadow, script, undo):
    found = one(project, throwaway_shadow, script, undo, ground=SUBSCRIPTION)

    assert (found.verdict, found.failure, as_text([*found.differences, *found.again])) == (Verdict.EXACT, None, [])


def test_what_becomes_of_a_subscription_is_compared(project, throwaway_shadow):
    project.migration("0", SUBSCRIPTION, rollback="DROP SUBSCRIPTION far;")
    project.migration("1", "COMMENT ON SUBSCRIPTION far IS 'x';", rollback="SELECT 1;")
    project.migration("2", "ALTER SUBSCRIPTION far SET (binary = true);", rollback="SELECT 1;")
    first, second, third = tried(project, throwaway_shadow)

    assert first.verdict is Verdict.EXACT
    assert as_text(second.differences) == ["~ subscription far: comment from afar -> x"]
    assert as_text(third.differences) == ["~ subscription far: binary no -> yes"]


def test_the_connection_limit_of_a_database_is_there_in_a_copy(project, throwaway_shadow):
    limit = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT {}', current_database()); END $$;"
    found = one(project, throwaway_shadow, limit.format(7), limit.format(9), ground=limit.format(9))

    assert (found.verdict, as_text(found.differences)) == (Verdict.EXACT, [])


EXTENSION = "CREATE EXTENSION citext; GRANT EXECUTE ON FUNCTION citext_eq TO reader;"
WITHOUT_CAST = "ALTER EXTENSION citext DROP CAST (citext AS text); DROP CAST (citext AS text);"
CAST = "CREATE CAST (citext AS text) WITHOUT FUNCTION AS {};"
AS_TEXT = "cast (public.citext AS pg_catalog.text)"
AS_BEFORE = "ALTER EXTENSION citext ADD CAST (citext AS text);"


@pytest.mark.parametrize(
    ("script", "undo", "differences"),
    [
        (
            "REVOKE EXECUTE ON FUNCTION citext_eq FROM reader;",
            "SELECT 1;",
            ["~ function public.citext_eq(public.citext,public.citext): acl - reader=X/postgres"],
        ),
        ("REVOKE EXECUTE ON FUNCTION citext_eq FROM reader;", "GRANT EXECUTE ON FUNCTION citext_eq TO reader;", []),
        ("COMMENT ON TYPE citext IS 'x';", "SELECT 1;", ["~ type public.citext: comment none -> x"]),
        ("CREATE EXTENSION hstore;", "DROP EXTENSION hstore;", []),
        ("DROP EXTENSION citext;", EXTENSION, []),
        (
            WITHOUT_CAST,
            "SELECT 1;",
            [f"- {AS_TEXT}: context implicit, method without function, part of extension citext"],
        ),
        (WITHOUT_CAST, CAST.format("IMPLICIT") + AS_BEFORE, []),
        (
            WITHOUT_CAST,
            CAST.format("ASSIGNMENT") + AS_BEFORE,
            [f"~ {AS_TEXT}: context implicit -> assignment"],
        ),
        (
            WITHOUT_CAST,
            CAST.format("IMPLICIT"),
            [f"~ {AS_TEXT}: part of extension citext -> none"],
        ),
        (
            "ALTER EXTENSION citext DROP FUNCTION citext_eq(citext, citext);",
            "SELECT 1;",
            ["~ function public.citext_eq(public.citext,public.citext): part of extension citext -> none"],
        ),
        (
            "CREATE TYPE mood AS ENUM ('sad'); ALTER EXTENSION citext ADD TYPE mood;",
            "SELECT 1;",
            ["+ type public.mood: form enum, labels sad, part of extension citext"],
        ),
    ],
)
def test_what_belongs_to_an_extension_is_compared_too(project, throwaway_shadow, script, undo, differences):
    if throwaway_shadow.missing_extensions(["citext", "hstore"]):
        pytest.skip("no extension citext or hstore")
    found = one(project, throwaway_shadow, script, undo, ground=EXTENSION)

    assert as_text(found.differences) == differences
    assert found.verdict is (Verdict.NOT_RESTORED if differences else Verdict.EXACT)
    assert len(found.makes) == 1
