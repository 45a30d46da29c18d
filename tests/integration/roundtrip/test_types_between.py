"""A type that a column has for a while is said to hold all values only if each of them comes back as it was."""

from __future__ import annotations

import psycopg
import pytest

from sqlmigrate import queries

pytestmark = pytest.mark.pg

VALUES = {
    "text": ("a  ", ""), "varchar": ("a  ", ""), "bpchar": ("a  ", ""), "name": ("a  ",), '"char"': ("a", ""),
    "smallint": ("-32768",), "integer": ("-2147483648", "16777217"), "bigint": ("9007199254740993", "4294967295"),
    "real": ("0.1", "-0", "NaN"), "double precision": ("0.30000000000000004", "-0", "5e-324"),
    "numeric": ("1.500", "NaN", "12345678901234567890.5"), "money": ("-12.34",),
    "date": ("infinity", "4713-01-01 BC"), "timestamp": ("2020-10-25 01:30:00.123456", "infinity"),
    "time": ("24:00:00", "00:00:00.000001"), "timetz": ("24:00:00+01", "12:00:00+05:30"),
    "timestamptz": ("2020-10-25 01:30:00+01",), "interval": ("1 mon -3 days 00:00:01.5",),
    "oid": ("4294967295",), "boolean": ("t",), "inet": ("10.0.0.1/8", "::1"), "cidr": ("10.0.0.1/32",),
    "macaddr": ("08:00:2b:01:02:03",), "macaddr8": ("08:00:2b:ff:fe:01:02:03",), "bit(3)": ("101",),
    "varbit": ("10101",), "json": ('{"b":1, "a":1.0}',), "jsonb": ('{"b": 1.0}',), "bytea": ("\\x00ff",),
    "point": ("(0.1,2)",), "box": ("(1,1),(0,0)",), "circle": ("<(0,0),0.1>",), "polygon": ("((0,0),(1,1))",),
    "int4range": ("[1,5)",), "tsvector": ("'a':1",), "regclass": ("pg_class",), "regtype": ("integer",),
}  # fmt: skip
TARGETS = """
SELECT CASE casttarget WHEN 'bpchar'::regtype THEN 'bpchar' ELSE format_type(casttarget, NULL) END FROM pg_cast
WHERE castsource = %(old)s::regtype AND casttarget <> castsource AND (castcontext = 'i' OR castmethod = 'b')
UNION SELECT unnest(ARRAY['text', 'character varying'])
"""
MODIFIER = "SELECT atttypid, atttypmod FROM pg_attribute WHERE attrelid = 'pg_temp.t'::regclass AND attname = %s"


@pytest.mark.parametrize("old", VALUES)
def test_each_value_comes_back_from_a_type_that_is_said_to_hold_it(conn, old):
    held = []
    for new in [row[0] for row in conn.execute(TARGETS, {"old": old})]:
        if new == old or not is_held(conn, old, new):
            continue
        held.append(new)
        for value in VALUES[old]:
            before, after = there_and_back(conn, old, new, value)
            assert (new, after) == (new, before)
    assert held or old in {"bpchar", "timestamptz"}


def is_held(conn, old: str, new: str) -> bool:
    with conn.transaction(force_rollback=True):
        conn.execute(f"CREATE TEMPORARY TABLE t (old {old}, new {new})")
        found = {name: conn.execute(MODIFIER, [name]).fetchone() for name in ("old", "new")}
        values = {"old": found["old"][0], "new": found["new"][0], "styled": False}
        values |= {"old_modifier": found["old"][1], "new_modifier": found["new"][1]}
        return conn.execute(queries.load("roundtrip")["holds"], values).fetchone()[0]


def there_and_back(conn, old: str, new: str, value: str) -> tuple[str, str | None]:
    """Return how a value is written before and after; a change that is refused takes nothing away."""
    shown = "SELECT ROW(v)::text FROM t"
    with conn.transaction(force_rollback=True):
        conn.execute(f"CREATE TEMPORARY TABLE t (v {old})")
        conn.execute(f"INSERT INTO t VALUES ({psycopg.sql.quote(value)})")
        before = conn.execute(shown).fetchone()[0]
        try:
            conn.execute(f"ALTER TABLE t ALTER v TYPE {new}")
            conn.execute(f"ALTER TABLE t ALTER v TYPE {old} USING v::{old}")
        except (psycopg.DataError, psycopg.errors.CannotCoerce):
            return before, before
        return before, conn.execute(shown).fetchone()[0]
