-- How large the relations of a target are and how their values are spread, as its planner knows it: no value of a row
-- is among it, and no table is locked. And the same again, given to a throwaway database of our own.

-- name: settings
-- what decides over plans beside the statistics
SELECT s.name, s.setting
FROM pg_catalog.pg_settings AS s
WHERE s.name = ANY (%s::pg_catalog.text[])

-- name: relations
-- what was never analyzed has no figures
SELECT n.nspname::pg_catalog.text,
       c.relname::pg_catalog.text,
       c.relpages::bigint,
       c.reltuples::double precision,
       c.relallvisible::bigint
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'i')
  AND c.oid >= 16384::pg_catalog.oid
  AND c.relpersistence <> 't'
  AND c.reltuples >= 0::real
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_toast'::pg_catalog.text
ORDER BY 1, 2

-- name: columns
-- PostgreSQL shows those that the role may read; a statistic without a value of the table in it
SELECT s.schemaname::pg_catalog.text,
       s.tablename::pg_catalog.text,
       s.attname::pg_catalog.text,
       s.null_frac::double precision,
       s.avg_width,
       s.n_distinct::double precision,
       s.correlation::double precision,
       s.inherited
FROM pg_catalog.pg_stats AS s
WHERE s.schemaname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2, 3, s.inherited

-- name: here
-- the relations of a throwaway database with their files, and of an index its table and the columns that it is of
SELECT c.oid::bigint,
       n.nspname::pg_catalog.text,
       c.relname::pg_catalog.text,
       coalesce(pg_catalog.pg_relation_filepath(c.oid), ''),
       pg_catalog.pg_relation_size(c.oid),
       coalesce(x.indrelid, 0::pg_catalog.oid)::bigint,
       coalesce(x.indkey::smallint[], '{}'::smallint[]),
       ARRAY(SELECT a.attnum
             FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = c.oid
               AND a.attnum > 0
               AND NOT a.attisdropped
             ORDER BY a.attnum),
       ARRAY(SELECT a.attname::pg_catalog.text
             FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = c.oid
               AND a.attnum > 0
               AND NOT a.attisdropped
             ORDER BY a.attnum)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'm', 'i')
  AND c.oid >= 16384::pg_catalog.oid
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_toast'::pg_catalog.text

-- name: restore_relations
SELECT pg_catalog.count(pg_catalog.pg_restore_relation_stats(
           'schemaname', r.schema, 'relname', r.name,
           'relpages', r.pages, 'reltuples', r.tuples, 'relallvisible', r.visible))
FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[]),
                pg_catalog.unnest(%s::integer[]), pg_catalog.unnest(%s::real[]), pg_catalog.unnest(%s::integer[]))
     AS r (schema, name, pages, tuples, visible)

-- name: restore_columns
SELECT pg_catalog.count(pg_catalog.pg_restore_attribute_stats(
           'schemaname', s.schema, 'relname', s.name, 'attname', s.attribute, 'inherited', s.inherited,
           'null_frac', s.nulls, 'avg_width', s.width, 'n_distinct', s.distinct_values, 'correlation', s.correlation))
FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[]),
                pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::boolean[]),
                pg_catalog.unnest(%s::real[]), pg_catalog.unnest(%s::integer[]),
                pg_catalog.unnest(%s::real[]), pg_catalog.unnest(%s::real[]))
     AS s (schema, name, attribute, inherited, nulls, width, distinct_values, correlation)

-- name: grow
-- runs as the account of our own server and in its data directory; a line is a size and the files that get it
COPY (SELECT pg_catalog.unnest({lines}::pg_catalog.text[]))
TO PROGRAM 'set -e; while read -r size files; do truncate -s "$size" $files; done'
