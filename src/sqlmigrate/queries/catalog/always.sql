-- name: database
-- without its name: a copy has the same schema
SELECT 'database' AS kind,
       'current' AS name,
       d.tableoid AS class,
       d.oid AS object,
       0::pg_catalog.oid AS unit,
       pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text AS owner,
       coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))::pg_catalog.text[] AS acl,
       pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text AS encoding,
       d.datlocprovider::pg_catalog.text AS "locale provider", -- since 15
       d.daticulocale AS locale, -- from 15 to 16
       d.datlocale AS locale, -- since 17
       d.daticurules AS rules, -- since 16
       d.datcollate::pg_catalog.text AS collate,
       d.datctype::pg_catalog.text AS ctype,
       d.datistemplate AS template,
       NOT d.datallowconn AS "no connections",
       nullif(d.datconnlimit, -1) AS "connection limit"
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()

-- name: settings
SELECT 'database settings' AS kind,
       CASE s.setrole
           WHEN 0::pg_catalog.oid THEN 'for all roles'
           ELSE 'for role ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(s.setrole))
       END AS name,
       s.tableoid AS class,
       s.setrole AS object,
       0::pg_catalog.oid AS unit,
       s.setconfig AS settings
FROM pg_catalog.pg_db_role_setting AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
WHERE d.datname = pg_catalog.current_database()
