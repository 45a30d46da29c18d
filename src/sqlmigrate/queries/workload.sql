-- What the target's pg_stat_statements knows, read in a transaction that writes nothing.

-- name: extension
-- where the extension is, whether this server fills it, and whether the role may read what others have sent
SELECT n.nspname::pg_catalog.text AS schema,
       e.extversion::pg_catalog.text AS version,
       pg_catalog.current_setting('pg_stat_statements.track', true) AS track,
       pg_catalog.current_setting('pg_stat_statements.track_utility', true) AS utility,
       pg_catalog.current_setting('compute_query_id', true) AS computes,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
       current_user::pg_catalog.text AS role
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'

-- name: statements
-- `{function}` is that of the extension, in its own schema; a text that the role may not read is replaced by PostgreSQL,
-- and of a long one there is only the beginning; `beyond` so many characters in all, there is nothing of a text
SELECT CASE WHEN t.read <= %s::bigint THEN t.query END AS query,
       coalesce(t.read > %s::bigint, false) AS beyond,
       t.role,
       t.statements,
       t.calls,
       t.total
FROM (SELECT g.*,
             pg_catalog.sum(pg_catalog.length(g.query)) OVER (ORDER BY g.calls DESC, g.query, g.role
                                                              ROWS UNBOUNDED PRECEDING) AS read
      FROM (SELECT pg_catalog.left(s.query, %s::integer) AS query,
                   r.rolname::pg_catalog.text AS role,
                   pg_catalog.count(*) AS statements,
                   pg_catalog.sum(s.calls)::bigint AS calls,
                   pg_catalog.sum(s.total_exec_time) AS total
            FROM {function} AS s
            LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.userid
            WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
            GROUP BY 1, 2) AS g) AS t
ORDER BY t.calls DESC, t.query, t.role

-- name: info
SELECT dealloc AS evicted, stats_reset AS since, pg_catalog.now() AS read_at FROM {function}

-- name: now
SELECT NULL::bigint AS evicted, pg_catalog.pg_postmaster_start_time() AS since, pg_catalog.now() AS read_at

-- name: roles
-- which of these roles there are and may be taken by SET ROLE
SELECT coalesce(pg_catalog.array_agg(r.rolname::pg_catalog.text), '{}'::pg_catalog.text[])
FROM pg_catalog.pg_roles AS r
WHERE r.rolname::pg_catalog.text = ANY (%s::pg_catalog.text[])
  AND pg_catalog.pg_has_role(r.oid, 'MEMBER')

-- name: planning
SELECT pg_catalog.set_config(s.name, s.value, %s)
FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[])) AS s (name, value)

-- name: types
SELECT oid::bigint, pg_catalog.format_type(oid, NULL)
FROM pg_catalog.unnest(%s::pg_catalog.oid[]) AS oid

-- name: tables
-- the columns of tables, by the table's oid: which an INSERT must give a value, and their types
SELECT c.oid::bigint,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
       pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum),
       pg_catalog.array_agg(a.atttypid::bigint ORDER BY a.attnum),
       pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum),
       pg_catalog.array_agg((a.attnotnull OR t.typnotnull)
                            AND NOT a.atthasdef AND a.attidentity = '' AND a.attgenerated = ''
                            AND t.typdefault IS NULL ORDER BY a.attnum),
       pg_catalog.array_agg(a.attnotnull OR t.typnotnull ORDER BY a.attnum),
       pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text,
       c.relrowsecurity,
       EXISTS (SELECT
               FROM pg_catalog.pg_trigger AS g
               WHERE g.tgrelid = c.oid
                 AND NOT g.tgisinternal
                 AND (g.tgtype::integer & 7) = 7) -- FOR EACH ROW, BEFORE, INSERT
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p', 'f')
  AND c.oid >= 16384::pg_catalog.oid
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
GROUP BY c.oid, n.nspname, c.relname, c.relrowsecurity, c.relowner

