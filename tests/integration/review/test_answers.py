"""What the trace and our hazards say to squawk's findings: none that is confirmed stands beside the verdict `fine`."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate.migrations import ScriptRun
from sqlmigrate.review.answers import answered, counts
from sqlmigrate.review.assemble import direction, verdict
from sqlmigrate.review.hazards import Context, check
from sqlmigrate.review.model import Proof, TableSize
from sqlmigrate.review.severity import Known
from sqlmigrate.review.squawk import lint
from sqlmigrate.sql.script import script_from_text
from support.tracing import run, trace_text

GROUND = """
    CREATE TABLE t (id int PRIMARY KEY, data jsonb, note text NOT NULL DEFAULT 'x', code text UNIQUE);
    CREATE TABLE a (id int PRIMARY KEY, plus int GENERATED ALWAYS AS (id + 1) STORED, n int NOT NULL DEFAULT 1);
    CREATE TABLE b (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int REFERENCES a, CONSTRAINT few CHECK (a > 0));
    CREATE TABLE c (id int, note text);
    CREATE TABLE old (id int PRIMARY KEY);
    CREATE INDEX old_id ON old (id);
    CREATE INDEX c_id ON c (id);
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE TYPE pair AS (x int, y int);
    CREATE DOMAIN short AS text;
    CREATE SEQUENCE numbers;
    CREATE SCHEMA extra;
    CREATE VIEW v AS SELECT id, note FROM t;
    CREATE VIEW w AS SELECT id, note FROM t;
    CREATE VIEW x AS SELECT id, note FROM t;
    CREATE FUNCTION f(which integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION g(which integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION h(which integer, more text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
"""
HARMFUL = {
    "DROP VIEW v": ("ban-drop-view", "H27"),
    "DROP VIEW w; CREATE VIEW w AS SELECT id FROM t": ("ban-drop-view", "H60"),
    "DROP FUNCTION f(integer)": ("ban-drop-function", "H27"),
    "DROP FUNCTION g(integer); CREATE FUNCTION g(which integer) RETURNS text LANGUAGE sql AS 'SELECT 1::text'": (
        "ban-drop-function",
        "H60",
    ),
    "ALTER FUNCTION h(integer, text) RENAME TO h_old": ("renaming-object", "H23"),
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'gloomy'": ("renaming-object", "H23"),
    "DROP TYPE pair": ("ban-drop-type", "H27"),
    "DROP DOMAIN short": ("ban-drop-domain", "H27"),
    "DROP SEQUENCE numbers": ("ban-drop-sequence", "H27"),
    "DROP SCHEMA extra": ("ban-drop-schema", "H27"),
    "ALTER TABLE t DROP CONSTRAINT t_code_key": ("ban-drop-constraint", "H61"),
    "ALTER TABLE t ALTER COLUMN note DROP NOT NULL": ("ban-drop-not-null", "H62"),
    "ALTER TABLE a ALTER COLUMN plus DROP EXPRESSION": ("ban-drop-generated-expression", "H63"),
    "ALTER TABLE a ALTER COLUMN n DROP DEFAULT": ("ban-drop-default", "H63"),
    "ALTER TABLE b ALTER COLUMN id DROP IDENTITY": ("ban-alter-identity", "H63"),
    "ALTER TABLE c SET SCHEMA later": ("ban-set-schema", "H23"),
    "DROP TABLE old": ("ban-drop-table", "H21"),
}
HARMLESS = {
    "DROP VIEW v; CREATE VIEW v AS SELECT id, note, code FROM t": "it is there again afterwards",
    "DROP FUNCTION f(integer); CREATE FUNCTION f(which integer) RETURNS integer LANGUAGE sql AS 'SELECT 2'": (
        "it is there again afterwards"
    ),
    "ALTER TABLE b DROP CONSTRAINT few": "without a CHECK, nothing is refused that was accepted before",
    "ALTER TABLE c RENAME TO c_all; CREATE VIEW c AS SELECT * FROM c_all": "something has the old name again",
    "ALTER TABLE a ALTER COLUMN n DROP DEFAULT; ALTER TABLE a ALTER COLUMN n SET DEFAULT 2": (
        "in the end the column is filled, and kept from NULL, as before"
    ),
    "-- sqlmigrate-allow: H62 nobody reads it\nALTER TABLE t ALTER COLUMN note DROP NOT NULL": (
        "allowed as H62: nobody reads it"
    ),
    "DROP INDEX c_id": "public.c has 12 rows, 16 KiB",
}
OWN = """
    CREATE TYPE shade AS ENUM ('red');
    ALTER TYPE shade RENAME TO hue;
    CREATE FUNCTION mine(x integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
    ALTER FUNCTION mine(integer) RENAME TO ours;
    ALTER FUNCTION ours(integer) RENAME TO theirs;
    DROP FUNCTION theirs(integer);
"""
SMALL = TableSize("public.c", 12, 16384, 0.0, 0.0, 0.0)


@pytest.fixture
def reviewed(review_shadow, public_database):
    """Trace a script on a copy of the ground, and give its report and its verdict."""

    def review(text: str, *, operation="apply"):
        with review_shadow.clone(public_database) as database:
            run(database, "CREATE SCHEMA later")
            traced = trace_text(review_shadow, database, text, transactional=False, operation=operation)
        assert traced.error is None
        context = Context(traced, review_shadow.owner)
        [findings] = lint([traced.script_run], major=15).findings.values()
        found = direction(context, check(context), findings, Known({"public.c": SMALL}))
        return found, verdict(found, None, Proof("exact"), None)

    return review


def test_what_is_confirmed_is_a_hazard_of_ours_too(reviewed):
    found, judged = reviewed(";\n".join(HARMFUL) + ";\n")

    seen = {}
    for statement in found.statements:
        for finding in statement.findings:
            loud = {hazard.code for hazard in statement.hazards if hazard.severity != "note"}
            seen[statement.text.strip().partition(";")[0]] = (finding.rule, finding.answer, loud)
    for text, (rule, code) in HARMFUL.items():
        told = seen[text.partition(";")[0]]
        assert (told[:2], code in told[2]) == ((rule, "confirmed"), True), (text, told)
    assert judged == "danger"
    assert not any(map(counts, found.statements))


def test_what_is_harmless_says_why_and_does_not_count(reviewed):
    found, judged = reviewed(";\n".join(HARMLESS) + ";\n")

    said = [finding for statement in found.statements for finding in statement.findings if finding.answer != "unknown"]
    assert [(finding.answer, finding.why.partition("; ")[2]) for finding in said] == [
        ("harmless", why) for why in HARMLESS.values()
    ]
    assert judged == "fine"


def test_what_a_script_makes_itself_concerns_nobody(reviewed):
    found, judged = reviewed(OWN)

    said = [finding for statement in found.statements for finding in statement.findings if finding.answer != "unknown"]
    assert len(said) >= 3
    assert {(finding.answer, finding.why) for finding in said} == {
        ("refuted", "it touches only what this script creates itself")
    }
    assert judged == "fine"


def test_a_rollback_may_take_back_what_its_migration_made(reviewed):
    found, judged = reviewed(
        "DROP VIEW v; DROP TABLE old; ALTER TABLE t ALTER note DROP NOT NULL;", operation="rollback"
    )

    said = [finding for statement in found.statements for finding in statement.findings]
    assert [finding.answer for finding in said] == ["harmless"] * 3
    assert judged == "fine"


def test_a_confirmed_finding_without_a_hazard_of_ours_is_a_warning(review_shadow, public_database):
    text = "ALTER TABLE b DROP CONSTRAINT b_a_fkey;"
    with review_shadow.clone(public_database) as database:
        traced = trace_text(review_shadow, database, text)
    context = Context(traced, review_shadow.owner)
    [findings] = lint([traced.script_run], major=15).findings.values()

    found = direction(context, (), findings, Known())

    assert [finding.answer for finding in found.statements[0].findings] == ["confirmed"]
    assert verdict(found, None, Proof("exact"), None) == "warning"


def test_findings_of_data_and_lines_for_psql_are_left_out(review_shadow, public_database):
    text = "COPY c FROM stdin;\n1\t'\n\\.\nSELECT 1;\n"
    script_run = ScriptRun("a", "apply", script_from_text(Path("sql/a.sql"), text), transactional=True)
    with review_shadow.clone(public_database) as database:
        traced = trace_text(review_shadow, database, text)

    [findings] = lint([script_run], major=15).findings.values()

    assert {one.rule for several in answered(findings, Context(traced, "x")).values() for one in several} == set()
