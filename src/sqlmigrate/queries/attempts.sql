-- name: settings
-- nobody waits for these rows: neither for a lock, nor for a standby
SELECT pg_catalog.set_config('synchronous_commit', %(commit)s, true), pg_catalog.set_config('lock_timeout', %(wait)s, true)

-- name: begin
INSERT INTO {schema}.script_attempts (id, run_id, state, operation, begun_at, steps, login_role, username, hostname,
                                      client_address, tool_version)
VALUES (%(row_id)s::pg_catalog.uuid, %(run_id)s::pg_catalog.uuid, 'running', %(operation)s, pg_catalog.clock_timestamp(),
        %(steps)s::pg_catalog.jsonb, session_user, %(username)s, %(hostname)s, pg_catalog.inet_client_addr(),
        %(tool_version)s)

-- name: take_dead
-- the run lock is ours, so no other run is under way
UPDATE {schema}.script_attempts
SET state = 'killed',
    ended_at = coalesce(seen_at, begun_at)
WHERE state = 'running'
  AND id <> %(row_id)s::pg_catalog.uuid
RETURNING id::pg_catalog.text,
          run_id::pg_catalog.text,
          operation,
          coalesce(steps, '[]')::pg_catalog.text AS steps,
          migration_id,
          statement,
          line,
          pg_catalog.to_char(pg_catalog.timezone('UTC', begun_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS begun_at,
          pg_catalog.to_char(pg_catalog.timezone('UTC', seen_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS seen_at,
          login_role,
          username,
          hostname

-- name: place_dead
UPDATE {schema}.script_attempts
SET migration_id = %(migration_id)s,
    statement = %(statement)s::integer,
    line = %(line)s::integer,
    steps = NULL
WHERE id = %(id)s::pg_catalog.uuid

-- name: leave
UPDATE {schema}.script_attempts
SET state = 'running',
    ended_at = NULL
WHERE id = %(id)s::pg_catalog.uuid

-- name: seen
UPDATE {schema}.script_attempts
SET seen_at = pg_catalog.clock_timestamp(),
    migration_id = %(migration_id)s,
    attempt = %(attempt)s::integer,
    duration_ms = %(milliseconds)s::bigint,
    statement = %(statement)s::integer,
    line = %(line)s::integer,
    blockers = %(blockers)s::pg_catalog.jsonb,
    harm = %(harm)s::pg_catalog.jsonb
WHERE id = %(row_id)s::pg_catalog.uuid

-- name: add
INSERT INTO {schema}.script_attempts (id, run_id, state, operation, migration_id, attempt, begun_at, ended_at,
                                      duration_ms, statement, line, sqlstate, error, blockers, harm, login_role, username,
                                      hostname, client_address, tool_version)
VALUES (%(id)s::pg_catalog.uuid, %(run_id)s::pg_catalog.uuid, %(state)s, %(operation)s, %(migration_id)s,
        %(attempt)s::integer,
        pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %(milliseconds)s::pg_catalog.float8 / 1000::pg_catalog.float8),
        pg_catalog.clock_timestamp(), %(milliseconds)s::bigint, %(statement)s::integer, %(line)s::integer,
        %(sqlstate)s, %(error)s, %(blockers)s::pg_catalog.jsonb, %(harm)s::pg_catalog.jsonb, session_user,
        %(username)s, %(hostname)s, pg_catalog.inet_client_addr(), %(tool_version)s)

-- name: bound
DELETE FROM {schema}.script_attempts
WHERE id IN (SELECT id
             FROM {schema}.script_attempts
             WHERE state <> 'running'
             ORDER BY ended_at DESC
             OFFSET %(most)s::bigint)

-- name: drop
DELETE FROM {schema}.script_attempts WHERE id = %(id)s::pg_catalog.uuid

-- name: rows
SELECT pg_catalog.timezone('UTC', ended_at) AS at,
       state,
       operation,
       migration_id::pg_catalog.text,
       attempt,
       pg_catalog.timezone('UTC', begun_at) AS begun_at,
       duration_ms,
       statement,
       line,
       sqlstate,
       error,
       blockers,
       harm,
       login_role,
       username,
       hostname,
       client_address::pg_catalog.text,
       run_id::pg_catalog.text,
       tool_version
FROM {schema}.script_attempts
WHERE state <> 'running'
  AND (%(migration_id)s::pg_catalog.text IS NULL OR migration_id::pg_catalog.text = %(migration_id)s::pg_catalog.text)
  AND (%(operation)s::pg_catalog.text IS NULL OR operation = %(operation)s::pg_catalog.text)
  AND (%(since)s::timestamp IS NULL OR pg_catalog.timezone('UTC', ended_at) >= %(since)s::timestamp)
  AND (%(until)s::timestamp IS NULL OR pg_catalog.timezone('UTC', ended_at) < %(until)s::timestamp)
ORDER BY ended_at DESC
LIMIT %(most)s::bigint
