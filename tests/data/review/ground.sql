-- The database whose objects the statements of tests/support/statement_kinds.py lock, rewrite and scan.

CREATE SCHEMA empty;
CREATE SCHEMA shop;
SET search_path = shop;

CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN amount AS integer;
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION adds_column() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    ALTER TABLE shop.customers ADD COLUMN hidden integer;
END
$$;
CREATE SEQUENCE numbers;

CREATE TABLE customers (
    id bigint PRIMARY KEY,
    name varchar(20) NOT NULL,
    code varchar(10),
    n integer,
    feeling mood,
    due amount
);
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id bigint,
    note varchar(20),
    amount integer,
    placed timestamptz,
    reason text,
    CONSTRAINT orders_reason_set CHECK (reason IS NOT NULL)
);
CREATE INDEX orders_note ON orders (note);
CREATE UNIQUE INDEX orders_amount ON orders (amount);
ALTER TABLE orders ADD CONSTRAINT orders_amount_positive CHECK (amount > 0) NOT VALID;
ALTER TABLE orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;
ALTER TABLE orders ADD CONSTRAINT orders_note_length CHECK (length(note) > 0);
CREATE TRIGGER orders_touched BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touched();
CREATE POLICY orders_all ON orders USING (true);
CREATE STATISTICS orders_statistics ON note, amount FROM orders;
CREATE RULE orders_rule AS ON DELETE TO orders DO ALSO NOTHING;

CREATE VIEW good_orders AS SELECT id, amount FROM orders WHERE amount > 10;
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(amount) AS total FROM orders GROUP BY customer_id;
CREATE UNIQUE INDEX totals_customer ON totals (customer_id);

CREATE TABLE measures (day date NOT NULL, value integer) PARTITION BY RANGE (day);
CREATE TABLE measures_2025 PARTITION OF measures FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE measures_rest PARTITION OF measures DEFAULT;
CREATE TABLE measures_2026 (day date NOT NULL, value integer);
CREATE TABLE measures_2027 (
    day date NOT NULL,
    value integer,
    CHECK (day >= '2027-01-01' AND day < '2028-01-01')
);
CREATE TABLE plain (day date NOT NULL, value integer) PARTITION BY RANGE (day);
CREATE TABLE plain_2025 PARTITION OF plain FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE parent (a integer);
CREATE TABLE child (a integer);
