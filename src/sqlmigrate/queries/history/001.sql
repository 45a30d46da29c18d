-- The history of sqlmigrate. The three tables whose names begin with _yoyo have yoyo's own shape (version 2), so that
-- the yoyo command can list them; _yoyo_migration alone says what is applied. The others are ours and hang on them.

CREATE TABLE {schema}._yoyo_migration (
    migration_hash varchar(64) PRIMARY KEY,
    migration_id   varchar(255),
    applied_at_utc timestamp
);

CREATE TABLE {schema}._yoyo_log (
    id             varchar(36) PRIMARY KEY,
    migration_hash varchar(64),
    migration_id   varchar(255),
    operation      varchar(10),
    username       varchar(255),
    hostname       varchar(255),
    comment        varchar(255),
    created_at_utc timestamp
);

CREATE TABLE {schema}._yoyo_version (
    version          integer NOT NULL PRIMARY KEY,
    installed_at_utc timestamp
);

INSERT INTO {schema}._yoyo_version (version, installed_at_utc)
VALUES (1, pg_catalog.timezone('UTC', pg_catalog.now())),
       (2, pg_catalog.timezone('UTC', pg_catalog.now()));

-- What we know of each applied migration. seq is the order of application: clocks can go back, a sequence cannot.
CREATE TABLE {schema}.applied (
    migration_hash    varchar(64) PRIMARY KEY
                      REFERENCES {schema}._yoyo_migration (migration_hash) ON DELETE CASCADE,
    seq               bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    marked            boolean NOT NULL,
    checksum          pg_catalog.text,
    sha256            pg_catalog.text,
    size              bigint,
    script            pg_catalog.text,
    rollback_checksum pg_catalog.text,
    rollback_sha256   pg_catalog.text,
    rollback_size     bigint,
    rollback_script   pg_catalog.text,
    run_id            pg_catalog.uuid NOT NULL
);

-- Who did what, when, as which role, and how long it took.
CREATE TABLE {schema}.log (
    id             varchar(36) PRIMARY KEY
                   REFERENCES {schema}._yoyo_log (id) ON DELETE CASCADE,
    seq            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    run_id         pg_catalog.uuid NOT NULL,
    operation      pg_catalog.text NOT NULL,
    login_role     pg_catalog.text NOT NULL,
    script_role    pg_catalog.text,
    client_address pg_catalog.inet,
    duration_ms    bigint,
    checksum       pg_catalog.text,
    sha256         pg_catalog.text,
    server_version pg_catalog.text NOT NULL,
    tool_version   pg_catalog.text NOT NULL,
    reason         pg_catalog.text
);

-- Where a script that runs outside a transaction stands: a row for each statement that was begun. The rows go when the
-- script is through. digest is SHA-256 of the statement's text; found holds what a look-up needs after a crash.
CREATE TABLE {schema}.journal (
    migration_hash varchar(64) NOT NULL,
    migration_id   varchar(255) NOT NULL,
    operation      pg_catalog.text NOT NULL,
    number         integer NOT NULL,
    last_number    integer NOT NULL,
    state          pg_catalog.text NOT NULL,
    digest         pg_catalog.text NOT NULL,
    statement      pg_catalog.text NOT NULL,
    line           integer,
    found          pg_catalog.jsonb,
    error          pg_catalog.text,
    run_id         pg_catalog.uuid NOT NULL,
    begun_at       pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (migration_hash, operation, number)
);

CREATE TABLE {schema}.meta (
    version     integer PRIMARY KEY,
    upgraded_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
    upgraded_by pg_catalog.text NOT NULL
);
