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
WHERE r.rolname <> 'sqlmigrate_tester'::pg_catalog.name -- a shadow's own

-- name: role_settings
SELECT 'role settings' AS kind,
       'for all roles' AS name,
       s.tableoid AS class,
       0::pg_catalog.oid AS object,
       0::pg_catalog.oid AS unit,
       s.setconfig AS settings
FROM pg_catalog.pg_db_role_setting AS s
WHERE s.setdatabase = 0::pg_catalog.oid
  AND s.setrole = 0::pg_catalog.oid

-- name: databases
-- the others of the cluster, but for those of a shadow
SELECT 'other database' AS kind,
       pg_catalog.quote_ident(d.datname) AS name,
       d.tableoid AS class,
       d.oid AS object,
       0::pg_catalog.oid AS unit,
       pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text AS owner,
       coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))::pg_catalog.text[] AS acl,
       d.datistemplate AS template,
       NOT d.datallowconn AS "no connections",
       nullif(d.datconnlimit, -1) AS "connection limit",
       ARRAY(SELECT pg_catalog.concat_ws(' ', CASE WHEN s.setrole <> 0::pg_catalog.oid THEN s.setrole::pg_catalog.regrole END,
                                         setting)
             FROM pg_catalog.pg_db_role_setting AS s
             CROSS JOIN pg_catalog.unnest(s.setconfig) AS setting
             WHERE s.setdatabase = d.oid) AS settings
FROM pg_catalog.pg_database AS d
WHERE d.datname <> pg_catalog.current_database()
  AND d.datname !~ '^sqlmigrate_shadow_'::pg_catalog.text

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
WHERE member.rolname <> 'sqlmigrate_tester'::pg_catalog.name

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

-- name: parameters
SELECT 'parameter' AS kind, -- since 15
       pg_catalog.quote_ident(p.parname) AS name, -- since 15
       p.tableoid AS class, -- since 15
       p.oid AS object, -- since 15
       0::pg_catalog.oid AS unit, -- since 15
       p.paracl::pg_catalog.text[] AS acl -- since 15
FROM pg_catalog.pg_parameter_acl AS p -- since 15

-- name: digest
-- another number as soon as anything of this changes; the databases and the tester of a shadow come and go
SELECT coalesce(pg_catalog.sum(pg_catalog.hashtextextended(item, 0)::numeric), 0)
FROM (
    SELECT ROW(r.*)::pg_catalog.text FROM pg_catalog.pg_roles AS r WHERE r.rolname <> 'sqlmigrate_tester'::pg_catalog.name
    UNION ALL
    SELECT ROW(m.*)::pg_catalog.text
    FROM pg_catalog.pg_auth_members AS m
    JOIN pg_catalog.pg_roles AS member ON member.oid = m.member
    WHERE member.rolname <> 'sqlmigrate_tester'::pg_catalog.name
    UNION ALL
    SELECT ROW(s.*)::pg_catalog.text FROM pg_catalog.pg_db_role_setting AS s WHERE s.setdatabase = 0::pg_catalog.oid
    UNION ALL
    SELECT ROW(d.datname, d.datdba, d.datacl, d.datistemplate, d.datallowconn, d.datconnlimit, s.setrole, s.setconfig)::pg_catalog.text
    FROM pg_catalog.pg_database AS d
    LEFT JOIN pg_catalog.pg_db_role_setting AS s ON s.setdatabase = d.oid
    WHERE d.datname <> pg_catalog.current_database()
      AND d.datname !~ '^sqlmigrate_shadow_'::pg_catalog.text
    UNION ALL
    SELECT ROW(t.*)::pg_catalog.text FROM pg_catalog.pg_tablespace AS t
    UNION ALL -- since 15
    SELECT ROW(p.*)::pg_catalog.text FROM pg_catalog.pg_parameter_acl AS p -- since 15
    UNION ALL
    SELECT ROW(c.*)::pg_catalog.text
    FROM pg_catalog.pg_shdescription AS c
    WHERE c.classoid <> 'pg_catalog.pg_database'::pg_catalog.regclass::pg_catalog.oid
) AS found (item)
