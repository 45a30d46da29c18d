-- name: facts
SELECT pg_catalog.current_setting('server_version_num')::integer / 10000 AS major,
       pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) AS version,
       pg_catalog.current_database()::pg_catalog.text AS database,
       pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text AS owner,
       r.rolname::pg_catalog.text AS login,
       r.rolsuper AS superuser,
       r.rolcreatedb AS creates_databases,
       r.rolcreaterole AS creates_roles,
       (1000000::numeric * extract(epoch FROM pg_catalog.pg_postmaster_start_time()))::bigint AS started,
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

-- name: role_names
SELECT oid::pg_catalog.text, rolname::pg_catalog.text FROM pg_catalog.pg_roles

-- name: unbound
SELECT rolname::pg_catalog.text FROM pg_catalog.pg_roles WHERE rolsuper OR rolbypassrls

-- name: settings
-- What a login finds in a new session: what RESET goes back to. Of another login than ours, its own settings count and
-- not ours; what the server says beneath ours cannot be seen then. Of settings that no server knows, only those count
-- that are for this database or this login.
WITH here AS (
    SELECT d.oid,
           pg_catalog.to_jsonb(d) AS tuple,
           pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text AS encoding
      FROM pg_catalog.pg_database AS d
     WHERE d.datname = pg_catalog.current_database()
), said AS (
    SELECT r.rolname = session_user AS ours,
           r.rolname = coalesce(%(login)s::pg_catalog.name, session_user) AS asked,
           pg_catalog.lower(pg_catalog.split_part(e.entry, '=', 1)) AS name,
           pg_catalog.substr(e.entry, pg_catalog.strpos(e.entry, '=') + 1) AS value,
           s.setrole <> 0::pg_catalog.oid AS for_role,
           s.setdatabase <> 0::pg_catalog.oid AS for_database
      FROM here
     CROSS JOIN pg_catalog.pg_roles AS r
      JOIN pg_catalog.pg_db_role_setting AS s
        ON s.setdatabase IN (0::pg_catalog.oid, here.oid)
       AND s.setrole IN (0::pg_catalog.oid, r.oid)
     CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS e (entry)
     WHERE r.rolname IN (session_user, %(login)s::pg_catalog.name)
), ours AS (
    SELECT DISTINCT ON (name) name, value FROM said WHERE ours ORDER BY name, for_role DESC, for_database DESC
), theirs AS (
    SELECT DISTINCT ON (name) name, value FROM said WHERE asked ORDER BY name, for_role DESC, for_database DESC
), known AS (
    SELECT pg_catalog.lower(s.name) AS name,
           CASE
               -- the connection itself may say something else
               WHEN %(login)s::pg_catalog.name IS NULL OR o.value <> s.reset_val THEN s.reset_val
               ELSE coalesce(t.value, CASE WHEN o.value IS NULL THEN s.reset_val ELSE s.boot_val END)
           END AS value
      FROM pg_catalog.pg_settings AS s
      LEFT JOIN ours AS o
        ON o.name = pg_catalog.lower(s.name)
      LEFT JOIN theirs AS t
        ON t.name = pg_catalog.lower(s.name)
     WHERE pg_catalog.lower(s.name) = ANY (%(names)s)
)
SELECT coalesce((SELECT pg_catalog.jsonb_object_agg(k.name, k.value) FROM known AS k), '{}'),
       coalesce((
            SELECT pg_catalog.jsonb_object_agg(o.name, o.value)
              FROM theirs AS o
             WHERE pg_catalog.strpos(o.name, '.') > 0
       ), '{}'),
       pg_catalog.jsonb_build_object(
           'encoding', here.encoding,
           'collate', pg_catalog.jsonb_extract_path_text(here.tuple, 'datcollate'),
           'ctype', pg_catalog.jsonb_extract_path_text(here.tuple, 'datctype'),
           'provider', coalesce(pg_catalog.jsonb_extract_path_text(here.tuple, 'datlocprovider'), 'c'),
           'locale', coalesce(
               pg_catalog.jsonb_extract_path_text(here.tuple, 'datlocale'),
               pg_catalog.jsonb_extract_path_text(here.tuple, 'daticulocale')
           ),
           'rules', pg_catalog.jsonb_extract_path_text(here.tuple, 'daticurules')
       ),
       coalesce((
            SELECT pg_catalog.jsonb_object_agg(e.extname, e.extversion) FROM pg_catalog.pg_extension AS e
       ), '{}')
  FROM here

