"""`-- sqlmigrate: unused-for=TIME`: a script runs only where nothing has used what it drops or renames."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from sqlmigrate import api
from sqlmigrate.errors import Error
from sqlmigrate.server import PrivateServer
from support.api import ran
from support.command import program

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, email text, fax text, nick text, phone text, seen text, town text);
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
CREATE FUNCTION tidy() RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE 'DROP ' || 'TABLE old_log'; END$$;
CREATE SCHEMA attic; CREATE TABLE attic.box (id int);
CREATE SCHEMA loft; CREATE TABLE loft.trunk (id int);
INSERT INTO customers SELECT i, 'e' || i, 'f' || i, 'n' || i FROM generate_series(1, 2000) AS i;
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
    "DROP FUNCTION stamp() CASCADE": "trigger stamp on table customers depends on it",
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
    "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$; "
    "ALTER TABLE customers DROP COLUMN seen",
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
    with psycopg.connect(counting.conninfo("postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE contract")
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


def wait_until_counted(admin: psycopg.Connection[object]) -> None:
    """Wait for the application's session to give what it has counted, which it does as it ends."""
    deadline = time.monotonic() + 60
    asked = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'customers_email'"
    while True:
        admin.execute("SELECT pg_stat_clear_snapshot()")
        found = admin.execute(asked).fetchone()
        if found is not None and found[0]:  # type: ignore[index]
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def said_of(url: str, folder: Path, text: str, *, unused_for: str = "1ms") -> str:
    """Say what a plan of a script is refused with, or what it notes."""
    write(folder, text, unused_for)
    try:
        return "; ".join(api.plan(url, folder).notes)
    except Error as error:
        assert type(error) is Error
        assert error.place is not None
        assert (error.place.line, error.place.column) == (1, 16)
        return error.message


def write(folder: Path, text: str, unused_for: str = "1ms") -> None:
    (folder / "1_contract.sql").write_text(f"-- sqlmigrate: unused-for={unused_for}\n{text};\n")


def unlike(base: Base, folder: Path, expected: dict[str, str]) -> dict[str, str]:
    found = {text: said_of(base.url, folder, text) for text in expected}
    return {text: said for text, said in found.items() if not re.search(expected[text], said)}


def test_what_is_used_is_refused_with_what_uses_it(base, tmp_path):
    assert unlike(base, tmp_path, USED) == {}


def test_what_nothing_has_used_may_go(base, tmp_path):
    assert unlike(base, tmp_path, dict.fromkeys(UNUSED, "unused-for=1ms holds")) == {}


def test_what_cannot_be_told_is_refused(base, tmp_path):
    assert unlike(base, tmp_path, UNCLEAR) == {}
