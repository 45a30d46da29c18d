-- name: not_to_read
-- the commands that leave others than the owner nothing but to read some tables and the sequences of their columns
SELECT pg_catalog.format('REVOKE %s ON %s %I.%I FROM %s', granted.privilege_type,
                         CASE WHEN class.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, space.nspname, class.relname,
                         CASE WHEN granted.grantee = 0::pg_catalog.oid THEN 'PUBLIC'
                              ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(granted.grantee)::pg_catalog.text) END)
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
CROSS JOIN LATERAL pg_catalog.aclexplode(class.relacl) AS granted
WHERE space.nspname = {space}::pg_catalog.name
  AND (class.relkind = 'r' AND class.relname = ANY ({tables}::pg_catalog.name[])
       OR class.relkind = 'S' AND EXISTS (
           SELECT
           FROM pg_catalog.pg_depend AS owned
           JOIN pg_catalog.pg_class AS owner ON owner.oid = owned.refobjid
           WHERE owned.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
             AND owned.objid = class.oid
             AND owned.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
             AND owned.deptype IN ('a', 'i')
             AND owner.relnamespace = space.oid
             AND owner.relname = ANY ({tables}::pg_catalog.name[])))
  AND granted.grantee <> class.relowner
  AND granted.privilege_type <> 'SELECT'

-- name: create_in_schema
-- the commands that leave nobody but its owner the right to create something in a schema
SELECT pg_catalog.format('REVOKE CREATE ON SCHEMA %I FROM %s', space.nspname,
                         CASE WHEN granted.grantee = 0::pg_catalog.oid THEN 'PUBLIC'
                              ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(granted.grantee)::pg_catalog.text) END)
FROM pg_catalog.pg_namespace AS space
CROSS JOIN LATERAL pg_catalog.aclexplode(space.nspacl) AS granted
WHERE space.nspname = {space}::pg_catalog.name
  AND granted.grantee <> space.nspowner
  AND granted.privilege_type = 'CREATE'

-- name: as_the_log
-- the commands that give a table to whom the log belongs to, and let those read and write it who may do that to the log
SELECT command
FROM (
    SELECT 1 AS step,
           pg_catalog.format('GRANT %s ON %I.%I TO %s', granted.privilege_type, space.nspname, {name}::pg_catalog.text,
                             CASE WHEN granted.grantee = 0::pg_catalog.oid THEN 'PUBLIC'
                                  ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(granted.grantee)::pg_catalog.text) END) AS command
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(class.relacl) AS granted
    WHERE space.nspname = {space}::pg_catalog.name
      AND class.relname = 'log'
      AND granted.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
      AND granted.grantee <> class.relowner
    UNION ALL
    SELECT 2,
           pg_catalog.format('ALTER TABLE %I.%I OWNER TO %I', space.nspname, {name}::pg_catalog.text,
                             pg_catalog.pg_get_userbyid(class.relowner))
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    WHERE space.nspname = {space}::pg_catalog.name
      AND class.relname = 'log'
      AND pg_catalog.pg_get_userbyid(class.relowner) <> current_user
) AS found
ORDER BY step
