"""Databases that drift, and the comparison of them with their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlmigrate import drift
from sqlmigrate.config import Config
from sqlmigrate.drift import Drift
from sqlmigrate.schema.diff import as_text
from support.runner import Runner

BASE = """
CREATE TABLE customers (
    id integer PRIMARY KEY,
    name text NOT NULL,
    email text,
    added timestamptz DEFAULT now()
);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id integer CONSTRAINT orders_customer REFERENCES customers,
    amount numeric(10, 2) CONSTRAINT orders_amount CHECK (amount > 0)
);
CREATE INDEX orders_amounts ON orders (amount);
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY orders_all ON orders USING (amount < 1000);
CREATE FUNCTION total(customer integer) RETURNS numeric LANGUAGE sql AS $$
    SELECT sum(amount) FROM public.orders WHERE customer_id = customer
$$;
REVOKE EXECUTE ON FUNCTION total(integer) FROM PUBLIC;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.added := now(); RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION touch();
CREATE VIEW rich AS SELECT name FROM customers WHERE total(id) > 100;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE SEQUENCE numbers;
COMMENT ON TABLE customers IS 'who buys';
"""
INDEX = "-- transactional: false\nCREATE INDEX CONCURRENTLY customers_email ON customers (email);\n"


class Drifting(Runner):
    """A database with its files, and the settings under which the two are compared."""

    def __init__(self, conninfo: str, directory: Path, shadow_url: str | None, **options: Any) -> None:
        super().__init__(conninfo, directory, **options)
        self.config = Config(migrations=directory, shadow_url=shadow_url)

    def base(self) -> None:
        """Apply migrations that make a bit of everything."""
        self.write("0001.base", BASE, "SELECT 1")
        self.write("0002.index", INDEX, "SELECT 1")
        self.apply()

    def find(self, conninfo: str | None = None, ignore: tuple[str, ...] = (), **settings: Any) -> Drift:
        config = replace(self.config, **settings)
        return drift.find(config, conninfo or self.conninfo, self.load(), ignore=ignore)


def lines(found: Drift) -> list[str]:
    """Give the differences as they are shown."""
    return as_text(found.changes)
