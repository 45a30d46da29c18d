CREATE TABLE parcels (
    number text NOT NULL,
    weight integer
);
