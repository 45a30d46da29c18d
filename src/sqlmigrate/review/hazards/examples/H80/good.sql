CREATE TABLE parcels (
    number text PRIMARY KEY,
    weight integer
);
