-- name: doubts
-- why tables are not to be believed, and why their schema is not where it is theirs alone; no row where they are.
-- Of memberships only those count that give or lend rights (PostgreSQL 16), and none that a role gave of itself (14).
WITH RECURSIVE login (oid) AS (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user
    UNION
    SELECT given.roleid
    FROM login
    JOIN pg_catalog.pg_auth_members AS given ON given.member = login.oid
    WHERE given.grantor <> given.roleid
      AND coalesce(pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(given), 'inherit_option')::boolean
                   OR pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(given), 'set_option')::boolean, true)
), named (oid) AS (
    SELECT oid FROM login
    UNION
    SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper OR rolname = ANY ({owners}::pg_catalog.name[])
), trusted (oid) AS (
    SELECT oid FROM named
    UNION ALL
    -- pg_database_owner has one member, which pg_auth_members does not list
    SELECT 6171::pg_catalog.oid
    FROM pg_catalog.pg_database
    WHERE datname = pg_catalog.current_database()
      AND datdba IN (SELECT oid FROM named)
), space AS (
    SELECT oid, nspowner, nspacl FROM pg_catalog.pg_namespace WHERE nspname = {space}::pg_catalog.name
)
SELECT NULL::pg_catalog.name AS name,
       'schema owner' AS doubt,
       pg_catalog.pg_get_userbyid(space.nspowner) AS role
FROM space
WHERE {alone}
  AND space.nspowner NOT IN (SELECT oid FROM trusted)
UNION ALL
SELECT NULL::pg_catalog.name,
       'schema create',
       CASE WHEN granted.grantee <> 0::pg_catalog.oid THEN pg_catalog.pg_get_userbyid(granted.grantee) END
FROM space, pg_catalog.aclexplode(space.nspacl) AS granted
WHERE {alone}
  AND granted.privilege_type = 'CREATE'
  AND granted.grantee NOT IN (SELECT oid FROM trusted)
UNION ALL
SELECT found.name, found.doubt, found.role
FROM (SELECT class.relname AS name,
             pg_catalog.pg_get_userbyid(class.relowner) AS role,
             CASE WHEN class.relkind <> 'r' OR class.relispartition THEN 'kind'
                  WHEN class.relowner NOT IN (SELECT oid FROM trusted) THEN 'owner'
                  WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits AS tree
                               WHERE tree.inhparent = class.oid OR tree.inhrelid = class.oid) THEN 'tree'
                  WHEN EXISTS (SELECT FROM pg_catalog.pg_rewrite AS rule WHERE rule.ev_class = class.oid) THEN 'rule'
                  WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger AS trigger
                               WHERE trigger.tgrelid = class.oid AND NOT trigger.tgisinternal) THEN 'trigger'
                  WHEN EXISTS (SELECT FROM pg_catalog.pg_policy AS policy WHERE policy.polrelid = class.oid)
                       THEN 'policy'
                  WHEN pg_catalog.row_security_active(class.oid) THEN 'hidden'
                  WHEN EXISTS (SELECT
                               FROM pg_catalog.pg_attribute AS attribute
                               JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
                               WHERE attribute.attrelid = class.oid
                                 AND attribute.attnum > 0
                                 AND (attribute.attgenerated <> ''
                                      OR type.typtype <> 'b'
                                      OR type.oid >= 16384::pg_catalog.oid)) THEN 'column'
                  -- a constant, now() and CURRENT_TIMESTAMP call nothing that is not PostgreSQL's own
                  WHEN EXISTS (SELECT
                               FROM pg_catalog.pg_attrdef AS preset
                               WHERE preset.adrelid = class.oid
                                 AND NOT pg_catalog.starts_with(preset.adbin::pg_catalog.text, '{{CONST ')
                                 AND NOT pg_catalog.starts_with(preset.adbin::pg_catalog.text, '{{SQLVALUEFUNCTION ')
                                 AND NOT pg_catalog.starts_with(preset.adbin::pg_catalog.text,
                                                                '{{FUNCEXPR :funcid 1299 ')) THEN 'default'
                  WHEN EXISTS (SELECT FROM pg_catalog.pg_constraint AS rule
                               WHERE rule.conrelid = class.oid AND rule.contype = 'c') THEN 'check'
                  WHEN EXISTS (SELECT FROM pg_catalog.pg_index AS index
                               WHERE index.indrelid = class.oid
                                 AND (index.indexprs IS NOT NULL OR index.indpred IS NOT NULL)) THEN 'index'
             END AS doubt
      FROM space
      JOIN pg_catalog.pg_class AS class ON class.relnamespace = space.oid
      WHERE class.relname = ANY ({tables}::pg_catalog.name[])) AS found
WHERE found.doubt IS NOT NULL

-- name: there
-- which of these relations there are
SELECT class.relname::text
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = %s
  AND class.relname = ANY (%s::pg_catalog.name[])
