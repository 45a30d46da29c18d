-- When objects were last used, read in a transaction that writes nothing.

-- name: path
-- under the script's own role and search_path: nothing but a call
SELECT pg_catalog.current_schemas(true)

-- name: counters
-- since when tables and indexes are counted: a crash forgets the counters, and then the archiver's start anew as well
SELECT greatest(pg_catalog.pg_stat_get_db_stat_reset_time(d.oid),
                (SELECT a.stats_reset FROM pg_catalog.pg_stat_archiver AS a)) AS since,
       pg_catalog.current_setting('track_counts') = 'on' AS counts,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) AS replicas,
       pg_catalog.now() AS read_at,
       pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 160000 AS knows_when
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()

-- name: relation
-- the first relation of a name in the schemas of a path
SELECT c.oid::bigint AS oid
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname::pg_catalog.text = %(name)s::pg_catalog.text
  AND n.nspname::pg_catalog.text = ANY (%(path)s::pg_catalog.text[])
ORDER BY pg_catalog.array_position(%(path)s::pg_catalog.text[], n.nspname::pg_catalog.text)
LIMIT 1

-- name: tree
-- a relation, then its partitions and children, with what was counted; `{last_scan}` is when, NULL before 16
WITH RECURSIVE below (oid) AS (
    SELECT %(oid)s::pg_catalog.oid
    UNION
    SELECT i.inhrelid
    FROM below AS b
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = b.oid
)
SELECT c.oid::bigint AS oid,
       n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       c.relkind::pg_catalog.text AS kind,
       c.relispartition AS is_partition,
       pg_catalog.pg_stat_get_numscans(c.oid) AS scans,
       {last_scan} AS last_scan,
       coalesce(x.scans, 0)::bigint AS index_scans,
       x.last_scan AS last_index_scan
FROM below AS b
JOIN pg_catalog.pg_class AS c ON c.oid = b.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (SELECT pg_catalog.sum(pg_catalog.pg_stat_get_numscans(i.indexrelid)) AS scans,
                          pg_catalog.max({last_index_scan}) AS last_scan
                   FROM pg_catalog.pg_index AS i
                   WHERE i.indrelid = c.oid) AS x ON true
ORDER BY c.oid = %(oid)s::pg_catalog.oid DESC, 2, 3

-- name: column
SELECT a.attnum::pg_catalog.int4 AS number
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = %(oid)s::pg_catalog.oid
  AND a.attname::pg_catalog.text = %(name)s::pg_catalog.text
  AND a.attnum > 0
  AND NOT a.attisdropped

-- name: constraint
-- the index that goes with a constraint
SELECT k.conindid::bigint AS oid
FROM pg_catalog.pg_constraint AS k
WHERE k.conrelid = %(oid)s::pg_catalog.oid
  AND k.conname::pg_catalog.text = %(name)s::pg_catalog.text
  AND k.contype IN ('p', 'u', 'x')

-- name: routines
SELECT p.oid::bigint AS oid, n.nspname::pg_catalog.text AS schema
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.proname::pg_catalog.text = %(name)s::pg_catalog.text
  AND n.nspname::pg_catalog.text = ANY (%(path)s::pg_catalog.text[])

-- name: in_schema
SELECT 'relation' AS kind, c.relname::pg_catalog.text AS name
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname::pg_catalog.text = %(name)s::pg_catalog.text
  AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
UNION
SELECT 'routine', p.proname::pg_catalog.text
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname::pg_catalog.text = %(name)s::pg_catalog.text
ORDER BY 1, 2

-- name: dependents
-- what hangs on a relation, on one of its columns, or on a function, and would go or stop with it
SELECT DISTINCT
       coalesce(vn.nspname, pn.nspname, '')::pg_catalog.text AS schema,
       coalesce(v.relname, p.proname, '')::pg_catalog.text AS name,
       CASE v.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' END
           || pg_catalog.quote_ident(vn.nspname) || '.' || pg_catalog.quote_ident(v.relname) AS view,
       pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) AS described
FROM pg_catalog.pg_depend AS d
LEFT JOIN pg_catalog.pg_rewrite AS r
       ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid AND r.oid = d.objid
LEFT JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class
LEFT JOIN pg_catalog.pg_namespace AS vn ON vn.oid = v.relnamespace
LEFT JOIN pg_catalog.pg_proc AS p
       ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid AND p.oid = d.objid
LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.pronamespace
WHERE d.refclassid = %(class)s::pg_catalog.regclass::pg_catalog.oid
  AND d.refobjid = ANY (%(oids)s::pg_catalog.oid[])
  AND (%(column)s::pg_catalog.int4 = 0 OR d.refobjsubid = %(column)s::pg_catalog.int4)
  AND d.deptype = 'n'
  AND (p.oid IS NOT NULL
       OR (v.oid IS NOT NULL AND v.oid <> ALL (%(oids)s::pg_catalog.oid[]))
       OR (r.oid IS NULL AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid))
ORDER BY 1, 2, 4

-- name: bodies
-- the functions of users in whose text a name stands; `fires` on one of these tables
SELECT n.nspname::pg_catalog.text AS schema,
       p.proname::pg_catalog.text AS name,
       p.prosrc AS body,
       EXISTS (SELECT
               FROM pg_catalog.pg_trigger AS t
               WHERE t.tgfoid = p.oid
                 AND t.tgrelid = ANY (%(oids)s::pg_catalog.oid[])) AS fires
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE l.lanname NOT IN ('c', 'internal')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND pg_catalog.strpos(pg_catalog.lower(p.prosrc), pg_catalog.lower(%(name)s::pg_catalog.text)) > 0
  AND NOT EXISTS (SELECT
                  FROM pg_catalog.pg_depend AS d
                  WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
                    AND d.objid = p.oid
                    AND d.deptype = 'e')
ORDER BY 1, 2

-- name: called
-- the functions of users that have one of these names
SELECT p.proname::pg_catalog.text AS name, p.prosrc AS body
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE p.proname::pg_catalog.text = ANY (%(names)s::pg_catalog.text[])
  AND l.lanname NOT IN ('c', 'internal')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1
