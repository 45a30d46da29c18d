-- name: doubts
-- Why tables are not to be trusted, and why their schema is not where it is theirs alone; no row where they are. A doubt
-- 'shared' is none, but says that others than the login and superusers can change what the tables do; nor are 'subscribed'
-- and 'unlogged', which say that rows come from another server, and that a crash empties the tables.
-- Of memberships only those count that give or lend rights (PostgreSQL 16), and none that a role gave of itself (14).
-- The flags of pg_class may say of what is there no more that it is there, never the other way round.
WITH RECURSIVE login (oid) AS (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user
    UNION
    SELECT given.roleid
    FROM login
    JOIN pg_catalog.pg_auth_members AS given ON given.member = login.oid
    WHERE given.grantor <> given.roleid
      AND coalesce(pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(given), 'inherit_option')::boolean
                   OR pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(given), 'set_option')::boolean, true)
), almighty (oid) AS (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper OR rolname = session_user
), named (oid) AS (
    SELECT oid FROM login
    UNION ALL
    SELECT oid FROM almighty
    UNION ALL
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ANY ({owners}::pg_catalog.name[])
), trusted (oid) AS (
    SELECT oid FROM named
    UNION ALL
    -- pg_database_owner has one member, which pg_auth_members does not list
    SELECT 6171::pg_catalog.oid
    FROM pg_catalog.pg_database
    WHERE datname = pg_catalog.current_database()
      AND datdba IN (SELECT oid FROM named)
), space AS MATERIALIZED (
    SELECT oid, nspowner, nspacl FROM pg_catalog.pg_namespace WHERE nspname = {space}::pg_catalog.name
), class AS MATERIALIZED (
    SELECT oid, relname, relkind, relispartition, relowner, relacl, relchecks, relhasrules, relhastriggers, relhassubclass,
           relpersistence
    FROM pg_catalog.pg_class
    WHERE relnamespace = (SELECT oid FROM space)
      AND relname = ANY ({tables}::pg_catalog.name[])
)
SELECT NULL::pg_catalog.name AS name, 'schema owner' AS doubt, pg_catalog.pg_get_userbyid(nspowner) AS role
FROM space
WHERE {own_schema}
  AND nspowner NOT IN (SELECT oid FROM trusted)
UNION ALL
SELECT NULL::pg_catalog.name, 'schema create',
       CASE WHEN granted.grantee <> 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(granted.grantee) END
FROM space, pg_catalog.aclexplode(nspacl) AS granted
WHERE {own_schema}
  AND granted.privilege_type = 'CREATE'
  AND granted.grantee NOT IN (SELECT oid FROM trusted)
UNION ALL
SELECT relname, 'kind', NULL::pg_catalog.name FROM class WHERE relkind <> 'r' OR relispartition
UNION ALL
SELECT relname, 'owner', pg_catalog.pg_get_userbyid(relowner)
FROM class
WHERE relowner NOT IN (SELECT oid FROM trusted)
UNION ALL
SELECT relname, 'rule', NULL::pg_catalog.name
FROM class
JOIN pg_catalog.pg_rewrite AS rule ON rule.ev_class = class.oid AND class.relhasrules
UNION ALL
SELECT relname, 'trigger', NULL::pg_catalog.name
FROM class
JOIN pg_catalog.pg_trigger AS trigger ON trigger.tgrelid = class.oid AND class.relhastriggers
WHERE NOT trigger.tgisinternal
UNION ALL
-- what a foreign key does to the rows of another table fires the triggers there, AFTER ones with the rights of the writer
SELECT relname, 'reference', NULL::pg_catalog.name
FROM class
JOIN pg_catalog.pg_trigger AS trigger ON trigger.tgrelid = class.oid AND class.relhastriggers
WHERE trigger.tgconstrrelid <> 0::pg_catalog.oid
  AND trigger.tgconstrrelid NOT IN (SELECT oid FROM class)
UNION ALL
SELECT relname, 'policy', NULL::pg_catalog.name
FROM class
JOIN pg_catalog.pg_policy AS policy ON policy.polrelid = class.oid
UNION ALL
SELECT relname, 'hidden', NULL::pg_catalog.name FROM class WHERE pg_catalog.row_security_active(oid)
UNION ALL
SELECT relname, 'tree', NULL::pg_catalog.name
FROM class
JOIN pg_catalog.pg_inherits AS tree ON tree.inhparent = class.oid AND class.relhassubclass
                                   OR tree.inhrelid = class.oid
UNION ALL
SELECT relname, 'column', NULL::pg_catalog.name
FROM class
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum > 0
LEFT JOIN pg_catalog.pg_type AS type
       ON type.oid = attribute.atttypid AND type.typtype = 'b' AND type.oid < 16384::pg_catalog.oid
WHERE NOT attribute.attisdropped
  AND (type.oid IS NULL OR attribute.attgenerated <> '' OR attribute.attinhcount > 0)
UNION ALL
-- a constant, now() and CURRENT_TIMESTAMP call nothing that is not PostgreSQL's own
SELECT relname, 'default', NULL::pg_catalog.name
FROM class
JOIN pg_catalog.pg_attrdef AS preset ON preset.adrelid = class.oid
WHERE NOT pg_catalog.starts_with(preset.adbin::pg_catalog.text, '{{CONST ')
  AND NOT pg_catalog.starts_with(preset.adbin::pg_catalog.text, '{{SQLVALUEFUNCTION ')
  AND NOT pg_catalog.starts_with(preset.adbin::pg_catalog.text, '{{FUNCEXPR :funcid 1299 ')
