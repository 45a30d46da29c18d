"""`-- sqlmigrate: unused-for=TIME`: a script runs only where nothing has used what it drops or renames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from sqlmigrate import api
from sqlmigrate.errors import Error
from sqlmigrate.server import PrivateServer
from support.command import program
from support.sessions import is_there
from support.waiting import wait_until

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, email text, fax text, nick text, phone text, seen text, town text,
    spare text);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, fax text, status text);
CREATE TABLE old_log (id int PRIMARY KEY, fax text);
CREATE TABLE scanned (id int PRIMARY KEY);
CREATE TABLE events (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE INDEX customers_email ON customers (email);
CREATE INDEX customers_nick ON customers (nick);
CREATE VIEW phones AS SELECT id, phone FROM customers;
CREATE VIEW towns AS SELECT town FROM customers;
CREATE FUNCTION called() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION idle() RETURNS int LANGUAGE sql AS 'SELECT 2';
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN NEW.seen := 'now'; /* NEW.nick */ RETURN NEW; END$$;
CREATE TRIGGER stamp BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE FUNCTION tidy() RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE 'DROP ' || 'TABLE old_' || 'log'; END$$;
CREATE SCHEMA attic; CREATE TABLE attic.box (id int);
CREATE SCHEMA loft; CREATE TABLE loft.trunk (id int);
INSERT INTO customers (id, email) SELECT i, 'e' || i FROM generate_series(1, 2000) AS i;
ANALYZE customers;
"""
SENT = [
    "SELECT id FROM customers WHERE email = 'secret@example.com'",
    "SELECT o.id, o.fax, c.email FROM orders AS o JOIN customers AS c ON c.id = o.customer_id",
    "SELECT id FROM events WHERE at = date '2020-05-05'",
    "SELECT called()",
    "SELECT id FROM attic.box",
]
USED = {
    "DROP TABLE orders": r"table public\.orders is used: 1 call by role \S+ of SELECT o\.id, o\.fax, c\.email",
    "DROP TABLE IF EXISTS public.old_log, orders CASCADE": "table public.orders is used",
    "ALTER TABLE customers DROP COLUMN email": r"column public\.customers\.email is used: .*SELECT",
    "ALTER TABLE customers RENAME COLUMN email TO mail": r"column public\.customers\.email is used",
    "ALTER TABLE customers RENAME TO clients": r"table public\.customers is used",
    "ALTER TABLE customers SET SCHEMA attic": r"table public\.customers is used",
    "ALTER TABLE customers DROP COLUMN phone CASCADE": r"view public\.phones depends on it",
    "ALTER TABLE customers DROP COLUMN seen": r"function public\.stamp names it",
    "DROP FUNCTION called()": r"function public\.called is used: 1 call by role \S+ of SELECT called\(\)",
    "ALTER FUNCTION called() RENAME TO named": r"function public\.called is used",
    "DROP FUNCTION stamp() CASCADE": "trigger stamp on table public.customers depends on it",
    "DROP INDEX customers_email": r"index public\.customers_email is used: [1-9]\d* scans?",
    "ALTER TABLE events RENAME COLUMN at TO day": r"column public\.events\.at is used",
    "DROP SCHEMA attic CASCADE": r"table attic\.box is used",
    "ALTER SCHEMA attic RENAME TO cellar": r"table attic\.box is used",
    "DO $$BEGIN ALTER TABLE customers DROP COLUMN email; END$$": r"column public\.customers\.email is used",
}
UNUSED = [
    "ALTER TABLE customers DROP COLUMN fax",
    "ALTER TABLE customers DROP COLUMN nick",
    "ALTER TABLE customers RENAME COLUMN phone TO telephone",  # the view goes on
    "DROP VIEW towns; ALTER TABLE customers DROP COLUMN town",
    "ALTER TABLE orders RENAME COLUMN status TO state",
    "DROP TABLE old_log",
    "DROP INDEX customers_nick",
    "DROP FUNCTION idle()",
    "DROP SCHEMA loft CASCADE",
    "DROP TABLE IF EXISTS nothing_there",
    "CREATE TABLE made_here (id int); DROP TABLE made_here",
    "DO $$BEGIN IF true THEN DROP TABLE old_log; END IF; END$$",
    (
        "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$; "
        "ALTER TABLE customers DROP COLUMN seen"
    ),
]
UNCLEAR = {
    "DO $$BEGIN EXECUTE 'DROP TABLE ' || 'old_log'; END$$": "line 2: the DO block runs SQL that is put together",
    "SELECT tidy()": r"the script calls tidy\(\), which may drop or rename something",
    "CREATE SEQUENCE s; DROP SEQUENCE s": "line 2 drops a sequence, and whether that is in use cannot be told",
    "SET LOCAL search_path TO attic; DROP TABLE box": "sets search_path; write box with its schema",
}


