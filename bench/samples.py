"""The scripts that are measured: many small migrations, and a few large scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Small:
    """A small migration: a table, an index, a column and a row; its undo drops the table."""

    name: str
    up: tuple[str, ...]
    down: tuple[str, ...]


def small(count: int) -> list[Small]:
    """Give small migrations in order."""
    return [_small(f"t_{number:05}") for number in range(1, count + 1)]


def _small(table: str) -> Small:
    up = (
        f"CREATE TABLE {table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);",
        f"CREATE INDEX {table}_name ON {table} (name);",
        f"ALTER TABLE {table} ADD COLUMN note text;",
        f"INSERT INTO {table} (name) VALUES ('first');",
    )
    return Small(table, up, (f"DROP TABLE {table};",))


def tables(count: int) -> str:
    """Give tables of two columns."""
    return "".join(f"CREATE TABLE t_{number} (id bigint PRIMARY KEY, name text);\n" for number in range(count))


def altering(alters: int, count: int) -> tuple[str, str]:
    """Give so many ALTERs of one line each, on `count` tables in turn, and what takes them back."""
    numbers = range(alters)
    up = "".join(f"ALTER TABLE t_{number % count} ADD COLUMN c_{number} integer;\n" for number in numbers)
    down = "".join(f"ALTER TABLE t_{number % count} DROP COLUMN c_{number};\n" for number in reversed(numbers))
    return up, down


def indexing(number: int) -> str:
    """Give the statement that builds an index on one of these tables without blocking it."""
    return f"CREATE INDEX CONCURRENTLY t_{number}_name ON t_{number} (name);"


def long_script(table: str, statements: int) -> str:
    """Give one script of many statements."""
    rows = (f"INSERT INTO {table} (name) VALUES ('row {number}');\n" for number in range(statements - 1))
    return f"CREATE TABLE {table} (name text);\n" + "".join(rows)


def ddl(size: int) -> str:
    """Give DDL of about `size` characters, as schemas are written by people: comments, functions, many lines."""
    parts: list[str] = []
    length = 0
    while length < size:
        parts.append(_DDL.format(name=f"orders_{len(parts)}"))
        length += len(parts[-1])
    return "".join(parts)


def insert(size: int) -> str:
    """Give one INSERT of about `size` characters."""
    row = "  ({number}, 'customer {number}', 'a note that someone''s colleague wrote; it goes on', 12.50, NULL)"
    count = size // len(row)
    rows = ",\n".join(row.format(number=number) for number in range(count))
    return f"INSERT INTO orders (id, customer, note, amount, paid_at) VALUES\n{rows};\n"


def copy_parts(size: int) -> Iterator[str]:
    """Give a table and its COPY data of about `size` characters, part by part."""
    yield "CREATE TABLE events (id bigint, at timestamptz, kind text, note text, amount numeric);\n"
    yield "COPY events (id, at, kind, note, amount) FROM stdin;\n"
    note = "some words of a longer note "
    lines = [
        f"{{number}}{at}\t2026-03-04 10:20:30+00\tkind {at % 7}\t{note * (2 + at % 5)}\t{at}.5\n"
        for at in range(100, 200)
    ]
    block = "".join(lines)
    for number in range(size // len(block)):
        yield block.format(number=number)
    yield "\\.\n"


def write_copy(path: Path, size: int) -> None:
    """Write a script with COPY data; it is never held whole."""
    with path.open("w") as file:
        file.writelines(copy_parts(size))


_DDL = """\
-- The {name} of a customer; see also the report that reads them.
CREATE TABLE {name} (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    customer_id bigint NOT NULL,
    state       text NOT NULL DEFAULT 'open',
    amount      numeric(12, 2) NOT NULL CHECK (amount >= 0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT {name}_pkey PRIMARY KEY (id),
    CONSTRAINT {name}_state CHECK (state IN ('open', 'paid', 'sent; not paid'))
);
CREATE INDEX {name}_customer ON {name} (customer_id, created_at DESC) WHERE state <> 'paid';
COMMENT ON TABLE {name} IS 'one row an order; it''s never deleted';

CREATE FUNCTION {name}_touch() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    /* a row that is paid stays as it is */
    IF old.state = 'paid' THEN
        RAISE EXCEPTION 'order % is paid', old.id;
    END IF;
    RETURN new;
END;
$body$;
CREATE TRIGGER {name}_touch BEFORE UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION {name}_touch();
ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;
CREATE POLICY {name}_own ON {name} FOR SELECT USING (customer_id = current_setting('app.customer')::bigint);
GRANT SELECT, INSERT ON {name} TO public;

"""
