CREATE TABLE parcels (
    number text PRIMARY KEY,
    order_id bigint REFERENCES orders (id)
);
