-- name: blockers
-- a prepared transaction has no process: it stands with process id 0, and with its name as the query
WITH blocking AS (
    SELECT DISTINCT pid FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1::pg_catalog.int4)) AS pid
)
SELECT activity.pid,
       activity.usename::pg_catalog.text AS role,
       activity.application_name AS application,
       coalesce(pg_catalog.host(activity.client_addr), 'local') AS client,
       activity.state,
       extract(epoch FROM pg_catalog.clock_timestamp() - activity.xact_start)::pg_catalog.float8 AS transaction_seconds,
       pg_catalog.left(activity.query, 200) AS query
FROM blocking
JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
UNION ALL
SELECT 0, owner::pg_catalog.text, NULL, NULL, 'prepared', extract(epoch FROM pg_catalog.clock_timestamp() - prepared)::pg_catalog.float8, gid
FROM pg_catalog.pg_prepared_xacts AS prepared
WHERE 0 IN (SELECT pid FROM blocking)
  AND EXISTS (SELECT
              FROM pg_catalog.pg_locks AS own
              JOIN pg_catalog.pg_locks AS held USING (virtualtransaction)
              JOIN pg_catalog.pg_locks AS awaited
                ON awaited.locktype = held.locktype
               AND (awaited.database, awaited.relation, awaited.transactionid, awaited.classid, awaited.objid)
                   IS NOT DISTINCT FROM
                   (held.database, held.relation, held.transactionid, held.classid, held.objid)
              WHERE own.pid IS NULL
                AND own.locktype = 'transactionid'
                AND own.transactionid = prepared.transaction
                AND held.pid IS NULL
                AND awaited.pid = $1::pg_catalog.int4
                AND NOT awaited.granted)
ORDER BY transaction_seconds DESC NULLS LAST

-- name: gone
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = %s)
