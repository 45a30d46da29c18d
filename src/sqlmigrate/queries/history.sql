-- name: schema_exists
-- a history that has lost a table is no empty one: whoever reads it then says so
SELECT pg_catalog.count(*) FILTER (WHERE class.relname = 'meta') > 0
       OR pg_catalog.count(*) FILTER (WHERE class.relname IN ('applied', 'journal', 'log')) = 3 AS has_history,
       pg_catalog.has_schema_privilege(space.oid, 'USAGE') AS can_use
FROM pg_catalog.pg_namespace AS space
LEFT JOIN pg_catalog.pg_class AS class ON class.relnamespace = space.oid
WHERE space.nspname = %s
GROUP BY space.oid

-- name: of_other_tools
-- what may be the history of another tool: by its name, or by columns of which such tables have some
SELECT space.nspname::pg_catalog.text AS schema,
       class.relname::pg_catalog.text AS name,
       pg_catalog.array_agg(attribute.attname::pg_catalog.text) AS columns
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid
WHERE class.relkind IN ('r', 'p')
  AND class.relpersistence <> 't'
  AND attribute.attnum > 0
  AND NOT attribute.attisdropped
  AND (%(within)s::pg_catalog.name IS NULL OR space.nspname = %(within)s::pg_catalog.name)
GROUP BY space.nspname, class.relname
HAVING class.relname = ANY (%(names)s::pg_catalog.name[])
    OR pg_catalog.count(*) FILTER (WHERE attribute.attname = ANY (%(columns)s::pg_catalog.name[])) > 3
ORDER BY space.nspname, class.relname

-- name: writer
SELECT pg_catalog.pg_get_userbyid(class.relowner),
       pg_catalog.has_table_privilege(class.oid, 'INSERT, UPDATE, DELETE')
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = %s
  AND class.relname = '_yoyo_migration'

-- name: version
SELECT pg_catalog.max(version) AS version,
       EXISTS (SELECT FROM {schema}.journal) AS half_way,
       EXISTS (SELECT FROM pg_catalog.pg_class AS class
               JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
               WHERE space.nspname = {space}::pg_catalog.name
                 AND class.relname = 'script_attempts') AS attempts
FROM {schema}.meta

-- name: catch_up
-- moves a sequence on whose next number is taken: logical replication brings rows, and leaves the sequences behind
WITH taken (name, top) AS (
    SELECT 'applied'::pg_catalog.name, pg_catalog.max(seq) FROM {schema}.applied
    UNION ALL
    SELECT 'log'::pg_catalog.name, pg_catalog.max(seq) FROM {schema}.log
), owned AS MATERIALIZED (
    SELECT depend.objid AS sequence,
           taken.top,
           pg_catalog.has_sequence_privilege(depend.objid, 'SELECT')
           AND pg_catalog.has_sequence_privilege(depend.objid, 'UPDATE') AS may_set
    FROM taken
    JOIN pg_catalog.pg_class AS class ON class.relname = taken.name
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    JOIN pg_catalog.pg_depend AS depend ON depend.refobjid = class.oid
    JOIN pg_catalog.pg_class AS sequence ON sequence.oid = depend.objid AND sequence.relkind = 'S'
    WHERE space.nspname = %s
      AND depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
      AND depend.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
)
SELECT CASE
           WHEN may_set AND coalesce(pg_catalog.pg_sequence_last_value(sequence), 0::bigint) < top
           THEN pg_catalog.setval(sequence, top)
       END
FROM owned

-- name: journal
SELECT migration_id, migration_hash, operation, number, last_number, state, digest, statement, line, found, error,
       run_id::pg_catalog.text
FROM {schema}.journal
ORDER BY migration_id, operation, number

-- name: journal_begin
INSERT INTO {schema}.journal (migration_hash, migration_id, operation, number, last_number, state, digest, statement,
                              line, found, run_id)
VALUES ($1, $2, $3, $4::integer, $5::integer, $6, $7, $8, $9::integer, $10::pg_catalog.jsonb, $11::pg_catalog.uuid)

