-- Baseline: the agent tables of the application, and what happens when a user signs up
--
-- An application that has these tables already marks this version as applied and does not run it.
--
-- Needs:   schema auth with auth.users and the roles anon and authenticated, as Supabase gives them.
-- Runs as: an ordinary role that may create in public and has REFERENCES and TRIGGER on auth.users.
-- Locks:   SHARE ROW EXCLUSIVE on auth.users from the first foreign key until commit: sign-ups wait, sign-ins
--          that only read do not. All other objects are new, so nobody waits for them.
-- Server:  PostgreSQL 14 to 18.
-- Undo:    20260301_agent_baseline.rollback.sql


-- ---------------------------------------------------------------------------------------------------------
-- 0. Is the ground there?
-- ---------------------------------------------------------------------------------------------------------
-- A plain PostgreSQL has no auth.users: say what is missing and how to get it, before anything is made.
-- A trigger of our name that is there already belongs to somebody else: section 7 would replace it.

DO $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(need.what, ', ' ORDER BY need.place)
    INTO missing
    FROM (
        VALUES
            (1, 'table auth.users',   to_regclass('auth.users') IS NOT NULL),
            (2, 'role anon',          to_regrole('anon') IS NOT NULL),
            (3, 'role authenticated', to_regrole('authenticated') IS NOT NULL)
    ) AS need (place, what, is_there)
    WHERE NOT need.is_there;

    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'this database lacks %: run the bootstrap sql/bootstrap/supabase.sql first',
            missing
        USING
            ERRCODE = 'undefined_object',
            HINT = format(
                'as a superuser: psql -X -v ON_ERROR_STOP=1 --single-transaction -d %I -f sql/bootstrap/supabase.sql',
                current_database()
            );
    END IF;

    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger
        WHERE tgrelid = 'auth.users'::regclass
          AND tgname = 'on_auth_user_created'
    ) THEN
        RAISE EXCEPTION 'auth.users has a trigger on_auth_user_created already'
        USING
            ERRCODE = 'duplicate_object',
            HINT = 'if this application made it, mark 20260301_agent_baseline as applied instead of running it';
    END IF;
END
$$;


-- ---------------------------------------------------------------------------------------------------------
-- 1. llms: the language models that agents can use
-- ---------------------------------------------------------------------------------------------------------

CREATE TABLE public.llms (
    id          uuid         NOT NULL DEFAULT gen_random_uuid(),
    model_code  varchar(100) NOT NULL,
    provider    varchar(50)  NOT NULL,
    status      varchar(20)  NOT NULL DEFAULT 'active',
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now(),
    deleted_at  timestamptz  NULL,
    CONSTRAINT llms_pkey PRIMARY KEY (id),
    CONSTRAINT llms_model_code_key UNIQUE (model_code)
);


-- ---------------------------------------------------------------------------------------------------------
-- 2. profiles: one for each user
-- ---------------------------------------------------------------------------------------------------------

CREATE TABLE public.profiles (
    id          uuid         NOT NULL,
    username    text         NULL,
    avatar_url  text         NULL,
    bio         text         NULL,
    settings    jsonb        NULL,
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT profiles_pkey PRIMARY KEY (id),
    CONSTRAINT profiles_id_fkey FOREIGN KEY (id)
        REFERENCES auth.users (id) ON DELETE CASCADE
);


-- ---------------------------------------------------------------------------------------------------------
-- 3. user_agent_catalog: the agents that every new user receives
-- ---------------------------------------------------------------------------------------------------------

CREATE TABLE public.user_agent_catalog (
    id          uuid         NOT NULL DEFAULT gen_random_uuid(),
    agent_type  varchar(20)  NOT NULL,
    llm_id      uuid         NOT NULL,
    status      varchar(20)  NOT NULL,
    config      jsonb        NOT NULL DEFAULT '{}',
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now(),
    deleted_at  timestamptz  NULL,
    CONSTRAINT user_agent_catalog_pkey PRIMARY KEY (id),
    CONSTRAINT user_agent_catalog_agent_type_key UNIQUE (agent_type),
    CONSTRAINT fk_user_agent_catalog_llm_id FOREIGN KEY (llm_id)
        REFERENCES public.llms (id) ON DELETE RESTRICT,
    CONSTRAINT chk_user_agent_catalog_status
        CHECK (status IN ('active', 'inactive'))
);


