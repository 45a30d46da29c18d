-- name: leave
-- a row says that the COMMIT to come flushes nothing for sure; $1 is the login's synchronous_commit, and a script that
-- took more than $2 seconds waits
SELECT CASE WHEN pg_catalog.current_setting('synchronous_commit') = $1::pg_catalog.text
            THEN pg_catalog.set_config('synchronous_commit', 'off', true)
       END
WHERE pg_catalog.current_setting('synchronous_commit') <> $1::pg_catalog.text
   OR (pg_catalog.clock_timestamp() - pg_catalog.now() < pg_catalog.make_interval(secs => $2::pg_catalog.float8)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_foreign_table)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension
                       WHERE extname::pg_catalog.text = ANY ('{dblink,http,pg_net,pg_background,plsh,aws_s3,aws_lambda}'::pg_catalog.text[]))
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_language
                       WHERE NOT lanpltrusted AND lanname::pg_catalog.text <> ALL ('{internal,c}'::pg_catalog.text[])))

-- name: keep
-- a row says that the script has changed synchronous_commit, so that its COMMIT may flush nothing
SELECT 1 WHERE pg_catalog.current_setting('synchronous_commit') <> $1::pg_catalog.text
