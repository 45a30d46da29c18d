-- name: blockers
-- who keeps a session from its lock, and whom those wait for themselves, to the end of the chain
-- a prepared transaction has no process: it stands with process id 0, and with its name as the query
-- CREATE INDEX CONCURRENTLY waits for the snapshot of this question, too, which is in nobody's way
WITH RECURSIVE activity AS MATERIALIZED (
    SELECT pid, usename, application_name, client_addr, state, wait_event_type, xact_start, query
    FROM pg_catalog.pg_stat_activity
), edge (pid, behind) AS (
    SELECT $1::pg_catalog.int4, behind FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1::pg_catalog.int4)) AS behind
    UNION
    SELECT edge.behind, further
    FROM edge
    JOIN activity ON activity.pid = edge.behind AND coalesce(activity.wait_event_type, 'Lock') = 'Lock',
    pg_catalog.unnest(pg_catalog.pg_blocking_pids(edge.behind)) AS further
    WHERE edge.behind <> $1::pg_catalog.int4
), blocking AS (
    SELECT behind AS pid, pg_catalog.bool_or(pid = $1::pg_catalog.int4) AS direct
    FROM edge
    WHERE behind <> $1::pg_catalog.int4
      AND behind <> pg_catalog.pg_backend_pid()
    GROUP BY behind
)
SELECT activity.pid,
       activity.usename::pg_catalog.text AS role,
       activity.application_name AS application,
       coalesce(pg_catalog.host(activity.client_addr), 'local') AS client,
       activity.state,
       extract(epoch FROM pg_catalog.clock_timestamp() - activity.xact_start)::pg_catalog.float8 AS transaction_seconds,
       pg_catalog.left(activity.query, 200) AS query,
       blocking.direct,
       (SELECT pg_catalog.string_agg(edge.behind::pg_catalog.text, ' ') FROM edge WHERE edge.pid = activity.pid) AS waits_for
FROM blocking
JOIN activity ON activity.pid = blocking.pid
UNION ALL
SELECT 0, owner::pg_catalog.text, NULL, NULL, 'prepared',
       extract(epoch FROM pg_catalog.clock_timestamp() - prepared)::pg_catalog.float8, gid, direct, NULL
FROM pg_catalog.pg_prepared_xacts AS prepared
JOIN blocking ON blocking.pid = 0
WHERE EXISTS (SELECT
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
                AND awaited.pid IN (SELECT pid FROM edge WHERE behind = 0)
                AND NOT awaited.granted)
ORDER BY direct DESC, transaction_seconds DESC NULLS LAST

-- name: gone
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = %s)

-- name: at_work
-- what a session does: PostgreSQL's own report on it, or else the largest table that its statement names and changes,
-- as it was before; nothing here takes a lock on a table
WITH report AS (
    SELECT pid, command, phase, relid, blocks_done AS done, blocks_total AS total, 'blocks' AS unit,
           tuples_done AS rows_done, tuples_total AS rows_total, partitions_done AS parts_done,
           partitions_total AS parts_total, lockers_done, lockers_total
    FROM pg_catalog.pg_stat_progress_create_index
    UNION ALL
    SELECT pid, 'VACUUM', phase, relid,
           CASE phase WHEN 'scanning heap' THEN heap_blks_scanned WHEN 'vacuuming heap' THEN heap_blks_vacuumed END,
           CASE WHEN phase IN ('scanning heap', 'vacuuming heap') THEN heap_blks_total END, 'blocks',
           NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint
    FROM pg_catalog.pg_stat_progress_vacuum
    UNION ALL
    SELECT pid, command, phase, relid,
           CASE phase WHEN 'seq scanning heap' THEN heap_blks_scanned END,
           CASE phase WHEN 'seq scanning heap' THEN heap_blks_total END, 'blocks',
           CASE phase WHEN 'writing new heap' THEN heap_tuples_written ELSE heap_tuples_scanned END,
           CASE phase WHEN 'writing new heap' THEN heap_tuples_scanned END,
           NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint
    FROM pg_catalog.pg_stat_progress_cluster
    UNION ALL
    SELECT pid, 'ANALYZE', phase, relid, sample_blks_scanned, sample_blks_total, 'blocks',
           NULL::bigint, NULL::bigint, child_tables_done, child_tables_total, NULL::bigint, NULL::bigint
    FROM pg_catalog.pg_stat_progress_analyze
    UNION ALL
    SELECT pid, command, 'copying', relid, bytes_processed, bytes_total, 'bytes',
           tuples_processed, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint
    FROM pg_catalog.pg_stat_progress_copy
)
SELECT extract(epoch FROM pg_catalog.clock_timestamp() - activity.query_start)::pg_catalog.float8 AS seconds,
       activity.wait_event_type,
       activity.wait_event,
       report.command,
       report.phase,
       coalesce(nullif(report.relid, 0::pg_catalog.oid)::pg_catalog.regclass::pg_catalog.text, scale.relation),
       report.done,
       report.total,
       report.unit,
       report.rows_done,
       report.rows_total,
       report.parts_done,
       report.parts_total,
       report.lockers_done,
       report.lockers_total,
       scale.rows,
       scale.size,
       activity.query
