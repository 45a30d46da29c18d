-- A parcel service: what the reviewed migrations come after. figures.toml has the sizes of its tables.
CREATE SCHEMA auth;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('request.login', true), '')::uuid
$$;
CREATE TYPE parcel_state AS ENUM ('announced', 'moving', 'delivered');

CREATE TABLE senders (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login uuid,
    name  text NOT NULL,
    mail  varchar(120) NOT NULL,
    vat   text,
    city  text,
    since timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION tidy(what text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(what) $$;
CREATE INDEX senders_tidy_name ON senders (tidy(name));

CREATE TABLE depots (code text PRIMARY KEY, town text, busy boolean NOT NULL DEFAULT false);
INSERT INTO depots VALUES ('HH1', 'Hamburg'), ('M1', 'Munich');

CREATE TABLE parcels (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender   bigint NOT NULL REFERENCES senders (id),
    depot    text,
    state    parcel_state NOT NULL DEFAULT 'announced',
    grams    integer NOT NULL DEFAULT 0,
    price    numeric(8, 2) NOT NULL DEFAULT 0,
    barcode  varchar(40) NOT NULL,
    label    text,
    accepted timestamp NOT NULL DEFAULT now(),
    CONSTRAINT parcels_label_set CHECK (label IS NOT NULL) NOT VALID,
    CONSTRAINT parcels_barcode_key UNIQUE (barcode)
);
CREATE INDEX parcels_sender ON parcels (sender);
CREATE INDEX parcels_depot ON parcels (depot);

CREATE TABLE scans (parcel bigint NOT NULL REFERENCES parcels (id), depot text, at timestamptz NOT NULL, note text);
CREATE INDEX scans_parcel ON scans (parcel);

CREATE TABLE tours (van bigint NOT NULL, day date NOT NULL, km integer) PARTITION BY RANGE (day);
CREATE TABLE tours_2025 PARTITION OF tours FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE tours_2026 (van bigint NOT NULL, day date NOT NULL, km integer);

CREATE TABLE upload (id integer, line text);

CREATE VIEW moving_parcels AS SELECT id, sender, depot, barcode FROM parcels WHERE state = 'moving';
CREATE MATERIALIZED VIEW depot_load AS SELECT depot, count(*) AS parcels FROM parcels GROUP BY depot;
CREATE MATERIALIZED VIEW sender_load AS SELECT sender, count(*) AS parcels FROM parcels GROUP BY sender;
CREATE UNIQUE INDEX sender_load_sender ON sender_load (sender);

CREATE FUNCTION postage(of_parcel bigint) RETURNS numeric LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT CASE WHEN s.city = 'Hamburg' THEN p.price / 2 ELSE p.price END
        FROM parcels AS p JOIN senders AS s ON s.id = p.sender WHERE p.id = of_parcel
    );
END
$$;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app;
ALTER TABLE senders ENABLE ROW LEVEL SECURITY;
CREATE POLICY senders_app ON senders TO app USING (true) WITH CHECK (true);
CREATE PUBLICATION to_billing FOR TABLE parcels, depots;
