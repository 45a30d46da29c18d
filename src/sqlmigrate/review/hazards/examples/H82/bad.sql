CREATE TABLE parcels (
    number text PRIMARY KEY,
    order_id integer REFERENCES orders (id)
);
