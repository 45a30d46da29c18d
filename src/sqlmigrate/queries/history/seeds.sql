-- Which seed files were written, as they were then, and what became of their rows. It belongs to no version: releases that
-- do not know it leave it alone, and without it nothing is missing but its rows. Where rows of one file were laid over those
-- of another, the counts are in the row of the lower one.
CREATE TABLE {schema}.seed_files (
    id              pg_catalog.uuid PRIMARY KEY,
    run_id          pg_catalog.uuid NOT NULL,
    seeded_at       pg_catalog.timestamptz NOT NULL,
    file            pg_catalog.text NOT NULL,
    table_name      pg_catalog.text NOT NULL,
    checksum        pg_catalog.text NOT NULL,
    schema_checksum pg_catalog.text NOT NULL,
    rows            bigint NOT NULL,
    inserted        bigint,
    updated         bigint,
    unchanged       bigint,
    kept            bigint,
    pruned          bigint,
    login_role      pg_catalog.text NOT NULL,
    seed_role       pg_catalog.text,
    username        pg_catalog.text,
    hostname        pg_catalog.text,
    client_address  pg_catalog.inet,
    tool_version    pg_catalog.text NOT NULL
)