-- name: journal_state
UPDATE {schema}.journal
SET state = $4,
    error = $5
WHERE migration_hash::pg_catalog.text = $1
  AND operation = $2
  AND number = $3::integer

-- name: journal_claim
-- fails (22012) where the batched statement no longer stands where this run has left it, so that nothing behind it runs
WITH moved AS (
    UPDATE {schema}.journal
    SET state = $4,
        found = $5::pg_catalog.jsonb || pg_catalog.jsonb_build_object('wanted', found -> 'wanted'::pg_catalog.text),
        error = NULL
    WHERE migration_hash::pg_catalog.text = $1
      AND operation = $2
      AND number = $3::integer
      AND found ->> 'token'::pg_catalog.text = $6
    RETURNING found ->> 'wanted'::pg_catalog.text AS wanted
)
SELECT 1 / pg_catalog.count(*), pg_catalog.max(wanted) FROM moved

-- name: journal_note
-- notes something beside the progress of batches, such as that somebody wants a pause; NULL takes it back
UPDATE {schema}.journal
SET found = found || pg_catalog.jsonb_build_object($2::pg_catalog.text, $3::pg_catalog.text)
WHERE migration_hash::pg_catalog.text = $1
  AND found ->> 'kind'::pg_catalog.text = 'backfill'
  AND state <> 'done'

-- name: journal_wanted
SELECT found ->> 'wanted'::pg_catalog.text
FROM {schema}.journal
WHERE migration_hash::pg_catalog.text = $1
  AND found ->> 'kind'::pg_catalog.text = 'backfill'
  AND state <> 'done'

-- name: journal_found
UPDATE {schema}.journal
SET found = $4::pg_catalog.jsonb
WHERE migration_hash::pg_catalog.text = $1
  AND operation = $2
  AND number = $3::integer

-- name: journal_forget
DELETE FROM {schema}.journal
WHERE migration_hash::pg_catalog.text = $1
  AND operation = $2
  AND number = $3::integer

-- name: journal_supersede
-- what is only there to say that the script has begun
DELETE FROM {schema}.journal
WHERE migration_hash::pg_catalog.text = $1
  AND operation = $2
  AND state = 'failed'
  AND found IS NULL

-- name: journal_clear
DELETE FROM {schema}.journal WHERE migration_hash::pg_catalog.text = $1

-- name: unclaim_journal
-- fails (22012) where another run has finished or given up the script, so that nothing behind it runs
WITH gone AS (
    DELETE FROM {schema}.journal WHERE migration_hash::pg_catalog.text = $1 RETURNING 1
)
SELECT 1::numeric / pg_catalog.sign(pg_catalog.count(*)::numeric) FROM gone

-- name: rows
SELECT main.migration_id,
       main.migration_hash,
       main.applied_at_utc,
       ours.seq,
       ours.marked,
       ours.checksum,
       ours.sha256,
       ours.rollback_checksum,
       ours.run_id::pg_catalog.text AS run_id,
       (SELECT pg_catalog.max(version) FROM {schema}.meta) AS version,
       EXISTS (SELECT FROM {schema}.journal) AS half_way,
       EXISTS (SELECT FROM pg_catalog.pg_class AS class
               JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
               WHERE space.nspname = {space}::pg_catalog.name
                 AND class.relname = 'script_attempts') AS attempts
FROM {schema}._yoyo_migration AS main
LEFT JOIN {schema}.applied AS ours ON ours.migration_hash::pg_catalog.text = main.migration_hash::pg_catalog.text

-- name: texts
SELECT migration_hash::pg_catalog.text, script, rollback_script FROM {schema}.applied
WHERE migration_hash::pg_catalog.text = ANY (%s::pg_catalog.text[])

-- name: claim
INSERT INTO {schema}._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ($1, $2, pg_catalog.timezone('UTC', pg_catalog.clock_timestamp()))

-- name: finish_claim
INSERT INTO {schema}.applied (migration_hash, marked, checksum, sha256, size, script,
                              rollback_checksum, rollback_sha256, rollback_size, rollback_script, run_id)
