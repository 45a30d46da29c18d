-- name: roles
SELECT r.rolname::pg_catalog.text AS name,
       r.rolsuper AS superuser,
       r.rolcreatedb AS creates_databases,
       r.rolcreaterole AS creates_roles,
       ARRAY (
            SELECT m.rolname::pg_catalog.text
              FROM pg_catalog.pg_roles AS m
             WHERE m.oid <> r.oid
               AND m.rolname <> 'pg_database_owner'
               AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')
       ) AS member_of
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname = ANY (%(names)s)

-- name: usable
-- those that this session may act as
SELECT r.rolname::pg_catalog.text
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname = ANY (%(names)s)
   AND pg_catalog.pg_has_role(r.oid, 'MEMBER')

-- name: supabase
SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'supabase_admin')
   AND (SELECT pg_catalog.count(*) = 2 FROM pg_catalog.pg_namespace WHERE nspname IN ('auth', 'storage'))

-- name: default_privileges
-- an entry without a schema replaces the built-in rights, one in a schema adds to them
SELECT pg_catalog.pg_get_userbyid(d.defaclrole)::pg_catalog.text AS role,
       n.nspname::pg_catalog.text AS schema,
       d.defaclobjtype::pg_catalog.text AS type,
       given.items,
       CASE WHEN d.defaclnamespace = 0::pg_catalog.oid THEN built_in.items ELSE '[]' END AS built_in
  FROM pg_catalog.pg_default_acl AS d
  LEFT JOIN pg_catalog.pg_namespace AS n
    ON n.oid = d.defaclnamespace
 CROSS JOIN LATERAL (
        SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                   pg_catalog.pg_get_userbyid(nullif(a.grantee, 0::pg_catalog.oid)), a.privilege_type, a.is_grantable)), '[]') AS items
          FROM pg_catalog.aclexplode(d.defaclacl) AS a
       ) AS given
 CROSS JOIN LATERAL (
        SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                   pg_catalog.pg_get_userbyid(nullif(a.grantee, 0::pg_catalog.oid)), a.privilege_type, a.is_grantable)), '[]') AS items
          FROM pg_catalog.aclexplode(pg_catalog.acldefault(
                   CASE d.defaclobjtype WHEN 'S' THEN 's'::pg_catalog."char" ELSE d.defaclobjtype END, d.defaclrole)) AS a
       ) AS built_in
