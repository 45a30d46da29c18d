-- name: indexes
-- the indexes of a table, of its partitions, and of where these keep their large values; an index stands for its table
WITH given AS (
    SELECT %(table)s::pg_catalog.oid AS oid
), root AS (
    SELECT coalesce(index.indrelid, given.oid) AS oid
    FROM given
    LEFT JOIN pg_catalog.pg_index AS index ON index.indexrelid = given.oid
), tables AS (
    SELECT oid FROM root
    UNION
    SELECT tree.relid::pg_catalog.oid FROM root, pg_catalog.pg_partition_tree(root.oid) AS tree
), all_tables AS (
    SELECT oid FROM tables
    UNION ALL
    SELECT class.reltoastrelid FROM tables JOIN pg_catalog.pg_class AS class USING (oid)
)
SELECT index.indexrelid::bigint AS oid,
       space.nspname::pg_catalog.text AS schema,
       class.relname::pg_catalog.text AS name,
       index.indisvalid AND index.indisready AS valid
FROM all_tables
JOIN pg_catalog.pg_index AS index ON index.indrelid = all_tables.oid
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.relkind = 'i'

-- name: invalid_indexes
-- but for those of a table where another session is at work: which index it builds, only its own role may see
SELECT index.indexrelid::bigint AS oid,
       space.nspname::pg_catalog.text AS schema,
       class.relname::pg_catalog.text AS name,
       false AS valid
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE NOT (index.indisvalid AND index.indisready)
  AND class.relkind = 'i'
  AND NOT EXISTS (SELECT
                  FROM pg_catalog.pg_stat_progress_create_index AS building
                  JOIN pg_catalog.pg_locks AS lock USING (pid)
                  WHERE building.datname = pg_catalog.current_database()
                    AND lock.locktype = 'relation'
                    AND lock.relation = index.indrelid
                    AND lock.mode = 'ShareUpdateExclusiveLock'
                    AND lock.granted)

-- name: predecessor
-- sessions that run the same script: both have set their name to it, as anybody can; but not anybody is, or can become, a
-- role that may write our tables
SELECT activity.pid
FROM pg_catalog.pg_stat_activity AS activity
JOIN pg_catalog.pg_class AS class ON class.relname = '_yoyo_migration'
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = %(schema)s::pg_catalog.name
  AND activity.datname = pg_catalog.current_database()
  AND activity.application_name = pg_catalog.current_setting('application_name')
  AND activity.pid <> pg_catalog.pg_backend_pid()
  AND activity.state IS DISTINCT FROM 'idle'
  AND EXISTS (SELECT
              FROM pg_catalog.pg_roles AS writer
              WHERE pg_catalog.pg_has_role(activity.usesysid, writer.oid, 'MEMBER')
                AND pg_catalog.has_table_privilege(writer.oid, class.oid, 'INSERT'))

-- name: exists
SELECT WHERE %(thing)s::pg_catalog.oid IS NOT NULL

-- name: partition
SELECT inherits.inhdetachpending AS pending
FROM pg_catalog.pg_inherits AS inherits
WHERE inherits.inhparent = %(table)s::pg_catalog.oid
  AND inherits.inhrelid = %(thing)s::pg_catalog.oid

-- name: database
SELECT FROM pg_catalog.pg_database WHERE datname = %(name)s::pg_catalog.name

-- name: tablespace
SELECT FROM pg_catalog.pg_tablespace WHERE spcname = %(name)s::pg_catalog.name
