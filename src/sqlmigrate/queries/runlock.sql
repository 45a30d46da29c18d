-- name: try
SELECT pg_catalog.pg_try_advisory_lock(%s), pg_catalog.pg_backend_pid()

-- name: holder
-- a prepared transaction keeps the lock without a session: it stands with process id 0, and with its name as application
SELECT activity.pid,
       activity.usename::pg_catalog.text AS role,
       activity.application_name AS application,
       coalesce(activity.client_hostname, pg_catalog.host(activity.client_addr), 'local') AS client,
       activity.backend_start AS since,
       extract(epoch FROM pg_catalog.clock_timestamp() - activity.backend_start)::pg_catalog.float8 AS seconds
FROM pg_catalog.pg_locks AS held
JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
WHERE held.locktype = 'advisory'
  AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND held.classid::bigint = %(high)s
  AND held.objid::bigint = %(low)s
  AND held.objsubid = 1
  AND held.granted
UNION ALL
SELECT 0, prepared.owner::pg_catalog.text, prepared.gid, NULL, prepared.prepared,
       extract(epoch FROM pg_catalog.clock_timestamp() - prepared.prepared)::pg_catalog.float8
FROM pg_catalog.pg_prepared_xacts AS prepared
JOIN pg_catalog.pg_locks AS own
  ON own.locktype = 'transactionid' AND own.transactionid = prepared.transaction AND own.pid IS NULL
JOIN pg_catalog.pg_locks AS held ON held.virtualtransaction = own.virtualtransaction AND held.pid IS NULL
WHERE held.locktype = 'advisory'
  AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND held.classid::bigint = %(high)s
  AND held.objid::bigint = %(low)s
  AND held.objsubid = 1
LIMIT 1

-- name: is_held
SELECT EXISTS (SELECT
               FROM pg_catalog.pg_locks
               WHERE locktype = 'advisory'
                 AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
                 AND classid::bigint = %(high)s
                 AND objid::bigint = %(low)s
                 AND objsubid = 1
                 AND granted
                 AND pid = %(pid)s)

-- name: workers
-- sessions of this database that run a script, and whether a run holds the lock; anybody can take its name and the key of
-- the lock, but not anybody is, or can become, a role that may write our tables
WITH writer AS MATERIALIZED (
    SELECT activity.*
    FROM pg_catalog.pg_stat_activity AS activity
    JOIN pg_catalog.pg_class AS class ON class.relname = '_yoyo_migration'
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    WHERE space.nspname = %(schema)s::pg_catalog.name
      AND activity.datname = pg_catalog.current_database()
      AND pg_catalog.starts_with(activity.application_name, 'sqlmigrate: ')
      AND EXISTS (SELECT
                  FROM pg_catalog.pg_roles AS may
                  WHERE pg_catalog.pg_has_role(activity.usesysid, may.oid, 'MEMBER')
                    AND pg_catalog.has_table_privilege(may.oid, class.oid, 'INSERT'))
)
SELECT activity.pid,
       activity.usename::pg_catalog.text AS role,
       activity.application_name AS application,
       coalesce(activity.client_hostname, pg_catalog.host(activity.client_addr), 'local') AS client,
       activity.state,
       EXISTS (SELECT
               FROM pg_catalog.pg_locks AS held
               JOIN writer AS runs ON runs.pid = held.pid
               WHERE held.locktype = 'advisory'
                 AND held.database = activity.datid
                 AND held.classid::bigint = %(high)s
                 AND held.objid::bigint = %(low)s
                 AND held.objsubid = 1
                 AND held.granted) AS locked
FROM writer AS activity
WHERE activity.application_name <> 'sqlmigrate: run lock'
  AND activity.pid <> pg_catalog.pg_backend_pid()
ORDER BY activity.backend_start
