-- name: table
-- a table, and about how many rows it and its partitions have; none where nobody has counted them
SELECT space.nspname::pg_catalog.text AS schema,
       class.relname::pg_catalog.text AS name,
       class.relkind::pg_catalog.text AS kind,
       class.relkind = 'r'
       AND EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = class.oid) AS inherited,
       (SELECT pg_catalog.sum(part.reltuples::pg_catalog.float8)
        FROM pg_catalog.pg_class AS part
        WHERE part.relkind = 'r'
          AND part.reltuples >= 0::real
          AND (part.oid = class.oid
               OR part.oid IN (SELECT relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(class.oid::pg_catalog.regclass)))
       )::bigint AS estimate
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.oid = %(table)s::pg_catalog.oid

-- name: pages
-- how many pages a table has now, and about how many rows each of them had when somebody counted; none where nobody has
SELECT pg_catalog.pg_relation_size(class.oid::pg_catalog.regclass)
       / pg_catalog.current_setting('block_size')::bigint AS pages,
       CASE WHEN class.reltuples > 0::real AND class.relpages > 0
            THEN class.reltuples::pg_catalog.float8 / class.relpages::pg_catalog.float8 END AS rows
FROM pg_catalog.pg_class AS class
WHERE class.oid = %(table)s::pg_catalog.oid

-- name: family
-- the names of a table and its partitions
SELECT space.nspname::pg_catalog.text AS schema, class.relname::pg_catalog.text AS name, class.oid::bigint
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.oid = %(table)s::pg_catalog.oid
   OR class.oid IN (SELECT relid::pg_catalog.oid
                    FROM pg_catalog.pg_partition_tree(%(table)s::pg_catalog.oid::pg_catalog.regclass))

-- name: columns
-- the columns of a key, with their types behind any domain
WITH RECURSIVE base AS (
    SELECT attribute.attname, attribute.attnotnull, attribute.atttypid AS type
    FROM pg_catalog.pg_attribute AS attribute
    WHERE attribute.attrelid = %(table)s::pg_catalog.oid
      AND attribute.attnum > 0
      AND NOT attribute.attisdropped
      AND attribute.attname = ANY (%(names)s::pg_catalog.name[])
    UNION ALL
    SELECT base.attname, base.attnotnull, type.typbasetype
    FROM base
    JOIN pg_catalog.pg_type AS type ON type.oid = base.type
    WHERE type.typtype = 'd'
)
SELECT base.attname::pg_catalog.text AS name,
       base.attnotnull AS not_null,
       base.type::bigint AS type,
       type.typname::pg_catalog.text AS type_name,
       space.nspname::pg_catalog.text AS type_schema
FROM base
JOIN pg_catalog.pg_type AS type ON type.oid = base.type
JOIN pg_catalog.pg_namespace AS space ON space.oid = type.typnamespace
WHERE type.typtype <> 'd'

-- name: indexes
-- the unique indexes of a table by whose order batches can be cut: each column with the operator that stands for "more"
SELECT index.indexrelid::bigint AS index,
       index.indnkeyatts::pg_catalog.int4 AS width,
       attribute.attname::pg_catalog.text AS name,
       (keys.option & 1::smallint) = 1::smallint AS descending,
       opclass.opcintype::bigint AS type,
       operator.oprname::pg_catalog.text AS operator,
       space.nspname::pg_catalog.text AS operator_schema
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_am AS method ON method.oid = class.relam AND method.amname = 'btree'
CROSS JOIN LATERAL ROWS FROM (
    pg_catalog.unnest(index.indkey::pg_catalog.int2[]),
    pg_catalog.unnest(index.indclass::pg_catalog.oid[]),
    pg_catalog.unnest(index.indcollation::pg_catalog.oid[]),
    pg_catalog.unnest(index.indoption::pg_catalog.int2[])
) WITH ORDINALITY AS keys (number, class, "collation", option, at)
JOIN pg_catalog.pg_attribute AS attribute
  ON attribute.attrelid = index.indrelid
 AND attribute.attnum = keys.number
 AND attribute.attcollation = keys."collation"
JOIN pg_catalog.pg_opclass AS opclass ON opclass.oid = keys.class AND opclass.opcdefault
JOIN pg_catalog.pg_amop AS entry
  ON entry.amopfamily = opclass.opcfamily
 AND entry.amoplefttype = opclass.opcintype
 AND entry.amoprighttype = opclass.opcintype
 AND entry.amopstrategy = 5::smallint
JOIN pg_catalog.pg_operator AS operator ON operator.oid = entry.amopopr
JOIN pg_catalog.pg_namespace AS space ON space.oid = operator.oprnamespace
WHERE index.indrelid = %(table)s::pg_catalog.oid
  AND index.indisunique
  AND index.indisvalid
  AND index.indisready
  AND index.indpred IS NULL
  AND index.indexprs IS NULL
  AND keys.at <= index.indnkeyatts
ORDER BY index.indexrelid, keys.at

-- name: parameters
-- the types that PostgreSQL has given the parameters of a prepared statement, and their names
SELECT parameter.type::pg_catalog.oid::bigint, parameter.type::pg_catalog.text
FROM pg_catalog.pg_prepared_statements AS prepared
CROSS JOIN LATERAL pg_catalog.unnest(prepared.parameter_types) WITH ORDINALITY AS parameter (type, number)
WHERE prepared.name = %(name)s::pg_catalog.text
ORDER BY parameter.number

