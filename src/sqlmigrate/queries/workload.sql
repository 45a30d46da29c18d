-- What the target's pg_stat_statements knows, read in a transaction that writes nothing.

-- name: extension
-- where the extension is, whether this server fills it, and whether the role may read what others have sent
SELECT n.nspname::pg_catalog.text AS schema,
       e.extversion::pg_catalog.text AS version,
       pg_catalog.current_setting('pg_stat_statements.track', true) AS track,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
       current_user::pg_catalog.text AS role
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'

-- name: statements
-- `{function}` is that of the extension, in its own schema; a text that the role may not read is replaced by PostgreSQL
SELECT s.query,
       r.rolname::pg_catalog.text AS role,
       pg_catalog.sum(s.calls)::bigint AS calls,
       pg_catalog.sum(s.total_exec_time) AS total
FROM {function} AS s
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.userid
WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
GROUP BY 1, 2
ORDER BY 3 DESC, 1, 2

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

-- name: types
SELECT oid::bigint, pg_catalog.format_type(oid, NULL)
FROM pg_catalog.unnest(%s::pg_catalog.oid[]) AS oid