-- ---------------------------------------------------------------------------------------------------------
-- 4. user_agents: each user's own copies of the catalog
-- ---------------------------------------------------------------------------------------------------------
-- id has no default: whoever makes an agent gives it its id.

CREATE TABLE public.user_agents (
    id          uuid         NOT NULL,
    user_id     uuid         NOT NULL,
    llm_id      uuid         NOT NULL,
    agent_type  varchar(20)  NOT NULL,
    config      jsonb        NOT NULL DEFAULT '{}',
    status      varchar(20)  NOT NULL,
    created_by  uuid         NULL,
    updated_by  uuid         NULL,
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now(),
    deleted_at  timestamptz  NULL,
    CONSTRAINT user_agents_pkey PRIMARY KEY (id),
    CONSTRAINT uq_user_agents_user_id_agent_type UNIQUE (user_id, agent_type),
    CONSTRAINT chk_agent_type
        CHECK (agent_type IN ('INTENT_RECOGNITION', 'TASK_EXECUTION', 'RESULT_REPORTING')),
    CONSTRAINT fk_user_agents_user_id FOREIGN KEY (user_id)
        REFERENCES auth.users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_agents_llm_id FOREIGN KEY (llm_id)
        REFERENCES public.llms (id) ON DELETE RESTRICT,
    CONSTRAINT fk_user_agents_created_by FOREIGN KEY (created_by)
        REFERENCES auth.users (id) ON DELETE SET NULL,
    CONSTRAINT fk_user_agents_updated_by FOREIGN KEY (updated_by)
        REFERENCES auth.users (id) ON DELETE SET NULL
);

CREATE INDEX ix_user_agents_agent_type
    ON public.user_agents (agent_type);

CREATE INDEX ix_user_agents_status
    ON public.user_agents (status);


-- ---------------------------------------------------------------------------------------------------------
-- 5. memories: what the agents remember
-- ---------------------------------------------------------------------------------------------------------
-- A work memory belongs to an agent, a user memory does not. agent_id was added later, so it stands last.

CREATE TABLE public.memories (
    id           uuid         NOT NULL DEFAULT gen_random_uuid(),
    user_id      uuid         NOT NULL,
    memory_type  varchar(20)  NOT NULL,
    content      text         NOT NULL,
    status       varchar(20)  NOT NULL DEFAULT 'active',
    created_at   timestamptz  NOT NULL DEFAULT now(),
    updated_at   timestamptz  NOT NULL DEFAULT now(),
    deleted_at   timestamptz  NULL,
    agent_id     uuid         NULL,
    CONSTRAINT memories_pkey PRIMARY KEY (id),
    CONSTRAINT memories_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES auth.users (id) ON DELETE CASCADE,
    CONSTRAINT fk_memories_agent_id FOREIGN KEY (agent_id)
        REFERENCES public.user_agents (id) ON DELETE CASCADE,
    CONSTRAINT chk_memory_type_agent_id CHECK (
        (memory_type = 'work' AND agent_id IS NOT NULL)
        OR (memory_type = 'user' AND agent_id IS NULL)
    )
);

CREATE INDEX ix_memories_agent_type_status
    ON public.memories (agent_id, memory_type, status);


-- ---------------------------------------------------------------------------------------------------------
-- 6. Row level security
-- ---------------------------------------------------------------------------------------------------------
-- Default privileges have granted every right on these tables to the API roles, so row level security alone
-- keeps them out. The two agent tables say so with a policy for each role and action, for everybody to read;
-- the other tables have no policy, which denies as much.

ALTER TABLE public.llms
    ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.profiles
    ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.memories
    ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.user_agent_catalog
    ENABLE ROW LEVEL SECURITY;

CREATE POLICY anon_select_user_agent_catalog
    ON public.user_agent_catalog FOR SELECT TO anon
    USING (false);

CREATE POLICY anon_insert_user_agent_catalog
    ON public.user_agent_catalog FOR INSERT TO anon
    WITH CHECK (false);