SELECT migration_hash, $10::boolean, $2, $3, $4::bigint, $5, $6, $7, $8::bigint, $9, $11::pg_catalog.uuid
FROM {schema}._yoyo_migration
WHERE migration_hash::pg_catalog.text = $1
  AND migration_id::pg_catalog.text = $12

-- name: confirm_apply
-- fails (22012) where the row of this run is gone, or another one: something changed the history at COMMIT
SELECT 1 / pg_catalog.count(*)
FROM {schema}.applied
JOIN {schema}._yoyo_migration AS main ON main.migration_hash::pg_catalog.text = applied.migration_hash::pg_catalog.text
WHERE applied.migration_hash::pg_catalog.text = $1
  AND run_id = $2::pg_catalog.uuid
  AND main.migration_id::pg_catalog.text = $4
  AND ($3::bigint IS NULL OR (SELECT pg_catalog.count(*) FROM {schema}._yoyo_migration) = $3::bigint)
  AND ($5::pg_catalog.text IS NULL OR $5::pg_catalog.text = (SELECT pg_catalog.encode(pg_catalog.sha256(coalesce(pg_catalog.string_agg(
              pg_catalog.convert_to(migration_id, 'UTF8'), E'\n' ORDER BY pg_catalog.convert_to(migration_id, 'UTF8')), '')), 'hex')
       FROM {schema}._yoyo_migration))
  AND ($6::bigint IS NULL OR $6::bigint = (SELECT pg_catalog.count(*) FROM {schema}._yoyo_migration AS main
       JOIN {schema}.applied AS ours ON ours.migration_hash::pg_catalog.text = main.migration_hash::pg_catalog.text))

-- name: confirm_rollback
-- fails (22012) where what was rolled back is in the history again, or another row has come or gone
SELECT 1 / pg_catalog.count(*)
FROM (
    SELECT pg_catalog.count(*) AS all_of_them, pg_catalog.count(*) FILTER (
               WHERE migration_hash::pg_catalog.text = $1
                  OR migration_id::pg_catalog.text = $3) AS back
    FROM {schema}._yoyo_migration
) AS found
WHERE back = 0::bigint
  AND ($2::bigint IS NULL OR all_of_them = $2::bigint)
  AND ($4::pg_catalog.text IS NULL OR $4::pg_catalog.text = (SELECT pg_catalog.encode(pg_catalog.sha256(coalesce(pg_catalog.string_agg(
              pg_catalog.convert_to(migration_id, 'UTF8'), E'\n' ORDER BY pg_catalog.convert_to(migration_id, 'UTF8')), '')), 'hex')
       FROM {schema}._yoyo_migration))
  AND ($5::bigint IS NULL OR $5::bigint = (SELECT pg_catalog.count(*) FROM {schema}._yoyo_migration AS main
       JOIN {schema}.applied AS ours ON ours.migration_hash::pg_catalog.text = main.migration_hash::pg_catalog.text))

-- name: claim_is_gone
SELECT NOT EXISTS (SELECT FROM {schema}.applied WHERE migration_hash::pg_catalog.text = $1)

-- name: accept
UPDATE {schema}.applied
SET checksum = $2,
    sha256 = $3,
    size = $4::bigint,
    script = $5,
    rollback_checksum = $6,
    rollback_sha256 = $7,
    rollback_size = $8::bigint,
    rollback_script = $9
WHERE migration_hash::pg_catalog.text = $1

-- name: log_rows
-- yoyo's own columns may be NULL
SELECT coalesce(theirs.created_at_utc, '-infinity'::timestamp) AS at,
       coalesce(ours.operation, theirs.operation, '') AS operation,
       theirs.migration_id,
       ours.login_role,
       ours.script_role,
       theirs.username,
       theirs.hostname,
       ours.client_address::pg_catalog.text,
       ours.duration_ms,
       ours.run_id::pg_catalog.text,
       ours.checksum,
       ours.sha256,
       ours.server_version,
       ours.tool_version,
       coalesce(ours.reason, theirs.comment) AS reason