-- name: login_settings
-- what the session's login has for itself, in any database or in one
SELECT d.datname::pg_catalog.text,
       pg_catalog.split_part(e.entry, '=', 1),
       pg_catalog.substr(e.entry, pg_catalog.strpos(e.entry, '=') + 1)
  FROM pg_catalog.pg_db_role_setting AS s
  JOIN pg_catalog.pg_roles AS r
    ON r.oid = s.setrole
  LEFT JOIN pg_catalog.pg_database AS d
    ON d.oid = s.setdatabase
 CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS e (entry)
 WHERE r.rolname = session_user
 ORDER BY 1, 2

-- name: libraries
-- what a setting of a class of its own might belong to, once it is loaded
SELECT l.name::pg_catalog.text
  FROM pg_catalog.pg_config() AS c (name, setting)
 CROSS JOIN LATERAL pg_catalog.pg_ls_dir(c.setting) AS l (name)
 WHERE c.name = 'PKGLIBDIR'

-- name: run
-- Who holds the databases of a run: its own session, by its process and the microsecond in which that began; and
-- whether a checkpoint costs the server nothing.
SELECT pg_catalog.concat(pid, '_', (1000000::numeric * extract(epoch FROM backend_start))::bigint),
       pg_catalog.current_setting('fsync') = 'off'::pg_catalog.text
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

-- name: size
SELECT pg_catalog.pg_database_size(%(name)s::pg_catalog.name)

-- name: holds
-- whether something of a database lasts beyond its sessions, and can be seen in others
SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts WHERE database = %(name)s)
    OR EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE database = %(name)s)
    OR EXISTS (SELECT
                 FROM pg_catalog.pg_subscription AS s
                 JOIN pg_catalog.pg_database AS d
                   ON d.oid = s.subdbid
                WHERE d.datname = %(name)s)

-- name: end_sessions
-- those of a database that we may end
SELECT pg_catalog.pg_terminate_backend(a.pid)
  FROM pg_catalog.pg_stat_activity AS a
  JOIN pg_catalog.pg_roles AS r
    ON r.oid = a.usesysid
 WHERE a.datname = %(name)s
   AND NOT r.rolsuper
   AND pg_catalog.pg_has_role(r.oid, 'USAGE')

-- name: roles
SELECT r.rolname::pg_catalog.text FROM pg_catalog.pg_roles AS r WHERE r.rolname = ANY (%(names)s)

-- name: tablespaces
SELECT t.spcname::pg_catalog.text FROM pg_catalog.pg_tablespace AS t WHERE t.spcname = ANY (%(names)s)

-- name: reaches_out
-- Whether somebody has a function that nobody but superusers has at first: of PostgreSQL's own and of extensions, these
-- read and write files, or connect as anybody. A function of LANGUAGE internal may be one of them by another name.
WITH guarded AS (
    SELECT f.oid, f.proname, f.prosrc, f.prolang, f.proowner, f.proacl, p.initprivs
      FROM pg_catalog.pg_init_privs AS p
      JOIN pg_catalog.pg_proc AS f
        ON f.oid = p.objoid
     WHERE p.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
       AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(p.initprivs) AS i WHERE i.grantee = 0::pg_catalog.oid)
)
SELECT EXISTS (
    SELECT
      FROM guarded AS g
     CROSS JOIN LATERAL pg_catalog.aclexplode(g.proacl) AS given
     WHERE given.grantee <> g.proowner
       AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(g.initprivs) AS i WHERE i.grantee = given.grantee)
) OR EXISTS (
    SELECT
      FROM pg_catalog.pg_proc AS f
      JOIN guarded AS g
        ON g.prosrc = f.prosrc
       AND g.prolang = f.prolang
     WHERE f.oid >= 16384::pg_catalog.oid
       AND f.prolang = 12::pg_catalog.oid
)

-- name: harmless
-- those roles that are no superuser, do not reach out of the server, and cannot become anybody who is or does
WITH RECURSIVE reached (name, role) AS (
    SELECT r.rolname, r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = ANY (%(names)s)
    UNION
    SELECT reached.name, m.roleid
      FROM reached
      JOIN pg_catalog.pg_auth_members AS m
        ON m.member = reached.role
)
SELECT reached.name::pg_catalog.text
  FROM reached
  JOIN pg_catalog.pg_roles AS r
    ON r.oid = reached.role
 GROUP BY reached.name
HAVING NOT pg_catalog.bool_or(r.rolsuper OR r.rolname = ANY (%(reach_out)s))
 ORDER BY reached.name

