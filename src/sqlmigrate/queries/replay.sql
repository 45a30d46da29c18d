-- name: unknown
-- Those names of settings that a new session does not know; null where each session is to be one of its own: where a
-- login runs a trigger, or nothing is counted.
SELECT CASE
           WHEN EXISTS (SELECT FROM pg_catalog.pg_event_trigger AS t WHERE t.evtevent = 'login'::pg_catalog.name)
             OR pg_catalog.current_setting('track_counts') <> 'on'::pg_catalog.text
           THEN NULL
           ELSE ARRAY (
               SELECT n.name
                 FROM pg_catalog.unnest(%(names)s::pg_catalog.text[]) AS n (name)
                WHERE pg_catalog.current_setting(n.name, true) IS NULL
           )
       END AS names

-- name: changed
-- A row where the session has written settings of a database or role (2964 is pg_db_role_setting) or event triggers
-- (3466 is pg_event_trigger). It runs behind every script, so it only asks counters. A condition for each name follows.
SELECT
 WHERE pg_catalog.current_setting('track_counts') <> 'on'::pg_catalog.text
    OR pg_catalog.pg_stat_get_xact_tuples_inserted(2964::pg_catalog.oid)
     + pg_catalog.pg_stat_get_xact_tuples_updated(2964::pg_catalog.oid)
     + pg_catalog.pg_stat_get_xact_tuples_deleted(2964::pg_catalog.oid)
     + pg_catalog.pg_stat_get_xact_tuples_inserted(3466::pg_catalog.oid)
     + pg_catalog.pg_stat_get_xact_tuples_updated(3466::pg_catalog.oid)
     + pg_catalog.pg_stat_get_xact_tuples_deleted(3466::pg_catalog.oid) > 0::bigint
