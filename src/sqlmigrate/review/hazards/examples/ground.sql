-- What every example begins with.

CREATE TABLE customers (
    id bigint PRIMARY KEY,
    name text
);

CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id bigint,
    status text,
    amount integer,
    placed timestamptz
);

CREATE INDEX orders_status ON orders (status);

CREATE INDEX orders_customer ON orders (customer_id);
