-- name: blockers
SELECT activity.pid,
       activity.usename::text AS role,
       activity.application_name AS application,
       coalesce(pg_catalog.host(activity.client_addr), 'local') AS client,
       activity.state,
       extract(epoch FROM pg_catalog.clock_timestamp() - activity.xact_start)::float8 AS transaction_seconds,
       pg_catalog.left(activity.query, 200) AS query
FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(%s)) AS blocking (pid)
JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = blocking.pid
ORDER BY activity.xact_start

-- name: gone
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = %s)
