-- name: facts
SELECT pg_catalog.current_setting('server_version_num')::integer / 10000 AS major,
       pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) AS version,
       pg_catalog.current_database()::pg_catalog.text AS database,
       pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text AS owner,
       r.rolname::pg_catalog.text AS login,
       r.rolsuper AS superuser,
       r.rolcreatedb AS creates_databases,
       r.rolcreaterole AS creates_roles,
       pg_catalog.pg_postmaster_start_time() AS started,
       ARRAY (
            SELECT m.rolname::pg_catalog.text
              FROM pg_catalog.pg_roles AS m
             WHERE m.oid <> r.oid
               AND m.rolname <> 'pg_database_owner'
               AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')
       ) AS member_of
  FROM pg_catalog.pg_database AS d
 CROSS JOIN pg_catalog.pg_roles AS r
 WHERE d.datname = pg_catalog.current_database()
   AND r.rolname = session_user

-- name: identifiable
SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')

-- name: identifier
SELECT system_identifier FROM pg_catalog.pg_control_system()

-- name: run
-- who holds the databases of a run: its own session, by its process and the microsecond in which that began
SELECT pg_catalog.concat(pid, '_', (1000000::numeric * extract(epoch FROM backend_start))::bigint)
  FROM pg_catalog.pg_stat_activity
 WHERE pid = pg_catalog.pg_backend_pid()

-- name: leftovers
-- Databases of runs that are surely gone. Of sessions of other roles one sees the process, but not when it began: such
-- a database stays. What we may not drop is none of ours.
SELECT d.datname::pg_catalog.text
  FROM pg_catalog.pg_database AS d
 CROSS JOIN LATERAL pg_catalog.regexp_match(d.datname::pg_catalog.text, %(pattern)s) AS run (part)
 WHERE part IS NOT NULL
   AND pg_catalog.pg_has_role(d.datdba, 'USAGE')
   AND NOT EXISTS (
        SELECT
          FROM pg_catalog.pg_stat_activity AS a
         WHERE a.datid = d.oid
            OR a.pid = part[1]::bigint
           AND (a.backend_start IS NULL OR (1000000::numeric * extract(epoch FROM a.backend_start))::bigint = part[2]::bigint)
       )

-- name: sessions
-- autovacuum's workers have no user, and CREATE DATABASE ends them by itself
SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE datname = %(name)s AND usesysid IS NOT NULL

-- name: roles
SELECT r.rolname::pg_catalog.text FROM pg_catalog.pg_roles AS r WHERE r.rolname = ANY (%(names)s)

-- name: tablespaces
SELECT t.spcname::pg_catalog.text FROM pg_catalog.pg_tablespace AS t WHERE t.spcname = ANY (%(names)s)

-- name: granted
SELECT r.rolname::pg_catalog.text FROM pg_catalog.pg_roles AS r WHERE r.rolname = ANY (%(names)s) AND NOT r.rolsuper

-- name: extensions
SELECT e.name::pg_catalog.text FROM pg_catalog.pg_available_extensions AS e WHERE e.name = ANY (%(names)s)

-- name: prepared
SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()

-- name: subscriptions
SELECT s.subname::pg_catalog.text
  FROM pg_catalog.pg_subscription AS s
  JOIN pg_catalog.pg_database AS d
    ON d.oid = s.subdbid
 WHERE d.datname = pg_catalog.current_database()

-- name: carry
-- What CREATE DATABASE does not take over from the template and a copy needs all the same: settings, rights, comment.
-- Written into the catalogs since the superuser of a private server may, and since it is all the same afterwards.
WITH old AS (
    SELECT oid, datacl FROM pg_catalog.pg_database WHERE datname = %(template)s
), new AS (
    SELECT oid FROM pg_catalog.pg_database WHERE datname = %(name)s
), settings AS (
    INSERT INTO pg_catalog.pg_db_role_setting (setdatabase, setrole, setconfig)
    SELECT new.oid, s.setrole, s.setconfig
      FROM pg_catalog.pg_db_role_setting AS s
      JOIN old
        ON old.oid = s.setdatabase
     CROSS JOIN new
), comments AS (
    INSERT INTO pg_catalog.pg_shdescription (objoid, classoid, description)
    SELECT new.oid, s.classoid, s.description
      FROM pg_catalog.pg_shdescription AS s
      JOIN old
        ON old.oid = s.objoid
       AND s.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass::pg_catalog.oid
     CROSS JOIN new
), holders AS (
    INSERT INTO pg_catalog.pg_shdepend (dbid, classid, objid, objsubid, refclassid, refobjid, deptype)
    SELECT s.dbid, s.classid, new.oid, s.objsubid, s.refclassid, s.refobjid, s.deptype
      FROM pg_catalog.pg_shdepend AS s
      JOIN old
        ON old.oid = s.objid
       AND s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass::pg_catalog.oid
       AND s.deptype = 'a'
     CROSS JOIN new
)
UPDATE pg_catalog.pg_database AS d
   SET datacl = old.datacl
  FROM old
 WHERE d.datname = %(name)s
   AND old.datacl IS NOT NULL

-- name: let_go
-- forget what all other databases than one hold by roles, so that these can be dropped
DELETE FROM pg_catalog.pg_shdepend AS s
 USING pg_catalog.pg_database AS d
 WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass::pg_catalog.oid
   AND d.oid = CASE WHEN s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass::pg_catalog.oid THEN s.objid ELSE s.dbid END
   AND d.datname <> %(name)s
RETURNING s.dbid, s.classid, s.objid, s.objsubid, s.refclassid, s.refobjid, s.deptype::pg_catalog.text

-- name: hold_again
INSERT INTO pg_catalog.pg_shdepend (dbid, classid, objid, objsubid, refclassid, refobjid, deptype)
SELECT %s, %s, %s, %s, %s, r.oid, %s::pg_catalog."char"
  FROM pg_catalog.pg_authid AS r
 WHERE r.oid = %s