FROM pg_catalog.pg_stat_activity AS activity
LEFT JOIN report ON report.pid = activity.pid
LEFT JOIN LATERAL (
    SELECT held.relname::pg_catalog.text AS relation,
           held.reltuples::bigint AS rows,
           held.relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS size
    FROM pg_catalog.pg_locks AS lock
    JOIN pg_catalog.pg_class AS held ON held.oid = lock.relation
    WHERE report.pid IS NULL
      AND lock.pid = activity.pid
      AND lock.locktype = 'relation'
      AND lock.granted
      AND lock.mode NOT IN ('AccessShareLock', 'RowShareLock')
      AND held.relpages > 0
      AND held.relkind::pg_catalog.text IN ('r', 'm')
      AND pg_catalog.strpos(pg_catalog.lower(activity.query), pg_catalog.lower(held.relname::pg_catalog.text)) > 0
    ORDER BY held.relpages DESC
    LIMIT 1
) AS scale ON true
WHERE activity.pid = $1::pg_catalog.int4

-- name: waiters
-- sessions that wait for a lock which conflicts with one that a session holds, or waits for before them
WITH ours AS (
    SELECT locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid, mode, granted, waitstart
    FROM pg_catalog.pg_locks
    WHERE pid = $1::pg_catalog.int4
)
SELECT DISTINCT ON (waiting.pid)
       waiting.pid,
       waiting.mode AS wanted,
       ours.mode AS held,
       waiting.relation::pg_catalog.regclass::pg_catalog.text AS relation,
       coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - waiting.waitstart), 0)::pg_catalog.float8 AS seconds,
       CASE WHEN ours.granted THEN 1 ELSE 0 END AS granted
FROM pg_catalog.pg_locks AS waiting
JOIN ours ON ours.locktype = waiting.locktype
         AND (ours.database, ours.relation, ours.page, ours.tuple, ours.virtualxid, ours.transactionid, ours.classid,
              ours.objid, ours.objsubid)
             IS NOT DISTINCT FROM
             (waiting.database, waiting.relation, waiting.page, waiting.tuple, waiting.virtualxid,
              waiting.transactionid, waiting.classid, waiting.objid, waiting.objsubid)
WHERE NOT waiting.granted
  AND waiting.pid <> $1::pg_catalog.int4
  AND (ours.granted OR ours.waitstart <= waiting.waitstart)
  AND CASE waiting.mode
          WHEN 'AccessShareLock' THEN ours.mode = 'AccessExclusiveLock'
          WHEN 'RowShareLock' THEN ours.mode IN ('ExclusiveLock', 'AccessExclusiveLock')
          WHEN 'RowExclusiveLock' THEN
              ours.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
          WHEN 'ShareUpdateExclusiveLock' THEN
              ours.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
          WHEN 'ShareLock' THEN ours.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareLock')
          WHEN 'ShareRowExclusiveLock' THEN ours.mode NOT IN ('AccessShareLock', 'RowShareLock')
          WHEN 'ExclusiveLock' THEN ours.mode <> 'AccessShareLock'
          ELSE true
      END
ORDER BY waiting.pid, waiting.waitstart

-- name: cancel
SELECT pg_catalog.pg_cancel_backend($1::pg_catalog.int4)

-- name: end
SELECT pg_catalog.pg_terminate_backend($1::pg_catalog.int4)

-- name: standbys
-- how much of what is on this server's disk standbys have not replayed; rows without a state are hidden from this role
SELECT walsender.pid,
       walsender.application_name,
       coalesce(pg_catalog.host(walsender.client_addr), 'local') AS client,
       walsender.state,
       extract(epoch FROM walsender.replay_lag)::pg_catalog.float8 AS seconds,
       pg_catalog.pg_wal_lsn_diff(walsender.replay_lsn, '0/0'::pg_catalog.pg_lsn)::bigint AS replayed,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0'::pg_catalog.pg_lsn)::bigint AS written
FROM pg_catalog.pg_stat_replication AS walsender
LEFT JOIN pg_catalog.pg_replication_slots AS slot ON slot.active_pid = walsender.pid
WHERE slot.slot_type IS DISTINCT FROM 'logical'
  AND coalesce(walsender.state, 'streaming') IN ('streaming', 'catchup')
ORDER BY walsender.pid