-- name: guard
UPDATE pg_catalog.pg_authid SET rolsuper = true WHERE rolname = ANY (%(names)s)

-- name: versions
SELECT v.name::pg_catalog.text, v.version, a.default_version
  FROM pg_catalog.pg_available_extension_versions AS v
  JOIN pg_catalog.pg_available_extensions AS a
    ON a.name = v.name
 WHERE v.name = ANY (%(names)s)

-- name: becomes_superuser
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolsuper AND pg_catalog.pg_has_role(%(name)s::pg_catalog.name, r.oid, 'MEMBER')
)

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

-- name: event_triggers
-- those that run in a session whose session_replication_role is replica
SELECT e.evtname::pg_catalog.text FROM pg_catalog.pg_event_trigger AS e WHERE e.evtenabled IN ('A', 'R')

-- name: carry
-- What CREATE DATABASE does not take over from the template and a copy needs all the same: settings, rights, comment.
-- Written into the catalogs since the superuser of a private server may, and since it is all the same afterwards.
WITH old AS (
    SELECT oid, datacl, datistemplate, datallowconn, datconnlimit FROM pg_catalog.pg_database WHERE datname = %(template)s
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
   SET datacl = coalesce(old.datacl, d.datacl),
       datistemplate = old.datistemplate,
       datallowconn = old.datallowconn,
       datconnlimit = old.datconnlimit
  FROM old
 WHERE d.datname = %(name)s

-- name: subscribes
SELECT EXISTS (
    SELECT
      FROM pg_catalog.pg_subscription AS s
      JOIN pg_catalog.pg_database AS d
        ON d.oid = s.subdbid
     WHERE d.datname = %(template)s::pg_catalog.name
)

-- name: carry_subscriptions
-- Subscriptions stand in a catalog that all databases share, so a copy has none: run in the copy, this gives it those of
-- its template, and what refers to them by oid.
WITH carried AS MATERIALIZED (
    SELECT s.oid AS old,
           pg_catalog.pg_nextoid('pg_catalog.pg_subscription', 'oid',
                                 'pg_catalog.pg_subscription_oid_index') AS new
      FROM pg_catalog.pg_subscription AS s
      JOIN pg_catalog.pg_database AS d
        ON d.oid = s.subdbid
     WHERE d.datname = %(template)s::pg_catalog.name
), made AS (
    INSERT INTO pg_catalog.pg_subscription
    SELECT (pg_catalog.jsonb_populate_record(s, pg_catalog.jsonb_build_object('oid', carried.new::pg_catalog.text,
                                                                              'subdbid', here.oid::pg_catalog.text))).*
      FROM pg_catalog.pg_subscription AS s
      JOIN carried
        ON carried.old = s.oid
      JOIN pg_catalog.pg_database AS here
        ON here.datname = pg_catalog.current_database()
), relations AS (
    UPDATE pg_catalog.pg_subscription_rel AS r
       SET srsubid = carried.new
      FROM carried
     WHERE r.srsubid = carried.old
), comments AS (
    UPDATE pg_catalog.pg_description AS d
       SET objoid = carried.new
      FROM carried
     WHERE d.classoid = 'pg_catalog.pg_subscription'::pg_catalog.regclass::pg_catalog.oid
       AND d.objoid = carried.old
)
INSERT INTO pg_catalog.pg_shdepend (dbid, classid, objid, objsubid, refclassid, refobjid, deptype)
SELECT s.dbid, s.classid, carried.new, s.objsubid, s.refclassid, s.refobjid, s.deptype
  FROM pg_catalog.pg_shdepend AS s
  JOIN carried
    ON carried.old = s.objid
   AND s.classid = 'pg_catalog.pg_subscription'::pg_catalog.regclass::pg_catalog.oid

-- name: let_go
-- forget what all other databases than one hold by roles, so that these can be dropped
DELETE FROM pg_catalog.pg_shdepend AS s
 USING pg_catalog.pg_database AS d
 WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass::pg_catalog.oid
   AND d.oid = CASE WHEN s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass::pg_catalog.oid THEN s.objid ELSE s.dbid END
   AND d.datname <> %(name)s
RETURNING s.dbid, s.classid, s.objid, s.objsubid, s.refclassid, s.refobjid, s.deptype::pg_catalog.text

-- name: let_go_of
-- forget what a database that nobody needs any more holds by roles
DELETE FROM pg_catalog.pg_shdepend AS s
 USING pg_catalog.pg_database AS d
 WHERE d.datname = %(name)s
   AND d.oid = CASE WHEN s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass::pg_catalog.oid THEN s.objid ELSE s.dbid END

-- name: hold_again
INSERT INTO pg_catalog.pg_shdepend (dbid, classid, objid, objsubid, refclassid, refobjid, deptype)
SELECT %s, %s, %s, %s, %s, r.oid, %s::pg_catalog."char"
  FROM pg_catalog.pg_authid AS r
 WHERE r.oid = %s

-- name: called
-- What these names may stand for: the bodies of routines that are not PostgreSQL's own, empty where there is none to be
-- read, and whether they are something at all.
SELECT n.name,
       ARRAY (
            SELECT CASE
                       WHEN l.lanname IN ('sql'::pg_catalog.name, 'plpgsql'::pg_catalog.name)
                       THEN p.prosrc || ' '::pg_catalog.text
                            || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), ''::pg_catalog.text)
                       ELSE ''::pg_catalog.text
                   END
              FROM pg_catalog.pg_proc AS p
              JOIN pg_catalog.pg_language AS l
                ON l.oid = p.prolang
             WHERE p.proname = n.name::pg_catalog.name
               AND p.oid >= 16384::pg_catalog.oid
               AND (p.provolatile <> 'i'::pg_catalog."char" OR l.lanname IN ('sql'::pg_catalog.name, 'plpgsql'::pg_catalog.name))
       ) AS bodies,
       EXISTS (SELECT FROM pg_catalog.pg_proc AS p WHERE p.proname = n.name::pg_catalog.name)
       OR EXISTS (SELECT FROM pg_catalog.pg_type AS t WHERE t.typname = n.name::pg_catalog.name)
       OR EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.relname = n.name::pg_catalog.name)
       OR EXISTS (SELECT FROM pg_catalog.pg_get_keywords() AS k WHERE k.word = n.name) AS known
  FROM pg_catalog.unnest(%(names)s::pg_catalog.text[]) AS n (name)