-- name: rules
-- what may refuse a row: constraints and unique indexes, with the columns that decide; of a foreign key, also the table
-- and the columns that it refers to; `plain` is a unique index of nothing but columns
SELECT k.conrelid::bigint,
       k.oid::bigint,
       k.contype::pg_catalog.text,
       k.conname::pg_catalog.text,
       pg_catalog.pg_get_constraintdef(k.oid),
       ARRAY(SELECT a.attname::pg_catalog.text
             FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
             ORDER BY a.attnum),
       k.confrelid::bigint,
       ARRAY(SELECT a.attname::pg_catalog.text
             FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)
             ORDER BY a.attnum),
       false AS plain,
       CASE WHEN k.confrelid <> 0::pg_catalog.oid THEN k.confrelid::pg_catalog.regclass::pg_catalog.text ELSE '' END
FROM pg_catalog.pg_constraint AS k
WHERE k.conrelid >= 16384::pg_catalog.oid
  AND k.contype IN ('c', 'f', 'x')
  AND k.conparentid = 0::pg_catalog.oid
UNION ALL
SELECT x.indrelid::bigint,
       x.indexrelid::bigint,
       'u',
       i.relname::pg_catalog.text,
       pg_catalog.pg_get_indexdef(x.indexrelid),
       ARRAY(SELECT a.attname::pg_catalog.text
             FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = x.indrelid
               AND (a.attnum = ANY (x.indkey::smallint[])
                    OR EXISTS (SELECT
                               FROM pg_catalog.pg_depend AS d
                               WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
                                 AND d.objid = x.indexrelid
                                 AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
                                 AND d.refobjid = x.indrelid
                                 AND d.refobjsubid = a.attnum::integer))
             ORDER BY a.attnum),
       0,
       '{}'::pg_catalog.text[],
       x.indexprs IS NULL AND x.indpred IS NULL,
       ''
FROM pg_catalog.pg_index AS x
JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
WHERE x.indexrelid >= 16384::pg_catalog.oid
  AND x.indisunique
  AND x.indislive

-- name: indexes
-- what decides whether an index serves a condition; a btree serves one on what it is sorted by first
SELECT n.nspname::pg_catalog.text,
       i.relname::pg_catalog.text,
       i.oid::bigint,
       x.indisvalid,
       CASE WHEN a.amname = 'btree' THEN pg_catalog.pg_get_indexdef(x.indexrelid, 1, false) ELSE '' END,
       ARRAY(SELECT pg_catalog.concat_ws(' ', k.atttypid, k.atttypmod, k.attcollation)
             FROM pg_catalog.pg_attribute AS k
             WHERE k.attrelid = x.indexrelid
             ORDER BY k.attnum)
FROM pg_catalog.pg_index AS x
JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = i.relnamespace
JOIN pg_catalog.pg_am AS a ON a.oid = i.relam
WHERE x.indexrelid >= 16384::pg_catalog.oid
  AND n.nspname !~ '^pg_toast'::pg_catalog.text

-- name: domains
SELECT pg_catalog.format_type(k.contypid, NULL),
       pg_catalog.array_agg(pg_catalog.pg_get_constraintdef(k.oid))
FROM pg_catalog.pg_constraint AS k
WHERE k.contypid >= 16384::pg_catalog.oid
GROUP BY k.contypid

-- name: labels
SELECT pg_catalog.format_type(e.enumtypid, NULL),
       pg_catalog.array_agg(e.enumlabel::pg_catalog.text ORDER BY e.enumsortorder)
FROM pg_catalog.pg_enum AS e
GROUP BY e.enumtypid

-- name: policies
-- the policies of tables with row level security, and the roles that they are for; 0 stands for PUBLIC
SELECT p.polrelid::bigint,
       p.polcmd::pg_catalog.text,
       ARRAY(SELECT coalesce(r.rolname::pg_catalog.text, 'public')
             FROM pg_catalog.unnest(p.polroles) AS named
             LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = named)
FROM pg_catalog.pg_policy AS p
WHERE p.polpermissive
