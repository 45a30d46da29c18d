-- name: probe
SELECT pg_catalog.current_database() AS database,
       session_user::pg_catalog.text AS role,
       pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) AS version,
       pg_catalog.current_setting('server_version_num')::integer AS version_number,
       pg_catalog.pg_is_in_recovery() AS standby,
       pg_catalog.current_setting('transaction_read_only')::boolean AS read_only,
       pg_catalog.pg_backend_pid() AS backend_pid,
       (1000::numeric * extract(epoch FROM pg_catalog.current_setting('deadlock_timeout')::interval))::integer AS deadlock_timeout

-- name: be_patient
-- PostgreSQL checks every second that we are still there, so that nothing of a killed run goes on; Linux servers only.
-- This runs under the search_path of a script too, so it names all in full.
SELECT pg_catalog.set_config('idle_session_timeout', '0', false),
       pg_catalog.set_config('idle_in_transaction_session_timeout', '0', false),
       CASE WHEN pg_catalog.version() OPERATOR(pg_catalog.~~) '%linux%'
            THEN pg_catalog.set_config('client_connection_check_interval', '1s', false)
       END

-- name: limit
SELECT pg_catalog.set_config('lock_timeout', %(lock)s, false),
       pg_catalog.set_config('statement_timeout', %(statement)s, false)
