CREATE TABLE parcels (
    number text PRIMARY KEY CHECK (length(number) = 12)
);
