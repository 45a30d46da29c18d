-- Undo of 20260304_simplify_agent_architecture: user_agents, memories.agent_id and their rows come back
--
-- What comes back: everything that schema agent_architecture_archive holds, except what belongs to users,
--                  memories or llms that have been deleted since. Then that schema is dropped.
-- New users:       those who signed up after the change get agents from the catalog, as the old trigger would
--                  have made them. Those who were there before get exactly what they had, even if that is nothing.
--
-- Runs as:  the role that ran the change. It needs TRIGGER, REFERENCES and SELECT on auth.users, and does not
--           own it: so no trigger there is dropped, renamed or commented on.
-- Locks:    until commit, sign-ups wait from section 1 on, and so does everything that reads memories or
--           system_agents, or writes profiles or llms. Sections 4 to 6 take time by rows: they write user_agents,
--           and the work memories and profiles that the archive names. Only then, in section 9, does everything
--           wait that reads auth.users; that is the last section, and takes a moment. No table is rewritten.
-- Server:   PostgreSQL 14 to 18, one transaction, READ COMMITTED.


-- ---------------------------------------------------------------------------------------------------------
-- 0. Before anything is locked
-- ---------------------------------------------------------------------------------------------------------
-- Row level security must not hide rows without a word: a read that would be filtered is an error.

SET LOCAL row_security = off;

DO $$
BEGIN
    IF EXISTS (
        SELECT
        FROM unnest(ARRAY['users', 'user_agents', 'memories', 'profiles', 'statements']) AS needed (name)
        WHERE to_regclass('agent_architecture_archive.' || needed.name) IS NULL
    ) THEN
        RAISE EXCEPTION 'schema agent_architecture_archive is missing or not complete: '
            'what the change dropped cannot be brought back'
        USING
            ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'restore that schema from a backup, then run this rollback again; nothing has been changed';
    END IF;

    -- A snapshot that is older than the locks would miss the sign-up that we have waited for.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'this script needs isolation level read committed, not %',
            current_setting('transaction_isolation')
        USING
            ERRCODE = 'invalid_transaction_state',
            HINT = 'reset default_transaction_isolation for this role and database, then run it again';
    END IF;

    -- CREATE OR REPLACE TRIGGER enables a disabled trigger, and only the owner of auth.users can disable it again.
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger
        WHERE tgrelid = 'auth.users'::regclass
          AND tgname = 'on_auth_user_created'
          AND tgenabled <> 'O'
    ) THEN
        RAISE EXCEPTION 'trigger on_auth_user_created on auth.users is disabled, or set to ALWAYS or REPLICA: '
            'this script would undo that'
        USING
            ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'as the owner of auth.users: ALTER TABLE auth.users ENABLE TRIGGER on_auth_user_created';
    END IF;
END
$$;


-- ---------------------------------------------------------------------------------------------------------
-- 1. Lock before reading
-- ---------------------------------------------------------------------------------------------------------
-- The order of the change: auth.users first, as a sign-up does. A sign-up in flight finishes and gets its agents
-- below; one that arrives later waits at auth.users, holds nothing that we need, and then runs the old function.
-- The trigger is replaced by itself: SHARE ROW EXCLUSIVE on auth.users, for which the right TRIGGER is enough.

CREATE OR REPLACE TRIGGER on_auth_user_created
    AFTER INSERT ON auth.users
    FOR EACH ROW
    EXECUTE FUNCTION public.create_profile_for_new_user();

-- Before the catalog, because a delete from llms looks there next. And no llm may go between the moment we look
-- which are left and the foreign key to them.
LOCK TABLE public.llms IN SHARE ROW EXCLUSIVE MODE;

LOCK TABLE public.memories IN ACCESS EXCLUSIVE MODE;

LOCK TABLE public.profiles IN SHARE ROW EXCLUSIVE MODE;

LOCK TABLE public.system_agents IN ACCESS EXCLUSIVE MODE;


-- ---------------------------------------------------------------------------------------------------------
-- 2. Does the catalog fit the old rules?
-- ---------------------------------------------------------------------------------------------------------
-- The old trigger copies every row of the catalog into user_agents. One type that chk_agent_type does not allow,
-- and no user could sign up any more. So that is looked at before anything changes.

