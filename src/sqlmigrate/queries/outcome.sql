-- name: indexes
SELECT index.indexrelid::bigint AS oid,
       space.nspname::text AS schema,
       class.relname::text AS name,
       index.indisvalid AND index.indisready AS valid
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE (index.indrelid = pg_catalog.to_regclass(%(table)s) OR index.indexrelid = pg_catalog.to_regclass(%(table)s)
       OR index.indrelid = (SELECT indrelid FROM pg_catalog.pg_index
                            WHERE indexrelid = pg_catalog.to_regclass(%(table)s)))
  AND class.relkind = 'i'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS building
                  WHERE building.index_relid = index.indexrelid)

-- name: invalid_indexes
SELECT index.indexrelid::bigint AS oid,
       space.nspname::text AS schema,
       class.relname::text AS name,
       false AS valid
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE NOT (index.indisvalid AND index.indisready)
  AND class.relkind = 'i'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS building
                  WHERE building.index_relid = index.indexrelid)

-- name: exists
SELECT pg_catalog.to_regclass(%s) IS NOT NULL

-- name: partition
SELECT inherits.inhdetachpending
FROM pg_catalog.pg_inherits AS inherits
WHERE inherits.inhparent = pg_catalog.to_regclass(%(parent)s)
  AND inherits.inhrelid = pg_catalog.to_regclass(%(partition)s)

-- name: database
SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = %s)

-- name: tablespace
SELECT EXISTS (SELECT FROM pg_catalog.pg_tablespace WHERE spcname = %s)