UNION ALL
SELECT relname, 'check', NULL::pg_catalog.name FROM class WHERE relchecks > 0
UNION ALL
-- under constraint_exclusion = on, whoever plans a query of a table runs what its checks call; that has a dependency where
-- it is not PostgreSQL's own
SELECT relname, 'check that calls', NULL::pg_catalog.name
FROM class
JOIN pg_catalog.pg_constraint AS con ON con.conrelid = class.oid AND con.contype = 'c'
WHERE class.relchecks > 0
  AND EXISTS (SELECT
              FROM pg_catalog.pg_depend AS called
              WHERE called.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid
                AND called.objid = con.oid
                AND called.refclassid <> 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid)
UNION ALL
SELECT relname, 'index', NULL::pg_catalog.name
FROM class
JOIN pg_catalog.pg_index AS index ON index.indrelid = class.oid
WHERE index.indexprs IS NOT NULL
   OR index.indpred IS NOT NULL
UNION ALL
-- planning any query of the table runs what these call
SELECT relname, 'statistics', NULL::pg_catalog.name
FROM class
JOIN pg_catalog.pg_statistic_ext AS statistics ON statistics.stxrelid = class.oid
WHERE statistics.stxexprs IS NOT NULL
UNION ALL
SELECT NULL::pg_catalog.name, 'shared', NULL::pg_catalog.name
FROM space
WHERE nspowner NOT IN (SELECT oid FROM almighty)
UNION ALL
SELECT relname, 'shared', NULL::pg_catalog.name FROM class WHERE relowner NOT IN (SELECT oid FROM almighty)
UNION ALL
SELECT relname, 'shared', NULL::pg_catalog.name
FROM class, pg_catalog.aclexplode(relacl) AS granted
WHERE granted.privilege_type IN ('TRIGGER', 'REFERENCES')
  AND granted.grantee NOT IN (SELECT oid FROM almighty)
UNION ALL
SELECT class.relname, 'shared', NULL::pg_catalog.name
FROM class
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid, pg_catalog.aclexplode(attribute.attacl) AS granted
WHERE granted.privilege_type = 'REFERENCES'
  AND granted.grantee NOT IN (SELECT oid FROM almighty)
UNION ALL
SELECT class.relname, 'subscribed', subscription.subname
FROM class
JOIN pg_catalog.pg_subscription_rel AS subscribed ON subscribed.srrelid = class.oid
JOIN pg_catalog.pg_subscription AS subscription ON subscription.oid = subscribed.srsubid
UNION ALL
SELECT relname, 'unlogged', NULL::pg_catalog.name FROM class WHERE relpersistence = 'u'

-- name: unchanged
-- fails (22012) where something hangs on a table of the history that runs with the rights of whoever writes it
SELECT 1 / (CASE
    WHEN (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class
          WHERE oid = ANY ({oids}) AND relkind = 'r' AND relchecks = 0) = pg_catalog.cardinality({oids})
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger
                     WHERE tgrelid = ANY ({oids})
                       AND (NOT tgisinternal
                            OR tgconstrrelid <> 0::pg_catalog.oid AND tgconstrrelid <> ALL ({oids})))
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = ANY ({oids}))
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = ANY ({oids}))
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = ANY ({oids}) OR inhrelid = ANY ({oids}))
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_index
                     WHERE indrelid = ANY ({oids}) AND (indexprs IS NOT NULL OR indpred IS NOT NULL))
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext WHERE stxrelid = ANY ({oids}) AND stxexprs IS NOT NULL)
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
                     WHERE attrelid = ANY ({oids})
                       AND (attgenerated <> '' OR attinhcount > 0 OR atttypid >= 16384::pg_catalog.oid))
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef
                     WHERE adrelid = ANY ({oids})
                       AND NOT pg_catalog.starts_with(adbin::pg_catalog.text, '{{CONST ')
                       AND NOT pg_catalog.starts_with(adbin::pg_catalog.text, '{{SQLVALUEFUNCTION ')
                       AND NOT pg_catalog.starts_with(adbin::pg_catalog.text, '{{FUNCEXPR :funcid 1299 '))
    THEN 1 ELSE 0 END)

-- name: there
-- which of these relations there are
SELECT class.relname::pg_catalog.text
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = %s
  AND class.relname = ANY (%s::pg_catalog.name[])

-- name: locked_by
-- who holds tables in one of these modes, so that nobody may read or write them; a prepared transaction stands with process id 0, and with its name as
-- the query
SELECT DISTINCT coalesce(held.pid, 0) AS pid,
       coalesce(activity.usename, prepared.owner)::pg_catalog.text AS role,
       activity.application_name AS application,
       coalesce(pg_catalog.host(activity.client_addr), 'local') AS client,
       coalesce(activity.state, 'prepared') AS state,
       extract(epoch FROM pg_catalog.statement_timestamp() - coalesce(activity.xact_start, prepared.prepared))::pg_catalog.float8
           AS transaction_seconds,
       coalesce(prepared.gid, pg_catalog.left(activity.query, 200)) AS query
FROM pg_catalog.pg_locks AS held
JOIN pg_catalog.pg_class AS class ON class.oid = held.relation
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
LEFT JOIN pg_catalog.pg_locks AS own
       ON held.pid IS NULL
      AND own.pid IS NULL
      AND own.locktype = 'transactionid'
      AND own.virtualtransaction = held.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts AS prepared ON prepared.transaction = own.transactionid
WHERE held.locktype = 'relation'
  AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND held.mode = ANY (%s::pg_catalog.text[])
  AND held.granted
  AND space.nspname = %s
  AND class.relname = ANY (%s::pg_catalog.name[])
ORDER BY pid