DO $$
DECLARE
    unfit text;
BEGIN
    SELECT string_agg(quote_literal(agent_type), ', ' ORDER BY agent_type)
    INTO unfit
    FROM public.system_agents
    WHERE agent_type NOT IN ('INTENT_RECOGNITION', 'TASK_EXECUTION', 'RESULT_REPORTING');

    IF unfit IS NOT NULL THEN
        RAISE EXCEPTION 'system_agents has agent types that chk_agent_type does not allow: %', unfit
        USING
            ERRCODE = 'check_violation',
            HINT = format(
                'nothing has been changed; to go back without them, first run: '
                'DELETE FROM public.system_agents WHERE agent_type IN (%s);',
                unfit
            );
    END IF;
END
$$;


-- ---------------------------------------------------------------------------------------------------------
-- 3. system_agents becomes user_agent_catalog again
-- ---------------------------------------------------------------------------------------------------------
-- Lock: ACCESS EXCLUSIVE on the table, held since section 1. Renaming changes the catalog only.

ALTER TABLE public.system_agents
    RENAME TO user_agent_catalog;

ALTER TABLE public.user_agent_catalog
    RENAME CONSTRAINT system_agents_pkey TO user_agent_catalog_pkey;

ALTER TABLE public.user_agent_catalog
    RENAME CONSTRAINT system_agents_agent_type_key TO user_agent_catalog_agent_type_key;

ALTER TABLE public.user_agent_catalog
    RENAME CONSTRAINT fk_system_agents_llm_id TO fk_user_agent_catalog_llm_id;

ALTER TABLE public.user_agent_catalog
    RENAME CONSTRAINT chk_system_agents_status TO chk_user_agent_catalog_status;

ALTER POLICY anon_select_system_agents ON public.user_agent_catalog
    RENAME TO anon_select_user_agent_catalog;

ALTER POLICY anon_insert_system_agents ON public.user_agent_catalog
    RENAME TO anon_insert_user_agent_catalog;

ALTER POLICY anon_update_system_agents ON public.user_agent_catalog
    RENAME TO anon_update_user_agent_catalog;

ALTER POLICY anon_delete_system_agents ON public.user_agent_catalog
    RENAME TO anon_delete_user_agent_catalog;

ALTER POLICY authenticated_select_system_agents ON public.user_agent_catalog
    RENAME TO authenticated_select_user_agent_catalog;

ALTER POLICY authenticated_insert_system_agents ON public.user_agent_catalog
    RENAME TO authenticated_insert_user_agent_catalog;

ALTER POLICY authenticated_update_system_agents ON public.user_agent_catalog
    RENAME TO authenticated_update_user_agent_catalog;

ALTER POLICY authenticated_delete_system_agents ON public.user_agent_catalog
    RENAME TO authenticated_delete_user_agent_catalog;

-- What else carries the new name: the NOT NULL constraints (PostgreSQL 18 has them in pg_constraint), and
-- constraints and indexes that somebody has added.
DO $$
DECLARE
    renaming text;
BEGIN
    FOR renaming IN
        SELECT format(
            'ALTER TABLE public.user_agent_catalog RENAME CONSTRAINT %I TO %I',
            conname,
            replace(conname, 'system_agents', 'user_agent_catalog')
        )
        FROM pg_catalog.pg_constraint
        WHERE conrelid = 'public.user_agent_catalog'::regclass
          AND strpos(conname, 'system_agents') > 0
    LOOP
        EXECUTE renaming;
    END LOOP;

    FOR renaming IN
        SELECT format(
            'ALTER INDEX public.%I RENAME TO %I',
            i.relname,
            replace(i.relname, 'system_agents', 'user_agent_catalog')
        )
        FROM pg_catalog.pg_index AS x
        JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
        WHERE x.indrelid = 'public.user_agent_catalog'::regclass
          AND strpos(i.relname, 'system_agents') > 0
    LOOP
        EXECUTE renaming;
    END LOOP;
END
$$;


