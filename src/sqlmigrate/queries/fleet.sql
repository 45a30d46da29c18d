-- name: create_run
CREATE TABLE sqlmigrate_fleet.run (
    -- head is all that is known of a run at its beginning, as the file in the project has it
    run_id    pg_catalog.uuid PRIMARY KEY,
    operation pg_catalog.text NOT NULL,
    began     pg_catalog.timestamptz NOT NULL,
    ended     pg_catalog.timestamptz,
    why       pg_catalog.text,
    username  pg_catalog.text NOT NULL,
    hostname  pg_catalog.text NOT NULL,
    env       pg_catalog.text,
    head      pg_catalog.jsonb NOT NULL
)

-- name: create_target
CREATE TABLE sqlmigrate_fleet.target (
    run_id      pg_catalog.uuid NOT NULL REFERENCES sqlmigrate_fleet.run (run_id) ON DELETE CASCADE,
    target      pg_catalog.text NOT NULL,
    state       pg_catalog.text NOT NULL,
    at          pg_catalog.timestamptz NOT NULL,
    wave        pg_catalog.text,
    attempt     integer,
    seconds     double precision,
    migrations  pg_catalog.text[],
    error       pg_catalog.text,
    fingerprint pg_catalog.text,
    blocker     pg_catalog.text,
    worker      pg_catalog.text,
    entry       pg_catalog.jsonb NOT NULL,
    PRIMARY KEY (run_id, target)
)

-- name: is_there
SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'sqlmigrate_fleet'::pg_catalog.name),
       EXISTS (SELECT FROM pg_catalog.pg_tables
               WHERE schemaname = 'sqlmigrate_fleet'::pg_catalog.name
                 AND tablename = 'target'::pg_catalog.name)

-- name: lock
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(%s, 20260301))

-- name: begin_run
INSERT INTO sqlmigrate_fleet.run (run_id, operation, began, username, hostname, env, head)
VALUES (%(run_id)s::pg_catalog.uuid, %(operation)s, %(began)s::pg_catalog.timestamptz, %(username)s, %(hostname)s,
        %(env)s, %(head)s::pg_catalog.jsonb)
ON CONFLICT (run_id) DO UPDATE
SET head = excluded.head,
    ended = NULL,
    why = NULL

-- name: end_run
UPDATE sqlmigrate_fleet.run
SET ended = %(at)s::pg_catalog.timestamptz,
    why = %(why)s
WHERE run_id = %(run_id)s::pg_catalog.uuid

-- name: put_target
INSERT INTO sqlmigrate_fleet.target (run_id, target, state, at, wave, attempt, seconds, migrations, error, fingerprint,
                                     blocker, worker, entry)
VALUES (%(run_id)s::pg_catalog.uuid, %(target)s, %(state)s, %(at)s::pg_catalog.timestamptz, %(wave)s,
        %(attempt)s::integer, %(seconds)s::double precision, %(migrations)s::pg_catalog.text[], %(error)s,
        %(fingerprint)s, %(blocker)s, %(worker)s, %(entry)s::pg_catalog.jsonb)
ON CONFLICT (run_id, target) DO UPDATE
SET state = excluded.state,
    at = excluded.at,
    wave = excluded.wave,
    attempt = excluded.attempt,
    seconds = excluded.seconds,
    migrations = excluded.migrations,
    error = excluded.error,
    fingerprint = excluded.fingerprint,
    blocker = excluded.blocker,
    worker = excluded.worker,
    entry = excluded.entry

-- name: runs
SELECT head, pg_catalog.to_char(pg_catalog.timezone('UTC', ended), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), why
FROM sqlmigrate_fleet.run
ORDER BY began DESC, run_id DESC

-- name: targets
SELECT run_id::pg_catalog.text, entry FROM sqlmigrate_fleet.target

-- name: targets_of_run
SELECT run_id::pg_catalog.text, entry
FROM sqlmigrate_fleet.target
WHERE run_id = %s::pg_catalog.uuid
