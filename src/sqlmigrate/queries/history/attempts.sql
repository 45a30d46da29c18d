-- What became of attempts at scripts that the log says nothing of, and of those that hurt others. It belongs to no
-- version: releases that do not know it leave it alone, and without it nothing is missing but its rows. The row of a run
-- that is under way has the state running.
CREATE TABLE {schema}.script_attempts (
    id             pg_catalog.uuid PRIMARY KEY,
    run_id         pg_catalog.uuid NOT NULL,
    state          pg_catalog.text NOT NULL,
    operation      pg_catalog.text NOT NULL,
    migration_id   varchar(255),
    attempt        integer,
    begun_at       pg_catalog.timestamptz NOT NULL,
    seen_at        pg_catalog.timestamptz,
    ended_at       pg_catalog.timestamptz,
    duration_ms    bigint,
    statement      integer,
    line           integer,
    sqlstate       pg_catalog.text,
    error          pg_catalog.text,
    blockers       pg_catalog.jsonb,
    harm           pg_catalog.jsonb,
    steps          pg_catalog.jsonb,
    login_role     pg_catalog.text NOT NULL,
    username       pg_catalog.text,
    hostname       pg_catalog.text,
    client_address pg_catalog.inet,
    tool_version   pg_catalog.text NOT NULL
)
