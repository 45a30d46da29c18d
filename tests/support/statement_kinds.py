"""Kinds of statements, each with what it locks, rewrites and scans in the database of tests/data/review/ground.sql.

`docs/locks.md` is made from them by tools/lock_table.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from support.places import ROOT

GROUND = ROOT / "tests" / "data" / "review" / "ground.sql"

AS, RS, RX, SUX, S, SRX, X, AX = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)


@dataclass(frozen=True)
class Kind:
    """One statement: `locks` by name without the schema, `alone` for one that cannot run in a transaction."""

    sql: str
    locks: dict[str, str]
    rewrites: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    alone: bool = False
    from_18: dict[str, str] | None = None

    def locks_on(self, major: int) -> dict[str, str]:
        """Give the locks that a major version of PostgreSQL takes."""
        return self.locks if self.from_18 is None or major < 18 else self.from_18

    def __str__(self) -> str:
        return " ".join(self.sql.split())


def _alter(change: str, mode: str = AX, **options: object) -> Kind:
    return Kind(f"ALTER TABLE orders {change}", {"orders": mode}, **options)  # type: ignore[arg-type]


ORDERS = ("orders", "orders_amount", "orders_note", "orders_pkey")
CUSTOMERS = ("customers", "customers_pkey")
KINDS = [
    # columns
    _alter("ADD COLUMN a integer"),
    _alter("ADD COLUMN a integer NOT NULL DEFAULT 7"),
    _alter("ADD COLUMN a timestamptz DEFAULT now()"),
    _alter("ADD COLUMN a uuid DEFAULT gen_random_uuid()", rewrites=ORDERS, scans=("orders",)),
    _alter("ADD COLUMN a bigserial", rewrites=ORDERS, scans=("orders",)),
    _alter("ADD COLUMN a integer GENERATED ALWAYS AS (amount * 2) STORED", rewrites=ORDERS, scans=("orders",)),
    _alter("ADD COLUMN a integer GENERATED ALWAYS AS IDENTITY", rewrites=ORDERS, scans=("orders",)),
    Kind("ALTER TABLE orders ADD COLUMN a bigint REFERENCES customers", {"orders": AX, "customers": SRX}),
    _alter("ADD COLUMN a integer CHECK (a > 0)", scans=("orders",)),
    _alter("DROP COLUMN note"),
    _alter("ALTER COLUMN note TYPE varchar(40)", scans=("orders",)),
    Kind("ALTER TABLE customers ALTER COLUMN code TYPE varchar(40)", {"customers": AX}),
    Kind("ALTER TABLE customers ALTER COLUMN code TYPE text", {"customers": AX}),
    Kind(
        "ALTER TABLE customers ALTER COLUMN code TYPE varchar(5)",
        {"customers": AX},
        rewrites=CUSTOMERS,
        scans=("customers",),
    ),
    _alter("ALTER COLUMN reason TYPE varchar(40)", rewrites=ORDERS, scans=("orders",)),
    Kind(
        "ALTER TABLE customers ALTER COLUMN n TYPE bigint", {"customers": AX}, rewrites=CUSTOMERS, scans=("customers",)
    ),
    _alter("ALTER COLUMN amount SET NOT NULL", scans=("orders",)),
    _alter("ALTER COLUMN reason SET NOT NULL"),
    _alter("ALTER COLUMN amount DROP NOT NULL"),
    _alter("ALTER COLUMN amount SET DEFAULT 3"),
    _alter("ALTER COLUMN note SET STORAGE PLAIN"),
    _alter("ALTER COLUMN note SET STATISTICS 500", SUX),
    _alter("ALTER COLUMN note SET (n_distinct = 5)", SUX),
    _alter("RENAME COLUMN note TO remark"),
    # constraints
    _alter("ADD CONSTRAINT c CHECK (amount > 1)", scans=("orders",)),
    _alter("ADD CONSTRAINT c CHECK (amount > 1) NOT VALID"),
    _alter("VALIDATE CONSTRAINT orders_amount_positive", SUX, scans=("orders",)),
    Kind(
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers",
        {"orders": SRX, "customers": SRX},
        scans=("orders",),
    ),
    Kind(
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers NOT VALID",
        {"orders": SRX, "customers": SRX},
    ),
    Kind("ALTER TABLE orders VALIDATE CONSTRAINT orders_customer", {"orders": SUX, "customers": RS}, scans=("orders",)),
    _alter("ADD UNIQUE (note)", scans=("orders",)),
    _alter("ADD CONSTRAINT c UNIQUE USING INDEX orders_amount"),
    _alter("ADD EXCLUDE USING hash (note WITH =)", scans=("orders",)),
    _alter("DROP CONSTRAINT orders_note_length"),
    Kind("ALTER TABLE orders DROP CONSTRAINT orders_customer", {"orders": AX, "customers": AX}),
    _alter("RENAME CONSTRAINT orders_note_length TO c"),
    # the table
    _alter("RENAME TO sales"),
    _alter("SET SCHEMA public"),
    _alter("SET (fillfactor = 70)", SUX),
    _alter("SET (autovacuum_enabled = off)", SUX),
    _alter("SET UNLOGGED", rewrites=ORDERS, scans=("orders",)),
    _alter("CLUSTER ON orders_note", SUX),
    _alter("REPLICA IDENTITY FULL"),
    _alter("ENABLE ROW LEVEL SECURITY"),
    _alter("DISABLE TRIGGER orders_touched", SRX),
    _alter("OWNER TO CURRENT_USER"),
    Kind("ALTER TABLE child INHERIT parent", {"child": AX, "parent": SUX}),
    Kind("DROP TABLE orders CASCADE", {"orders": AX, "customers": AX, "good_orders": AX, "totals": AX}),
    Kind("TRUNCATE orders", {"orders": AX}),
    Kind("COMMENT ON TABLE orders IS 'sold'", {"orders": SUX}),
    Kind("GRANT SELECT ON orders TO PUBLIC", {}, from_18={"orders": AS}),
    Kind("LOCK TABLE orders IN SHARE MODE", {"orders": S}),
    # indexes
    Kind("CREATE INDEX ON orders (placed)", {"orders": S}, scans=("orders",)),
    Kind("CREATE INDEX CONCURRENTLY ON orders (placed)", {"orders": SUX}, scans=("orders",), alone=True),
    Kind("DROP INDEX orders_note", {"orders": AX}),
    Kind("DROP INDEX CONCURRENTLY orders_note", {"orders": SUX}, alone=True),
    Kind("REINDEX INDEX orders_note", {"orders": S, "orders_note": AX}, rewrites=("orders_note",), scans=("orders",)),
    Kind(
        "REINDEX TABLE orders",
        {"orders": S, "orders_amount": AX, "orders_note": AX, "orders_pkey": AX},
        rewrites=("orders_amount", "orders_note", "orders_pkey"),
        scans=("orders",),
    ),
    Kind(
        "REINDEX INDEX CONCURRENTLY orders_note",
        {"orders": SUX},
        rewrites=("orders_note",),
        scans=("orders",),
        alone=True,
    ),
    Kind(
        "REINDEX TABLE CONCURRENTLY orders",
        {"orders": SUX},
        rewrites=("orders_amount", "orders_note", "orders_pkey"),
        scans=("orders",),
        alone=True,
    ),
    Kind("ALTER INDEX orders_note RENAME TO i", {"orders_note": SUX}),
    Kind("ALTER INDEX orders_note SET (fillfactor = 70)", {"orders_note": SUX}),
    # maintenance
    Kind("VACUUM orders", {"orders": SUX}, alone=True),
    Kind("VACUUM FULL orders", {"orders": AX}, rewrites=ORDERS, alone=True),
    Kind("ANALYZE orders", {"orders": SUX}),
    Kind("CLUSTER orders USING orders_note", {"orders": AX}, rewrites=ORDERS, scans=("orders",)),
    # partitions
    Kind(
        "CREATE TABLE measures_2028 PARTITION OF measures FOR VALUES FROM ('2028-01-01') TO ('2029-01-01')",
        {"measures": AX, "measures_rest": AX},
        scans=("measures_rest",),
    ),
    Kind(
        "ALTER TABLE measures ATTACH PARTITION measures_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        {"measures": SUX, "measures_2026": AX, "measures_rest": AX},
        scans=("measures_2026", "measures_rest"),
    ),
    Kind(
        "ALTER TABLE measures ATTACH PARTITION measures_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
        {"measures": SUX, "measures_2027": AX, "measures_rest": AX},
        scans=("measures_rest",),
    ),
    Kind(
        "ALTER TABLE measures DETACH PARTITION measures_2025",
        {"measures": AX, "measures_2025": AX, "measures_rest": AX},
    ),
    Kind("ALTER TABLE plain DETACH PARTITION plain_2025 CONCURRENTLY", {"plain": SUX, "plain_2025": AX}, alone=True),
    # other objects
    Kind("CREATE TRIGGER t AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touched()", {"orders": SRX}),
    Kind("DROP TRIGGER orders_touched ON orders", {"orders": AX}),
    Kind("CREATE POLICY p ON orders USING (true)", {"orders": AX}),
    Kind("DROP POLICY orders_all ON orders", {"orders": AX}),
    Kind("CREATE RULE r AS ON UPDATE TO orders DO ALSO NOTHING", {"orders": AX}),
    Kind("CREATE STATISTICS s ON note, placed FROM orders", {"orders": SUX}),
    Kind("CREATE VIEW v AS SELECT * FROM orders", {"orders": AS}),
    Kind("CREATE OR REPLACE VIEW good_orders AS SELECT id, amount FROM orders", {"good_orders": AX, "orders": AS}),
    Kind("DROP VIEW good_orders", {"good_orders": AX}),
    Kind("REFRESH MATERIALIZED VIEW totals", {"totals": AX, "orders": AS}, rewrites=("totals", "totals_customer")),
    Kind("REFRESH MATERIALIZED VIEW CONCURRENTLY totals", {"totals": X, "orders": AS}),
    Kind("CREATE TABLE copied AS SELECT * FROM orders", {"orders": AS}),
    Kind("CREATE TABLE alike (LIKE orders INCLUDING ALL)", {"orders": AS}),
    Kind("CREATE TABLE lines (order_id bigint REFERENCES orders)", {"orders": SRX}),
    Kind("ALTER SEQUENCE numbers RESTART", {"numbers": SRX}),
    Kind("ALTER SEQUENCE numbers OWNED BY orders.id", {"numbers": SRX, "orders": AS}),
    Kind("ALTER TYPE mood ADD VALUE 'calm'", {"mood": X}),
    Kind("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", {"mood": X}),
    Kind("ALTER SCHEMA empty RENAME TO hollow", {}),
    Kind("DROP SCHEMA empty", {"empty": AX}),
    Kind("ALTER DOMAIN amount ADD CONSTRAINT c CHECK (VALUE > 0)", {"customers": S}, scans=("customers",)),
    # data, and what is hidden in code
    Kind("UPDATE orders SET amount = 1", {"orders": RX}),
    Kind("DELETE FROM orders", {"orders": RX}),
    Kind("INSERT INTO orders (id, amount, reason) VALUES (1, 1, 'gift')", {"orders": RX}),
    Kind("SELECT * FROM orders FOR UPDATE", {"orders": RS}),
    Kind(
        "DO $$ BEGIN EXECUTE 'ALTER TABLE shop.customers ADD COLUMN token uuid DEFAULT gen_random_uuid()'; END $$",
        {"customers": AX},
        rewrites=("customers", "customers_pkey"),
        scans=("customers",),
    ),
    Kind("SELECT adds_column()", {"customers": AX}),
]
