-- name: system_settings
-- what ALTER SYSTEM has written, whether the server has read it or not
SELECT 'system setting' AS kind,
       pg_catalog.quote_ident(f.name) AS name,
       0::pg_catalog.oid AS class,
       0::pg_catalog.oid AS object,
       0::pg_catalog.oid AS unit,
       f.setting AS value
FROM pg_catalog.pg_file_settings AS f
WHERE f.sourcefile ~ '/postgresql\.auto\.conf$'
