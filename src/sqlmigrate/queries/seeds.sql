-- name: add
INSERT INTO {schema}.seed_files (id, run_id, seeded_at, file, table_name, checksum, schema_checksum, rows, inserted, updated,
                                 unchanged, kept, pruned, login_role, seed_role, username, hostname, client_address,
                                 tool_version)
VALUES (%(id)s::pg_catalog.uuid, %(run_id)s::pg_catalog.uuid, pg_catalog.clock_timestamp(), %(file)s, %(table)s, %(checksum)s,
        %(schema_checksum)s, %(rows)s::bigint, %(inserted)s::bigint, %(updated)s::bigint, %(unchanged)s::bigint,
        %(kept)s::bigint, %(pruned)s::bigint, session_user, %(role)s, %(username)s, %(hostname)s,
        pg_catalog.inet_client_addr(), %(tool_version)s)

-- name: last
SELECT DISTINCT ON (file)
       file,
       checksum,
       schema_checksum,
       pg_catalog.timezone('UTC', seeded_at) AS at
FROM {schema}.seed_files
ORDER BY file, seeded_at DESC

-- name: rows
SELECT pg_catalog.timezone('UTC', seeded_at) AS at,
       file,
       table_name AS "table",
       checksum,
       schema_checksum,
       rows,
       inserted,
       updated,
       unchanged,
       kept,
       pruned,
       login_role,
       seed_role,
       username,
       hostname,
       client_address::pg_catalog.text,
       run_id::pg_catalog.text,
       tool_version
FROM {schema}.seed_files
WHERE (%(since)s::timestamp IS NULL OR pg_catalog.timezone('UTC', seeded_at) >= %(since)s::timestamp)
  AND (%(until)s::timestamp IS NULL OR pg_catalog.timezone('UTC', seeded_at) < %(until)s::timestamp)
ORDER BY seeded_at DESC
LIMIT %(most)s::bigint