FROM {schema}._yoyo_log AS theirs
LEFT JOIN {schema}.log AS ours ON ours.id::pg_catalog.text = theirs.id::pg_catalog.text
WHERE (%(migration_id)s::pg_catalog.text IS NULL OR theirs.migration_id::pg_catalog.text = %(migration_id)s::pg_catalog.text)
  AND (%(operation)s::pg_catalog.text IS NULL OR coalesce(ours.operation, theirs.operation) = %(operation)s::pg_catalog.text)
  AND (%(run_id)s::pg_catalog.uuid IS NULL OR ours.run_id = %(run_id)s::pg_catalog.uuid)
  AND (%(since)s::timestamp IS NULL OR theirs.created_at_utc >= %(since)s::timestamp)
  AND (%(until)s::timestamp IS NULL OR theirs.created_at_utc < %(until)s::timestamp)
ORDER BY theirs.created_at_utc DESC, ours.seq DESC NULLS LAST
LIMIT %(most)s::bigint

-- name: unclaim
-- the division fails (22012) where the row is gone, so that nothing behind it in the pipeline runs
-- the foreign key would take our row along, unless triggers are off
WITH gone AS (
    DELETE FROM {schema}._yoyo_migration WHERE migration_hash::pg_catalog.text = $1 RETURNING 1
), ours AS (
    DELETE FROM {schema}.applied WHERE migration_hash::pg_catalog.text = $1
)
SELECT 1 / pg_catalog.count(*) FROM gone

-- name: yoyo_log
INSERT INTO {schema}._yoyo_log (id, migration_hash, migration_id, operation, username, hostname, comment, created_at_utc)
VALUES ($1, $2, $3, $4, $5, $6, $7, pg_catalog.timezone('UTC', pg_catalog.clock_timestamp()))

-- name: log
-- without a role of its own a script ran as the login, or as the role that the login has been given (ALTER ROLE ... SET role)
INSERT INTO {schema}.log (id, run_id, operation, login_role, script_role, client_address, duration_ms,
                          checksum, sha256, server_version, tool_version, reason)
VALUES ($1, $2, $3, session_user,
        coalesce($4, nullif(current_user::pg_catalog.text, session_user::pg_catalog.text)), pg_catalog.inet_client_addr(),
        1000::numeric * extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.now()),
        $5, $6, pg_catalog.current_setting('server_version'), $7, $8)

-- name: log_duration
-- what ran outside a transaction began when its journal did
UPDATE {schema}.log AS log
SET duration_ms = coalesce(
    (SELECT 1000::numeric * extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.min(begun_at))
     FROM {schema}.journal
     WHERE migration_hash::pg_catalog.text = $2
       AND run_id = log.run_id),
    duration_ms)
WHERE id::pg_catalog.text = $1

-- name: guard_head
-- whether the history is another one than that of two digests: of what is applied, and of what stopped half way
SELECT (SELECT pg_catalog.encode(pg_catalog.sha256(coalesce(pg_catalog.string_agg(
                   pg_catalog.convert_to(main.migration_id, 'UTF8'), E'\n'
                   ORDER BY ours.seq NULLS LAST, pg_catalog.convert_to(main.migration_id, 'UTF8')), '')), 'hex')
        FROM {schema}._yoyo_migration AS main
        LEFT JOIN {schema}.applied AS ours ON ours.migration_hash::pg_catalog.text = main.migration_hash::pg_catalog.text) <> $1
    OR (SELECT pg_catalog.encode(pg_catalog.sha256(coalesce(pg_catalog.string_agg(
                   pg_catalog.convert_to(pg_catalog.concat_ws(' ', migration_id, operation, number, state), 'UTF8'),
                   E'\n' ORDER BY pg_catalog.convert_to(migration_id, 'UTF8'), operation COLLATE pg_catalog."C", number), '')), 'hex')
        FROM {schema}.journal) <> $2

-- name: guard_none
-- whether there is a history by now
SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = $3 AND tablename = 'meta')
