-- Bootstrap: the ground that Supabase gives, for a PostgreSQL that has none of it
--
-- Who runs it:  a superuser, once, in a new and empty database. The tool does so by itself in the databases
--               that it creates; it never does so in a database that you named. By hand:
--
--                   psql -X -v ON_ERROR_STOP=1 --single-transaction -d DB -f sql/bootstrap/supabase.sql
--
-- What it makes: the API roles and the role of the auth server, schema auth with table auth.users, and the
--               default privileges of schema public. Owners and rights are as on Supabase, so that a
--               migration that lacks a right in production lacks it here too.
-- For whom:     the owner of this database is taken as the role that migrates. It needs no superuser rights.
-- Undo:         none. No rollback ever drops schema auth or a role.
-- Server:       PostgreSQL 14 to 18.


-- ---------------------------------------------------------------------------------------------------------
-- 1. Roles
-- ---------------------------------------------------------------------------------------------------------
-- Roles belong to the whole cluster, so another database may have made them already: they are then left as
-- they are. The second exception is what PostgreSQL raises when two bootstraps make a role at the same moment.
-- Nobody can log in as any of them: SET ROLE is enough here, and a role without a login needs no password.

DO $$
DECLARE
    definition text;
BEGIN
    FOREACH definition IN ARRAY ARRAY[
        'anon                NOLOGIN NOINHERIT',            -- API requests without a user
        'authenticated       NOLOGIN NOINHERIT',            -- API requests of a user
        'service_role        NOLOGIN NOINHERIT BYPASSRLS',  -- the application's own back end
        'supabase_auth_admin NOLOGIN NOINHERIT'             -- the auth server: it alone writes users
    ]
    LOOP
        BEGIN
            EXECUTE 'CREATE ROLE ' || definition;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;
        END;
    END LOOP;
END
$$;


-- ---------------------------------------------------------------------------------------------------------
-- 2. Schema auth and its users
-- ---------------------------------------------------------------------------------------------------------
-- Deliberately without IF NOT EXISTS: where schema auth is there already, this is a real Supabase database
-- (or this file has run before), and everything below must not happen.

CREATE SCHEMA auth
    AUTHORIZATION supabase_auth_admin;

-- The columns that applications use. Supabase has more of them, but no default for id either.
CREATE TABLE auth.users (
    id                  uuid         NOT NULL,
    aud                 varchar(255) NULL,
    role                varchar(255) NULL,
    email               text         NULL,
    raw_app_meta_data   jsonb        NULL,
    raw_user_meta_data  jsonb        NULL,
    created_at          timestamptz  NULL,
    updated_at          timestamptz  NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id)
);

ALTER TABLE auth.users
    OWNER TO supabase_auth_admin;

GRANT USAGE
    ON SCHEMA auth
    TO anon, authenticated, service_role;


-- ---------------------------------------------------------------------------------------------------------
-- 3. Rights of the role that migrates
-- ---------------------------------------------------------------------------------------------------------
-- Just enough to point foreign keys and triggers at auth.users and to read it, never to own or change it.
-- On PostgreSQL 15 and later the owner of a database may create in public anyway; on 14 everybody may, which
-- is taken away here. The API roles receive all rights on whatever the migrating role creates in public,
-- as Supabase does it: row level security is what keeps them out.

DO $$
DECLARE
    migrator name := (
        SELECT pg_get_userbyid(datdba)
        FROM pg_catalog.pg_database
        WHERE datname = current_database()
    );
    object_kind text;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA auth TO %I', migrator);
    EXECUTE format('GRANT SELECT, REFERENCES, TRIGGER ON TABLE auth.users TO %I', migrator);

    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA public TO %I', migrator);

    FOREACH object_kind IN ARRAY ARRAY['TABLES', 'SEQUENCES', 'FUNCTIONS']
    LOOP
        EXECUTE format(
            'ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA public '
            'GRANT ALL ON %s TO anon, authenticated, service_role',
            migrator, object_kind
        );
    END LOOP;
END
$$;

REVOKE CREATE
    ON SCHEMA public
    FROM PUBLIC;

GRANT USAGE
    ON SCHEMA public
    TO anon, authenticated, service_role;
