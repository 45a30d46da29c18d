CREATE TABLE parcels (
    number char(12) PRIMARY KEY
);
