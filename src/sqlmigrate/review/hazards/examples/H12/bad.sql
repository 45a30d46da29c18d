CREATE TABLE parcels (
    id bigint PRIMARY KEY,
    order_id bigint REFERENCES orders (id)
);
