CREATE TABLE parcels (
    number text PRIMARY KEY,
    sent timestamptz
);
