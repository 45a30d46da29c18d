"""What an ordinary script has put into an extension is no snapshot's, and compared all the same."""

from __future__ import annotations

import pytest

from sqlmigrate import shadow
from sqlmigrate.roundtrip import Verdict
from sqlmigrate.schema.diff import as_text
from support.trips import NOTHING, one

pytestmark = pytest.mark.pg

WANTED = shadow.Wanted(bootstrap=NOTHING, asked=frozenset(), roles=frozenset({"reader"}))

GROUND = """
CREATE EXTENSION hstore;
CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE TABLE t (n integer);
CREATE POLICY p ON t USING (n > 0);
CREATE INDEX i ON t (n);
CREATE RULE r AS ON INSERT TO t DO ALSO SELECT 1;
CREATE TYPE e AS ENUM ('a');
ALTER EXTENSION hstore ADD FUNCTION f();
ALTER EXTENSION hstore ADD TYPE e;
DO $$ BEGIN EXECUTE 'ALTER EXTEN' || 'SION hstore ADD TABLE t'; END $$;
"""
CHANGES = {
    "a column": ("ALTER TABLE t ADD IF NOT EXISTS m integer;", "ALTER TABLE t DROP m;", "+ column public.t.m"),
    "a right": ("GRANT SELECT ON t TO reader;", "REVOKE SELECT ON t FROM reader;", "~ table public.t: acl + reader=r/"),
    "a policy": ("ALTER POLICY p ON t USING (n > 1);", "ALTER POLICY p ON t USING (n > 0);", "~ policy p on public.t"),
    "a policy that goes": ("DROP POLICY IF EXISTS p ON t;", "CREATE POLICY p ON t USING (n > 0);", "- policy p"),
    "an index": ("CREATE INDEX IF NOT EXISTS j ON t (n);", "DROP INDEX j;", "+ index public.j"),
    "an option of an index": ("ALTER INDEX i SET (fillfactor = 50);", "ALTER INDEX i RESET (fillfactor);", "~ index"),
    "a rule": (
        "CREATE OR REPLACE RULE r AS ON INSERT TO t DO ALSO SELECT 2;",
        "CREATE OR REPLACE RULE r AS ON INSERT TO t DO ALSO SELECT 1;",
        "~ rule r on public.t",
    ),
    "a function": (
        "CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 2';",
        "CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';",
        "~ function public.f(): definition",
    ),
    "a value": ("ALTER TYPE e ADD VALUE IF NOT EXISTS 'b';", None, "~ type public.e"),
    "one that goes": (
        (
            "DO $$ BEGIN\n"
            "IF to_regproc('f') IS NOT NULL THEN ALTER EXTENSION hstore DROP FUNCTION f(); DROP FUNCTION f(); END IF;\n"
            "END $$;"
        ),
        None,
        "- function public.f()",
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_what_a_script_has_put_into_an_extension_is_found(project, throwaway_shadow, change):
    if throwaway_shadow.missing_extensions(["hstore"]):
        pytest.skip("no extension hstore")
    script, undo, says = change
    if undo is not None:
        good = one(project, throwaway_shadow, script, undo, ground=GROUND)
        assert (good.verdict, good.failure, as_text([*good.differences, *good.again])) == (Verdict.EXACT, None, [])
    bad = one(project, throwaway_shadow, script, "SELECT 1;", ground=GROUND)

    assert bad.verdict is Verdict.NOT_RESTORED
    assert says in "\n".join(as_text(bad.differences))
