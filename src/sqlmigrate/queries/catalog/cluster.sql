-- name: roles
SELECT 'role' AS kind,
       pg_catalog.quote_ident(r.rolname) AS name,
       'pg_catalog.pg_authid'::pg_catalog.regclass::pg_catalog.oid AS class,
       r.oid AS object,
       0::pg_catalog.oid AS unit,
       r.rolsuper AS superuser,
       r.rolinherit AS inherit,
       r.rolcreaterole AS createrole,
       r.rolcreatedb AS createdb,
       r.rolcanlogin AS login,
       r.rolreplication AS replication,
       r.rolbypassrls AS bypassrls,
       nullif(r.rolconnlimit, -1) AS "connection limit",
       r.rolvaliduntil::pg_catalog.text AS "valid until",
       r.rolconfig AS settings
FROM pg_catalog.pg_roles AS r
WHERE r.rolname !~ '^pg_'::pg_catalog.text

-- name: memberships
SELECT 'membership' AS kind,
       pg_catalog.quote_ident(member.rolname) || ' in role ' || pg_catalog.quote_ident(role.rolname)
           || ' by ' || coalesce(pg_catalog.quote_ident(grantor.rolname), 'a dropped role') AS name,
       m.tableoid AS class,
       m.roleid AS object,
       0::pg_catalog.oid AS unit,
       m.inherit_option AS inherit, -- since 16
       m.set_option AS set, -- since 16
       m.admin_option AS admin
FROM pg_catalog.pg_auth_members AS m
JOIN pg_catalog.pg_roles AS role ON role.oid = m.roleid
JOIN pg_catalog.pg_roles AS member ON member.oid = m.member
LEFT JOIN pg_catalog.pg_roles AS grantor ON grantor.oid = m.grantor

-- name: tablespaces
SELECT 'tablespace' AS kind,
       pg_catalog.quote_ident(t.spcname) AS name,
       t.tableoid AS class,
       t.oid AS object,
       0::pg_catalog.oid AS unit,
       pg_catalog.pg_get_userbyid(t.spcowner)::pg_catalog.text AS owner,
       coalesce(t.spcacl, pg_catalog.acldefault('t', t.spcowner))::pg_catalog.text[] AS acl,
       t.spcoptions AS options
FROM pg_catalog.pg_tablespace AS t
WHERE t.oid >= 16384::pg_catalog.oid

-- name: parameters
SELECT 'parameter' AS kind, -- since 15
       pg_catalog.quote_ident(p.parname) AS name, -- since 15
       p.tableoid AS class, -- since 15
       p.oid AS object, -- since 15
       0::pg_catalog.oid AS unit, -- since 15
       p.paracl::pg_catalog.text[] AS acl -- since 15
FROM pg_catalog.pg_parameter_acl AS p -- since 15
