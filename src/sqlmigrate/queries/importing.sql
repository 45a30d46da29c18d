-- name: places
-- the relations of one name, with their columns
SELECT space.nspname::pg_catalog.text AS schema,
       pg_catalog.array_agg(attribute.attname::pg_catalog.text) AS columns,
       pg_catalog.has_schema_privilege(space.oid, 'USAGE')
       AND pg_catalog.has_table_privilege(class.oid, 'SELECT') AS readable
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid
WHERE class.relname = %s
  AND class.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND class.relpersistence <> 't'
  AND attribute.attnum > 0
  AND NOT attribute.attisdropped
GROUP BY space.oid, space.nspname, class.oid
ORDER BY space.nspname

-- name: owner
-- who owns a table: the tool works as that role
SELECT pg_catalog.pg_get_userbyid(class.relowner)::pg_catalog.text
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = %s
  AND class.relname = %s

-- name: versions
SELECT version::pg_catalog.text FROM {schema}.schema_migrations ORDER BY version::pg_catalog.text COLLATE pg_catalog."C"

-- name: supabase
SELECT version::pg_catalog.text, name::pg_catalog.text
FROM {schema}.schema_migrations
ORDER BY version::pg_catalog.text COLLATE pg_catalog."C"

-- name: supabase_texts
SELECT version::pg_catalog.text, name::pg_catalog.text, statements::pg_catalog.text[]
FROM {schema}.schema_migrations
WHERE statements IS NOT NULL
ORDER BY version::pg_catalog.text COLLATE pg_catalog."C"

-- name: supabase_unnamed
SELECT version::pg_catalog.text, NULL::pg_catalog.text
FROM {schema}.schema_migrations
ORDER BY version::pg_catalog.text COLLATE pg_catalog."C"

-- name: goose
-- a time without zone is taken as one in UTC
SELECT version_id::bigint, is_applied::boolean, tstamp::timestamp FROM {schema}.goose_db_version ORDER BY id

-- name: golang_migrate
SELECT version::bigint, dirty::boolean FROM {schema}.schema_migrations ORDER BY version DESC

-- name: flyway
SELECT version::pg_catalog.text, description::pg_catalog.text, coalesce(type::pg_catalog.text, ''), checksum,
       installed_on::timestamp, success::boolean
FROM {schema}.flyway_schema_history
ORDER BY installed_rank

-- name: drizzle
-- the time is that of the journal, in milliseconds: when the migration was made
SELECT hash::pg_catalog.text, created_at::bigint,
       pg_catalog.timezone('UTC', pg_catalog.to_timestamp(created_at::double precision / 1000::double precision))
FROM {schema}.__drizzle_migrations
ORDER BY created_at, id

-- name: alembic
SELECT version_num::pg_catalog.text FROM {schema}.alembic_version ORDER BY version_num::pg_catalog.text COLLATE pg_catalog."C"

-- name: sqitch
SELECT project::pg_catalog.text, change::pg_catalog.text, pg_catalog.timezone('UTC', committed_at)
FROM {schema}.changes
ORDER BY committed_at, planned_at

-- name: sqlx
SELECT version::bigint, description::pg_catalog.text, pg_catalog.timezone('UTC', installed_on), success::boolean,
       pg_catalog.encode(checksum, 'hex')
FROM {schema}._sqlx_migrations
ORDER BY version

-- name: prisma
SELECT migration_name::pg_catalog.text, checksum::pg_catalog.text, pg_catalog.timezone('UTC', finished_at),
       pg_catalog.timezone('UTC', rolled_back_at)
FROM {schema}._prisma_migrations
ORDER BY started_at

-- name: diesel
SELECT version::pg_catalog.text, run_on::timestamp
FROM {schema}.__diesel_schema_migrations
ORDER BY version::pg_catalog.text COLLATE pg_catalog."C"

-- name: node_pg_migrate
SELECT name::pg_catalog.text, run_on::timestamp FROM {schema}.pgmigrations ORDER BY run_on, id

-- name: graphile_migrate
SELECT filename::pg_catalog.text, hash::pg_catalog.text, pg_catalog.timezone('UTC', date)
FROM {schema}.migrations
ORDER BY filename::pg_catalog.text COLLATE pg_catalog."C"

-- name: django
SELECT app::pg_catalog.text, name::pg_catalog.text, pg_catalog.timezone('UTC', applied)
FROM {schema}.django_migrations
ORDER BY id

-- name: dbmate_create
CREATE TABLE {schema}.schema_migrations (version varchar PRIMARY KEY)

-- name: dbmate_put
INSERT INTO {schema}.schema_migrations (version) VALUES (%s) ON CONFLICT DO NOTHING

-- name: supabase_create_schema
CREATE SCHEMA IF NOT EXISTS {schema}

-- name: supabase_create
CREATE TABLE {schema}.schema_migrations (
    version    pg_catalog.text NOT NULL PRIMARY KEY,
    statements pg_catalog.text[],
    name       pg_catalog.text
)

-- name: supabase_add
ALTER TABLE {schema}.schema_migrations
    ADD COLUMN IF NOT EXISTS statements pg_catalog.text[],
    ADD COLUMN IF NOT EXISTS name pg_catalog.text

-- name: supabase_put
INSERT INTO {schema}.schema_migrations (version, name, statements) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