-- name: vacuum
-- the sessions that vacuum one of these tables: a lock tells on which one another role's vacuum is at work
SELECT vacuum.pid
FROM pg_catalog.pg_stat_progress_vacuum AS vacuum
JOIN pg_catalog.pg_locks AS held ON held.pid = vacuum.pid AND held.granted
WHERE vacuum.datname = pg_catalog.current_database()
  AND held.locktype = 'relation'
  AND held.mode = 'ShareUpdateExclusiveLock'
  AND held.relation = ANY ({oids})
  AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
LIMIT 1

-- name: vacuum_due
-- how many dead rows one of these tables has for which autovacuum wants to come, by its own rule; or it is about to freeze
SELECT counted.dead
FROM pg_catalog.pg_class AS class
CROSS JOIN LATERAL (
    SELECT pg_catalog.max(option.option_value) FILTER (WHERE option.option_name = 'autovacuum_enabled') AS enabled,
           pg_catalog.max(option.option_value) FILTER (WHERE option.option_name = 'autovacuum_vacuum_threshold') AS base,
           pg_catalog.max(option.option_value) FILTER (WHERE option.option_name = 'autovacuum_vacuum_scale_factor') AS scale,
           pg_catalog.max(option.option_value) FILTER (WHERE option.option_name = 'autovacuum_vacuum_max_threshold') AS most,
           pg_catalog.max(option.option_value) FILTER (WHERE option.option_name = 'autovacuum_freeze_max_age') AS age
    FROM pg_catalog.pg_options_to_table(class.reloptions) AS option
) AS own
CROSS JOIN LATERAL (
    SELECT pg_catalog.pg_stat_get_dead_tuples(class.oid) AS dead,
           coalesce(own.base, pg_catalog.current_setting('autovacuum_vacuum_threshold'))::pg_catalog.float8
           + coalesce(own.scale, pg_catalog.current_setting('autovacuum_vacuum_scale_factor'))::pg_catalog.float8
             * greatest(class.reltuples, 0::real)::pg_catalog.float8 AS wanted,
           coalesce(own.most, pg_catalog.current_setting('autovacuum_vacuum_max_threshold', true), '-1')::pg_catalog.float8
             AS most
) AS counted
WHERE class.oid = ANY ({oids})
  AND class.relkind = 'r'
  AND (pg_catalog.current_setting('autovacuum')::boolean
       AND pg_catalog.current_setting('track_counts')::boolean
       AND coalesce(own.enabled::boolean, true)
       AND counted.dead::pg_catalog.float8 > least(counted.wanted, nullif(counted.most, -1::pg_catalog.float8))
       OR pg_catalog.age(class.relfrozenxid)
          > least(own.age::pg_catalog.int4, pg_catalog.current_setting('autovacuum_freeze_max_age')::pg_catalog.int4))
ORDER BY counted.dead DESC
LIMIT 1

-- name: oldest
-- the oldest transaction of another session in this database, in seconds, and how many sessions this role does not see
WITH others AS (
    SELECT activity.pid, activity.backend_type, activity.xact_start
    FROM pg_catalog.pg_stat_activity AS activity
    WHERE activity.datname = pg_catalog.current_database()
      AND activity.pid <> pg_catalog.pg_backend_pid()
      AND activity.usesysid IS NOT NULL
), oldest AS (
    SELECT others.pid, others.xact_start
    FROM others
    WHERE others.backend_type = 'client backend'
      AND others.xact_start IS NOT NULL
    ORDER BY others.xact_start
    LIMIT 1
)
SELECT (SELECT oldest.pid FROM oldest),
       (SELECT extract(epoch FROM pg_catalog.clock_timestamp() - oldest.xact_start)::pg_catalog.float8 FROM oldest),
       pg_catalog.count(*) FILTER (WHERE others.backend_type IS NULL)
FROM others

-- name: archive_seen
-- whether this role sees what waits to be archived
SELECT pg_catalog.has_function_privilege('pg_catalog.pg_ls_archive_statusdir()', 'EXECUTE')

-- name: archive
-- how much WAL waits to be archived, in bytes
SELECT pg_catalog.count(*) * pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))
FROM pg_catalog.pg_ls_archive_statusdir() AS file
WHERE file.name LIKE '%.ready'

-- name: slots
-- the replication slot that keeps most WAL from being removed, in bytes
SELECT slot.slot_name::pg_catalog.text,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), slot.restart_lsn)::bigint AS size
FROM pg_catalog.pg_replication_slots AS slot
WHERE slot.restart_lsn IS NOT NULL
ORDER BY size DESC
LIMIT 1

-- name: wal
-- how much WAL the server has written, in bytes
SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0'::pg_catalog.pg_lsn)::bigint

-- name: waiters
-- how many sessions wait behind this one, also behind those who do; it runs under the search_path of a script
WITH RECURSIVE waiting (pid) AS (
    SELECT wanted.pid
    FROM pg_catalog.pg_locks AS wanted
    WHERE NOT wanted.granted
), behind (pid) AS (
    SELECT waiting.pid
    FROM waiting
    WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) ANY (pg_catalog.pg_blocking_pids(waiting.pid))
    UNION
    SELECT waiting.pid
    FROM behind
    JOIN waiting ON behind.pid OPERATOR(pg_catalog.=) ANY (pg_catalog.pg_blocking_pids(waiting.pid))
)
SELECT pg_catalog.count(*) FROM behind