CREATE POLICY anon_update_user_agent_catalog
    ON public.user_agent_catalog FOR UPDATE TO anon
    USING (false)
    WITH CHECK (false);

CREATE POLICY anon_delete_user_agent_catalog
    ON public.user_agent_catalog FOR DELETE TO anon
    USING (false);

CREATE POLICY authenticated_select_user_agent_catalog
    ON public.user_agent_catalog FOR SELECT TO authenticated
    USING (false);

CREATE POLICY authenticated_insert_user_agent_catalog
    ON public.user_agent_catalog FOR INSERT TO authenticated
    WITH CHECK (false);

CREATE POLICY authenticated_update_user_agent_catalog
    ON public.user_agent_catalog FOR UPDATE TO authenticated
    USING (false)
    WITH CHECK (false);

CREATE POLICY authenticated_delete_user_agent_catalog
    ON public.user_agent_catalog FOR DELETE TO authenticated
    USING (false);

ALTER TABLE public.user_agents
    ENABLE ROW LEVEL SECURITY;

CREATE POLICY anon_select_user_agents
    ON public.user_agents FOR SELECT TO anon
    USING (false);

CREATE POLICY anon_insert_user_agents
    ON public.user_agents FOR INSERT TO anon
    WITH CHECK (false);

CREATE POLICY anon_update_user_agents
    ON public.user_agents FOR UPDATE TO anon
    USING (false)
    WITH CHECK (false);

CREATE POLICY anon_delete_user_agents
    ON public.user_agents FOR DELETE TO anon
    USING (false);

CREATE POLICY authenticated_select_user_agents
    ON public.user_agents FOR SELECT TO authenticated
    USING (false);

CREATE POLICY authenticated_insert_user_agents
    ON public.user_agents FOR INSERT TO authenticated
    WITH CHECK (false);

CREATE POLICY authenticated_update_user_agents
    ON public.user_agents FOR UPDATE TO authenticated
    USING (false)
    WITH CHECK (false);

CREATE POLICY authenticated_delete_user_agents
    ON public.user_agents FOR DELETE TO authenticated
    USING (false);


-- ---------------------------------------------------------------------------------------------------------
-- 7. Signing up
-- ---------------------------------------------------------------------------------------------------------
-- The auth server inserts into auth.users as supabase_auth_admin, which may not write our tables: hence
-- SECURITY DEFINER. Hence also the empty search_path and the full names, so that nobody can slip in a table.

CREATE OR REPLACE FUNCTION public.create_profile_for_new_user()
    RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = ''
AS $$
BEGIN
    INSERT INTO public.profiles (id, username, avatar_url, bio, settings)
    VALUES (
        NEW.id,
        coalesce(
            NEW.raw_user_meta_data ->> 'username',
            split_part(NEW.email, '@', 1),
            'user_' || left(NEW.id::text, 8)
        ),
        NULL,
        NULL,
        '{}'
    )
    ON CONFLICT (id) DO NOTHING;

    INSERT INTO public.user_agents (id, user_id, llm_id, agent_type, config, status, created_by, updated_by)
    SELECT
        gen_random_uuid(),
        NEW.id,
        catalog.llm_id,
        catalog.agent_type,
        catalog.config,
        catalog.status,
        NEW.id,
        NEW.id
    FROM public.user_agent_catalog AS catalog;

    RETURN NEW;
END
$$;

-- Triggers fire without EXECUTE. Nobody else has a reason to call the function, but PUBLIC may by default,
-- and Supabase's default privileges name the API roles. service_role does not exist everywhere.
REVOKE ALL
    ON FUNCTION public.create_profile_for_new_user()
    FROM PUBLIC, anon, authenticated;

DO $$
BEGIN
    IF to_regrole('service_role') IS NOT NULL THEN
        REVOKE ALL
            ON FUNCTION public.create_profile_for_new_user()
            FROM service_role;
    END IF;
END
$$;

CREATE OR REPLACE TRIGGER on_auth_user_created
    AFTER INSERT ON auth.users
    FOR EACH ROW
    EXECUTE FUNCTION public.create_profile_for_new_user();
