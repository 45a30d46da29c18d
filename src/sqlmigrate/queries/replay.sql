-- name: changed
-- What a new session finds and DISCARD ALL does not bring: a row where that is not $2. It is null where each login runs
-- a trigger. $1 holds names of settings, with blanks in between.
WITH now AS (
    SELECT CASE
               WHEN EXISTS (SELECT FROM pg_catalog.pg_event_trigger AS t WHERE t.evtevent = 'login'::pg_catalog.name) THEN NULL
               ELSE pg_catalog.jsonb_build_array(login.tuple, home.tuple, said.tuples, known.names)::pg_catalog.text
           END AS found
      FROM (
            SELECT pg_catalog.jsonb_build_array(
                       r.oid, r.rolname, r.rolsuper, r.rolcanlogin, r.rolconnlimit, extract(epoch FROM r.rolvaliduntil)
                   ) AS tuple
              FROM pg_catalog.pg_roles AS r
             WHERE r.rolname = session_user
           ) AS login
     CROSS JOIN (
            SELECT pg_catalog.to_jsonb(d) AS tuple
              FROM pg_catalog.pg_database AS d
             WHERE d.datname = pg_catalog.current_database()
           ) AS home
     CROSS JOIN (
            SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(s) ORDER BY s.setdatabase, s.setrole) AS tuples
              FROM pg_catalog.pg_db_role_setting AS s
           ) AS said
     CROSS JOIN (
            SELECT pg_catalog.jsonb_agg(n.name ORDER BY n.name) AS names
              FROM pg_catalog.unnest(pg_catalog.string_to_array($1, ' '::pg_catalog.text)) AS n (name)
             WHERE pg_catalog.current_setting(n.name, true) IS NOT NULL
           ) AS known
)
SELECT found FROM now WHERE found IS DISTINCT FROM $2::pg_catalog.text
