-- name: probe
SELECT pg_catalog.current_database() AS database,
       session_user::pg_catalog.text AS role,
       pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) AS version,
       pg_catalog.current_setting('server_version_num')::integer AS version_number,
       pg_catalog.pg_is_in_recovery() AS standby,
       pg_catalog.current_setting('transaction_read_only')::boolean AS read_only,
       pg_catalog.pg_backend_pid() AS backend_pid,
       (1000::numeric * extract(epoch FROM pg_catalog.current_setting('deadlock_timeout')::interval))::integer AS deadlock_timeout,
       pg_catalog.current_setting('synchronous_commit') AS synchronous_commit,
       EXISTS (SELECT FROM pg_catalog.pg_proc
               WHERE proname = 'pg_logical_emit_message'::pg_catalog.name
                 AND pronamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
                 AND proargtypes[2] = 'pg_catalog.text'::pg_catalog.regtype::pg_catalog.oid
                 AND pg_catalog.has_function_privilege(oid, 'EXECUTE')) AS may_flush,
       -- no system_identifier: databases that were made from one snapshot share it
       pg_catalog.concat(extract(epoch FROM pg_catalog.pg_postmaster_start_time()), '/',
                         (SELECT oid FROM pg_catalog.pg_database
                          WHERE datname = pg_catalog.current_database())) AS identity

-- name: schema_is_there
SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s::pg_catalog.name)

-- name: limit
SELECT pg_catalog.set_config('lock_timeout', %(lock)s, false),
       pg_catalog.set_config('statement_timeout', %(statement)s, false)

-- name: mark
SELECT pg_catalog.set_config('sqlmigrate.mark', %s, false)

-- name: is_marked
SELECT coalesce(pg_catalog.current_setting('sqlmigrate.mark', true) OPERATOR(pg_catalog.=) %s::pg_catalog.text, false)

-- name: unmark
SELECT CASE WHEN pg_catalog.current_setting('sqlmigrate.mark', true) OPERATOR(pg_catalog.=) %s::pg_catalog.text
            THEN pg_catalog.set_config('sqlmigrate.mark', '', false)
       END

-- name: identifiable
SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE'),
       (SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())

-- name: identifier
SELECT system_identifier FROM pg_catalog.pg_control_system()