-- ---------------------------------------------------------------------------------------------------------
-- 4. user_agents comes back
-- ---------------------------------------------------------------------------------------------------------
-- Rows first, then foreign keys and indexes: one pass for each instead of one look-up for each row.

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
        CHECK (agent_type IN ('INTENT_RECOGNITION', 'TASK_EXECUTION', 'RESULT_REPORTING'))
);

-- The agents that were there. Those of a deleted user have left the archive with their user; those of a deleted
-- llm stay away; a deleted creator or editor becomes NULL, as the foreign key would have made it.
INSERT INTO public.user_agents (
    id, user_id, llm_id, agent_type, config, status,
    created_by, updated_by, created_at, updated_at, deleted_at
)
SELECT
    kept.id,
    kept.user_id,
    kept.llm_id,
    kept.agent_type,
    kept.config,
    kept.status,
    creator.id,
    editor.id,
    kept.created_at,
    kept.updated_at,
    kept.deleted_at
FROM agent_architecture_archive.user_agents AS kept
JOIN public.llms AS llm ON llm.id = kept.llm_id
LEFT JOIN auth.users AS creator ON creator.id = kept.created_by
LEFT JOIN auth.users AS editor ON editor.id = kept.updated_by;

-- The agents of those who signed up since.
INSERT INTO public.user_agents (id, user_id, llm_id, agent_type, config, status, created_by, updated_by)
SELECT
    gen_random_uuid(),
    newcomer.id,
    catalog.llm_id,
    catalog.agent_type,
    catalog.config,
    catalog.status,
    newcomer.id,
    newcomer.id
FROM auth.users AS newcomer
CROSS JOIN public.user_agent_catalog AS catalog
WHERE NOT EXISTS (
    SELECT
    FROM agent_architecture_archive.users AS known
    WHERE known.id = newcomer.id
);

