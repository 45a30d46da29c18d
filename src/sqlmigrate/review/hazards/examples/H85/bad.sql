CREATE TABLE parcels (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    weight integer
);