@dataclass
class Base:
    """A database whose application, the role of the tests, has sent its statements."""

    url: str
    admin: psycopg.Connection[object]


@pytest.fixture(scope="module")
def base(counting: PrivateServer) -> Iterator[Base]:
    """It is gone afterwards: where tests are shared out, more of them may come later."""
    with psycopg.connect(counting.conninfo("postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE contract")
        admin.execute("CREATE DATABASE blind")
        admin.execute("CREATE ROLE contractor LOGIN")
    url = counting.url("contract")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE EXTENSION pg_stat_statements")
        admin.execute(SCHEMA.encode())
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as application:
            application.execute("SET enable_seqscan = off")
            for text in SENT:
                application.execute(text.encode())
        wait_until_counted(admin)
        yield Base(url, admin)
    with psycopg.connect(counting.conninfo("postgres"), autocommit=True) as admin:
        admin.execute("DROP DATABASE contract WITH (FORCE)")
        admin.execute("DROP DATABASE blind WITH (FORCE)")
        admin.execute("DROP ROLE contractor")


def wait_until_counted(admin: psycopg.Connection[object]) -> None:
    """Wait for the application's session to give what it has counted, which it does as it ends."""
    asked = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'customers_email'"

    def counted() -> bool:
        admin.execute("SELECT pg_stat_clear_snapshot()")
        return admin.execute(asked).fetchone() not in (None, (0,), (None,))

    wait_until(counted, timeout=60)


def said_of(url: str, folder: Path, text: str, *, unused_for: str = "1ms") -> str:
    """Say what a plan of a script is refused with, or what it notes."""
    write(folder, text, unused_for)
    try:
        return "; ".join(api.plan(url, folder).notes)
    except Error as error:
        return error.message


def write(folder: Path, text: str, unused_for: str = "1ms") -> None:
    (folder / "1_contract.sql").write_text(f"-- sqlmigrate: unused-for={unused_for}\n{text};\n")


def unlike(base: Base, folder: Path, expected: dict[str, str], unused_for: str = "1ms") -> dict[str, str]:
    found = {text: said_of(base.url, folder, text, unused_for=unused_for) for text in expected}
    return {text: said for text, said in found.items() if not re.search(expected[text], said)}


def test_what_is_used_is_refused_with_what_uses_it(base, tmp_path):
    assert unlike(base, tmp_path, USED, "1h") == {}


def test_what_nothing_has_used_may_go(base, tmp_path):
    assert unlike(base, tmp_path, dict.fromkeys(UNUSED, "unused-for=1ms (holds|asks nothing)")) == {}


def test_what_cannot_be_told_is_refused(base, tmp_path):
    assert unlike(base, tmp_path, UNCLEAR) == {}


def test_apply_refuses_in_the_command_before_anything_changes_and_then_runs(base, tmp_path):
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "1_first.sql").write_text("CREATE TABLE made_first (id int);\n")
    (tmp_path / "sql" / "2_contract.sql").write_text(
        "-- sqlmigrate: unused-for=14d phase=after-deploy\n\nALTER TABLE customers DROP COLUMN email;\n"
    )
    (tmp_path / "sql" / "2_contract.rollback.sql").write_text("ALTER TABLE customers ADD COLUMN email text;\n")
    environment = {"DATABASE_URL": base.url}

    for command in (["apply"], ["apply", "--dry-run"]):
        outcome = program(*command, cwd=tmp_path, env=environment)
        assert outcome.status == 1, outcome
        assert "2_contract.sql:1:16" in outcome.stderr
        assert "the condition unused-for=14d does not hold" in outcome.stderr
        assert "column public.customers.email is used: 1 call by role postgres of " in outcome.stderr
        assert "pg_stat_statements_reset()" in outcome.stderr
    assert base.admin.execute("SELECT to_regnamespace('sqlmigrate'), to_regclass('made_first')").fetchone() == (
        None,
        None,
    )

    # without the scripts that ask for it nothing is asked
    first = program("apply", "--phase", "before-deploy", cwd=tmp_path, env=environment)
    assert first.status == 0, first
    script = tmp_path / "sql" / "2_contract.sql"
    script.write_text("-- sqlmigrate: unused-for=1ms\n\nALTER TABLE customers DROP COLUMN spare;\n")
    second = program("apply", cwd=tmp_path, env=environment)
    assert second.status == 0, second
    assert "2_contract.sql: unused-for=1ms holds: column public.customers.spare was not used" in str(second)
    base.admin.execute("DROP SCHEMA sqlmigrate CASCADE; DROP TABLE made_first")