-- Lock: SHARE ROW EXCLUSIVE on auth.users and llms, held since section 1.
ALTER TABLE public.user_agents
    ADD CONSTRAINT fk_user_agents_user_id FOREIGN KEY (user_id)
        REFERENCES auth.users (id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_user_agents_llm_id FOREIGN KEY (llm_id)
        REFERENCES public.llms (id) ON DELETE RESTRICT,
    ADD CONSTRAINT fk_user_agents_created_by FOREIGN KEY (created_by)
        REFERENCES auth.users (id) ON DELETE SET NULL,
    ADD CONSTRAINT fk_user_agents_updated_by FOREIGN KEY (updated_by)
        REFERENCES auth.users (id) ON DELETE SET NULL;

CREATE INDEX ix_user_agents_agent_type
    ON public.user_agents (agent_type);

CREATE INDEX ix_user_agents_status
    ON public.user_agents (status);

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
-- 5. memories: agent_id comes back, as the last column
-- ---------------------------------------------------------------------------------------------------------
-- Lock: ACCESS EXCLUSIVE on memories, held since section 1. A new column without a default writes no row.

ALTER TABLE public.memories
    ADD COLUMN agent_id uuid NULL;

-- Only for a memory that is still a work memory, and whose agent has come back.
UPDATE public.memories AS m
SET agent_id = agent.id
FROM agent_architecture_archive.memories AS kept
JOIN public.user_agents AS agent ON agent.id = kept.agent_id
WHERE m.id = kept.id
  AND m.memory_type = 'work';

ALTER TABLE public.memories
    ADD CONSTRAINT fk_memories_agent_id FOREIGN KEY (agent_id)
        REFERENCES public.user_agents (id) ON DELETE CASCADE;

CREATE INDEX ix_memories_agent_type_status
    ON public.memories (agent_id, memory_type, status);

-- Rows may have come that the check forbids: work memories written since the change, or whose agent has not
-- come back. They stay, and the check then binds only what is written from now on.
DO $$
DECLARE
    unfit bigint;
BEGIN
    SELECT count(*)
    INTO unfit
    FROM public.memories
    WHERE NOT (
        (memory_type = 'work' AND agent_id IS NOT NULL)
        OR (memory_type = 'user' AND agent_id IS NULL)
    );

    IF unfit = 0 THEN
        ALTER TABLE public.memories
            ADD CONSTRAINT chk_memory_type_agent_id CHECK (
                (memory_type = 'work' AND agent_id IS NOT NULL)
                OR (memory_type = 'user' AND agent_id IS NULL)
            );
    ELSE
        ALTER TABLE public.memories
            ADD CONSTRAINT chk_memory_type_agent_id CHECK (
                (memory_type = 'work' AND agent_id IS NOT NULL)
                OR (memory_type = 'user' AND agent_id IS NULL)
            ) NOT VALID;

        RAISE NOTICE 'memories that violate chk_memory_type_agent_id: %. It is back as NOT VALID: updating such a row '
            'fails until it is fixed. Give each work memory an agent or delete it, then run: '
            'ALTER TABLE public.memories VALIDATE CONSTRAINT chk_memory_type_agent_id;', unfit;
    END IF;
END
$$;


-- ---------------------------------------------------------------------------------------------------------
-- 6. profiles: agent_prompts goes where nobody has used it
-- ---------------------------------------------------------------------------------------------------------
-- Lock: SHARE ROW EXCLUSIVE on profiles, held since section 1: reading goes on. updated_at is left alone.

-- SQL NULL and JSON null come back, unless something has been filled in.
UPDATE public.profiles AS p
SET settings = kept.settings
FROM agent_architecture_archive.profiles AS kept
WHERE p.id = kept.id
  AND (kept.settings IS NULL OR jsonb_typeof(kept.settings) = 'null')
  AND p.settings = '{"agent_prompts": {}}';

-- An agent_prompts that is still empty goes, where the change put it or a sign-up since. Other keys stay.
UPDATE public.profiles AS p
SET settings = p.settings - 'agent_prompts'
WHERE p.settings -> 'agent_prompts' = '{}'
  AND (
      EXISTS (
          SELECT
          FROM agent_architecture_archive.profiles AS kept
          WHERE kept.id = p.id
      )
      OR NOT EXISTS (
          SELECT
          FROM agent_architecture_archive.users AS known
          WHERE known.id = p.id
      )
  );


-- ---------------------------------------------------------------------------------------------------------
-- 7. Signing up makes agents again
-- ---------------------------------------------------------------------------------------------------------
-- Replacing keeps the owner and who may EXECUTE. The trigger finds the old body at its next call.

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


-- ---------------------------------------------------------------------------------------------------------
-- 8. Owner, grants, comments, publications
-- ---------------------------------------------------------------------------------------------------------
-- To read beforehand what this runs:
--
--     SELECT statement FROM agent_architecture_archive.statements ORDER BY step, position;
--
-- First goes what default privileges have granted on the new table. Then each statement runs by itself: one that
-- cannot, because its role or publication is gone or belongs to somebody else, is a warning to act on, and not
-- a reason to keep the data from coming back.

DO $$
DECLARE
    granted text;
    kept text;
BEGIN
    FOR granted IN
        SELECT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
        WHERE c.oid = 'public.user_agents'::regclass
          AND acl.grantee <> c.relowner
        GROUP BY acl.grantee
    LOOP
        EXECUTE 'REVOKE ALL ON TABLE public.user_agents FROM ' || granted;
    END LOOP;

    FOR kept IN
        SELECT statement
        FROM agent_architecture_archive.statements
        ORDER BY step, position
    LOOP
        BEGIN
            EXECUTE kept;
        EXCEPTION
            WHEN insufficient_privilege OR undefined_object OR undefined_table THEN
                RAISE WARNING 'not restored: % (%)', kept, SQLERRM;
        END;
    END LOOP;
END
$$;


-- ---------------------------------------------------------------------------------------------------------
-- 9. The archive has done its work
-- ---------------------------------------------------------------------------------------------------------
-- Lock: ACCESS EXCLUSIVE on auth.users from here to commit, because the foreign keys of the archive go. Without
-- CASCADE: whatever somebody has built upon the archive stops the script here, and nothing is lost.

DROP TABLE agent_architecture_archive.users;

DROP TABLE agent_architecture_archive.user_agents;

DROP TABLE agent_architecture_archive.memories;

DROP TABLE agent_architecture_archive.profiles;

DROP TABLE agent_architecture_archive.statements;

DROP SCHEMA agent_architecture_archive;