-- name: views
SELECT pg_catalog.pg_get_viewdef(c.oid)
  FROM pg_catalog.pg_class AS c
 WHERE c.relkind = 'v'::pg_catalog."char"
   AND c.oid >= 16384::pg_catalog.oid
   AND c.relname::pg_catalog.text = ANY (%(names)s::pg_catalog.text[])

-- name: met_by_rows
-- What decides whether a row may be written, and to which partition it goes: checks, policies that the owner is held to,
-- and the defaults of partition keys.
SELECT pg_catalog.pg_get_constraintdef(c.oid)
  FROM pg_catalog.pg_constraint AS c
 WHERE c.contype = 'c'::pg_catalog."char"
   AND c.oid >= 16384::pg_catalog.oid
UNION
SELECT pg_catalog.concat_ws(' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
  FROM pg_catalog.pg_policy AS p
  JOIN pg_catalog.pg_class AS c
    ON c.oid = p.polrelid
 WHERE c.relforcerowsecurity
UNION
SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  FROM pg_catalog.pg_partitioned_table AS t
  JOIN pg_catalog.pg_attrdef AS d
    ON d.adrelid = t.partrelid
 WHERE d.adnum = ANY (t.partattrs::smallint[])
    OR 0::smallint = ANY (t.partattrs::smallint[])

-- name: defaults
-- what columns get where a row names no value
SELECT c.relname::pg_catalog.text, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  FROM pg_catalog.pg_attrdef AS d
  JOIN pg_catalog.pg_class AS c
    ON c.oid = d.adrelid
 WHERE c.oid >= 16384::pg_catalog.oid

-- name: machine
-- What a server tells of the libraries that sort for it, and of where its files are.
SELECT pg_catalog.version() AS version,
       ARRAY (
            SELECT c.collname::pg_catalog.text || ' '::pg_catalog.text
                   || coalesce(pg_catalog.pg_collation_actual_version(c.oid), ''::pg_catalog.text)
              FROM pg_catalog.pg_collation AS c
             WHERE c.collname IN ('und-x-icu'::pg_catalog.name, 'en-x-icu'::pg_catalog.name, 'unicode'::pg_catalog.name,
                                  'en_US.utf8'::pg_catalog.name, 'C.utf8'::pg_catalog.name)
             ORDER BY c.collname
       ) AS collations,
       ARRAY (
            SELECT f.setting
              FROM pg_catalog.pg_config() AS f
             WHERE f.name IN ('PKGLIBDIR'::pg_catalog.text, 'SHAREDIR'::pg_catalog.text)
             ORDER BY f.name
       ) AS places