def test_a_condition_that_the_server_cannot_answer_fails_and_says_what_to_do(counting, base, tmp_path):
    blind = counting.url("blind")
    with psycopg.connect(blind, autocommit=True) as admin:
        admin.execute("CREATE TABLE t (id int); CREATE INDEX t_id ON t (id)")
    said = said_of(blind, tmp_path, "DROP TABLE t")
    assert "unused-for=1ms cannot be told" in said
    assert "no pg_stat_statements in this database" in said
    assert "unused-for=1ms holds" in said_of(blind, tmp_path, "DROP INDEX t_id")  # no statement names it

    unread = said_of(counting.url("contract", "contractor"), tmp_path, "DROP TABLE old_log")
    assert re.search(r"the texts of \d+ statements cannot be read: the role needs pg_read_all_stats", unread)

    young = said_of(base.url, tmp_path, "DROP VIEW towns; DROP INDEX customers_nick", unused_for="14d")
    assert "statements are counted only since" in young
    assert "scans are counted only since" in young

    base.admin.execute("ALTER DATABASE contract SET pg_stat_statements.track = 'none'")
    assert "counts nothing now" in said_of(base.url, tmp_path, "DROP TABLE old_log")
    base.admin.execute("ALTER DATABASE contract RESET pg_stat_statements.track")


def test_names_are_looked_up_as_the_script_does(base, tmp_path):
    text = "DROP TABLE box"

    assert "table attic.box is used" in said_of(base.url, tmp_path, text, unused_for="1ms search_path='loft, attic'")
    assert "asks nothing" in said_of(base.url, tmp_path, text)
    assert "holds" in said_of(base.url, tmp_path, "DROP TABLE trunk", unused_for="1ms search_path='attic, loft'")


def test_what_an_earlier_script_of_the_run_does_counts(base, tmp_path):
    (tmp_path / "0_renames.sql").write_text("ALTER TABLE customers RENAME TO clients;\n")
    said = said_of(base.url, tmp_path, "DROP TABLE clients")
    assert "gets its name in an earlier script of this run" in said

    (tmp_path / "0_renames.sql").write_text("DROP VIEW phones;\n")
    assert "unused-for=1ms holds" in said_of(base.url, tmp_path, "ALTER TABLE customers DROP COLUMN phone")


def test_a_rollback_script_may_have_a_condition_too(database, tmp_path):
    (tmp_path / "1_table.sql").write_text("CREATE TABLE t (id int);\n")
    (tmp_path / "1_table.rollback.sql").write_text("-- sqlmigrate: unused-for=7d\nDROP TABLE t;\n")
    api.apply(database.url, tmp_path)

    with pytest.raises(Error, match="the condition unused-for=7d cannot be told; nothing was rolled back"):
        api.rollback(database.url, tmp_path)

    assert is_there(database.connect(), "t")
