CREATE TABLE parcels (
    id bigint PRIMARY KEY,
    order_id bigint REFERENCES orders (id)
);

CREATE INDEX parcels_order ON parcels (order_id);
