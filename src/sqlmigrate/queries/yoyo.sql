-- name: tables
-- tables of yoyo's by their columns (it lets people choose the name), and those that only have the name; with `of_ours`
-- those that belong to a history of sqlmigrate: its own tables, of the same owner, stand beside them
SELECT space.nspname::pg_catalog.text AS schema,
       class.relname::pg_catalog.text AS name,
       pg_catalog.count(attribute.attname) = 3 AS current,
       pg_catalog.has_schema_privilege(space.oid, 'USAGE')
       AND pg_catalog.has_table_privilege(class.oid, 'SELECT') AS readable,
       class.relname = '_yoyo_migration'
       AND (SELECT pg_catalog.count(*) = 4
            FROM pg_catalog.pg_class AS beside
            JOIN pg_catalog.pg_attribute AS own ON own.attrelid = beside.oid
            WHERE beside.relnamespace = space.oid
              AND beside.relowner = class.relowner
              AND (beside.relname = 'applied' AND own.attname IN ('migration_hash', 'run_id')
                   OR beside.relname = 'meta' AND own.attname IN ('version', 'upgraded_by'))) AS of_ours
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_catalog.pg_attribute AS attribute
       ON attribute.attrelid = class.oid
      AND attribute.attname IN ('migration_hash', 'migration_id', 'applied_at_utc')
WHERE class.relkind IN ('r', 'p')
  AND class.relpersistence <> 't'
  AND space.nspname <> %(ours)s
  AND (%(within)s::pg_catalog.name IS NULL OR space.nspname = %(within)s::pg_catalog.name)
GROUP BY space.oid, space.nspname, class.oid, class.relname
HAVING pg_catalog.count(attribute.attname) = 3
    OR class.relname = %(table)s
ORDER BY space.nspname, class.relname

-- name: rows
SELECT migration_hash, migration_id, applied_at_utc FROM {schema}._yoyo_migration

-- name: version
SELECT pg_catalog.max(version) FROM {schema}._yoyo_version

-- name: running
SELECT pid FROM {schema}.yoyo_lock

-- name: lock
-- yoyo's own lock; it lives only inside our transaction
INSERT INTO {schema}.yoyo_lock (locked, ctime, pid)
VALUES (1, pg_catalog.timezone('UTC', pg_catalog.now()), pg_catalog.pg_backend_pid())

-- name: unlock
DELETE FROM {schema}.yoyo_lock WHERE locked = 1

-- name: record
-- a time in the future, or none, becomes the present
INSERT INTO {schema}._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ($1, $2, LEAST($3::timestamp, pg_catalog.timezone('UTC', pg_catalog.clock_timestamp())))

-- name: undone
-- what was rolled back or unmarked last, and when
SELECT migration_hash, created_at_utc
FROM (SELECT DISTINCT ON (migration_hash) migration_hash, operation, created_at_utc
      FROM {schema}._yoyo_log
      WHERE operation::pg_catalog.text IN ('apply', 'rollback', 'mark', 'unmark')
      ORDER BY migration_hash, created_at_utc DESC) AS last
WHERE operation::pg_catalog.text IN ('rollback', 'unmark')

-- name: put
INSERT INTO {schema}._yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ($1, $2, $3::timestamp)
ON CONFLICT (migration_hash) DO UPDATE
SET applied_at_utc = EXCLUDED.applied_at_utc

-- name: take
DELETE FROM {schema}._yoyo_migration WHERE migration_hash::pg_catalog.text = $1

-- name: create_migration
CREATE TABLE {schema}._yoyo_migration (
    migration_hash varchar(64) PRIMARY KEY,
    migration_id   varchar(255),
    applied_at_utc timestamp
)

-- name: create_log
CREATE TABLE {schema}._yoyo_log (
    id             varchar(36) PRIMARY KEY,
    migration_hash varchar(64),
    migration_id   varchar(255),
    operation      varchar(10),
    username       varchar(255),
    hostname       varchar(255),
    comment        varchar(255),
    created_at_utc timestamp
)

-- name: create_version
CREATE TABLE {schema}._yoyo_version (
    version          integer NOT NULL PRIMARY KEY,
    installed_at_utc timestamp
)

-- name: record_version
INSERT INTO {schema}._yoyo_version (version, installed_at_utc)
VALUES (2, pg_catalog.timezone('UTC', pg_catalog.now()))
ON CONFLICT (version) DO NOTHING
