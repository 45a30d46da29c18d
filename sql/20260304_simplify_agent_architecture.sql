-- depends: 20260301_agent_baseline
--
-- Agent architecture, simplified: one set of system agents instead of a copy for each user
--
-- What goes:    public.user_agents, and public.memories.agent_id
-- What stays:   public.user_agent_catalog, under the name public.system_agents
-- What is new:  profiles carry {"agent_prompts": {}} in their settings; a sign-up makes no agents
-- What is kept: all that is dropped, in schema agent_architecture_archive, for the rollback
--
-- Runs as:  the role that owns the tables and the function. It needs TRIGGER, REFERENCES and SELECT on
--           auth.users, but does not own it: so no trigger there is dropped, renamed or commented on.
-- Locks:    until commit, sign-ups wait from section 1 on, and so does everything that reads user_agents,
--           memories or the catalog, or writes profiles or llms. Sections 2 and 5 take time by rows: the first
--           copies user_agents and reads memories, profiles and auth.users once; the second writes the profiles
--           that lack agent_prompts. Only then, in section 9, do sign-ins wait, and all else that reads auth.users
--           or llms; that is the last section, and takes a moment. No table is rewritten.
-- Server:   PostgreSQL 14 to 18, one transaction, READ COMMITTED.
-- Undo:     20260304_simplify_agent_architecture.rollback.sql


-- ---------------------------------------------------------------------------------------------------------
-- 0. Before anything is locked
-- ---------------------------------------------------------------------------------------------------------
-- Row level security must not hide rows from the archive without a word: with this setting, a read that would
-- be filtered is an error. (Supabase has it on for auth.users; its role postgres bypasses it.)

SET LOCAL row_security = off;

DO $$
BEGIN
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
-- A sign-up locks auth.users first and then our tables, so we do the same. A sign-up in flight finishes before
-- we read, and keeps its agents in the archive. One that arrives later waits at auth.users, where it holds
-- nothing that we need, and then runs the new function.
--
-- The trigger is replaced by itself: that takes SHARE ROW EXCLUSIVE on auth.users (writers wait, readers do not)
-- and needs the right TRIGGER only. LOCK TABLE would need a right to write there.

CREATE OR REPLACE TRIGGER on_auth_user_created
    AFTER INSERT ON auth.users
    FOR EACH ROW
    EXECUTE FUNCTION public.create_profile_for_new_user();

-- Before the tables that refer to llms: a delete from llms looks there next, and so does loading seed data.
LOCK TABLE public.llms IN SHARE ROW EXCLUSIVE MODE;

-- The strongest lock that each table will need, at once: raising a lock later is what makes deadlocks.
LOCK TABLE public.user_agents IN ACCESS EXCLUSIVE MODE;

LOCK TABLE public.memories IN ACCESS EXCLUSIVE MODE;

LOCK TABLE public.profiles IN SHARE ROW EXCLUSIVE MODE;

LOCK TABLE public.user_agent_catalog IN ACCESS EXCLUSIVE MODE;

-- Two locks grow later: dropping foreign keys takes ACCESS EXCLUSIVE on auth.users, which we could not have now,
-- and on llms, which everybody reads. Then sign-ins wait too. That is why it comes last, in section 9.


-- ---------------------------------------------------------------------------------------------------------
-- 2. Archive: rows
-- ---------------------------------------------------------------------------------------------------------
-- No table has a time stamp of its own: applying twice gives the same. Each has a primary key: in a
-- database with a publication FOR ALL TABLES, rows without one could not be deleted, and so no user could.

CREATE SCHEMA agent_architecture_archive;

COMMENT ON SCHEMA agent_architecture_archive
    IS 'what 20260304_simplify_agent_architecture dropped; its rollback reads it and removes it';

-- Everybody who is a user now. The rollback tells them from those who sign up after the change.
CREATE TABLE agent_architecture_archive.users AS
SELECT id
FROM auth.users;

CREATE TABLE agent_architecture_archive.user_agents AS
SELECT
    id,
    user_id,
    llm_id,
    agent_type,
    config,
    status,
    created_by,
    updated_by,
    created_at,
    updated_at,
    deleted_at
FROM public.user_agents;

CREATE TABLE agent_architecture_archive.memories AS
SELECT
    id,
    user_id,
    agent_id
FROM public.memories
WHERE agent_id IS NOT NULL;

-- The profiles that section 5 changes, and what they had. SQL NULL needs its own line: NOT (NULL ? key) is
-- NULL, not true. So does the type: '"agent_prompts"' ? 'agent_prompts' is true, and settings that are an
-- array, a string, a number or a boolean are not ours to touch.
CREATE TABLE agent_architecture_archive.profiles AS
SELECT
    id,
    settings
FROM public.profiles
WHERE settings IS NULL
   OR jsonb_typeof(settings) = 'null'
   OR (jsonb_typeof(settings) = 'object' AND NOT settings ? 'agent_prompts');

-- A deleted user takes all archived rows along. The index is what the cascade looks them up by.
-- Keys come after the rows: one pass for each instead of one look-up for each row. The lock on auth.users
-- is the one that we hold.
ALTER TABLE agent_architecture_archive.users
    ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (id) REFERENCES auth.users (id) ON DELETE CASCADE;

ALTER TABLE agent_architecture_archive.user_agents
    ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE;

CREATE INDEX user_agents_user_id_idx
    ON agent_architecture_archive.user_agents (user_id);

ALTER TABLE agent_architecture_archive.memories
    ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE;

CREATE INDEX memories_user_id_idx
    ON agent_architecture_archive.memories (user_id);

ALTER TABLE agent_architecture_archive.profiles
    ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (id) REFERENCES auth.users (id) ON DELETE CASCADE;


-- ---------------------------------------------------------------------------------------------------------
-- 3. Archive: what hangs on the table and the column
-- ---------------------------------------------------------------------------------------------------------
-- The rollback makes user_agents and agent_id as the baseline does. What somebody has added to them since is
-- kept here as statements, to be read at any time:
--
--     SELECT statement FROM agent_architecture_archive.statements ORDER BY step, position;
--
-- A right that was granted by another role than the owner comes back as granted by the owner.

CREATE TABLE agent_architecture_archive.statements (
    step       smallint  NOT NULL,
    position   bigint    NOT NULL,
    statement  text      NOT NULL,
    PRIMARY KEY (step, position)
);

-- Step 1: the owner, row level security for the owner too, storage parameters, and the replica identity.
INSERT INTO agent_architecture_archive.statements (step, position, statement)
SELECT
    1,
    part.position,
    'ALTER TABLE public.user_agents ' || part.clause
FROM pg_catalog.pg_class AS c
CROSS JOIN LATERAL (
    VALUES
        (1, format('OWNER TO %I', pg_get_userbyid(c.relowner))),
        (2, CASE WHEN c.relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END),
        (3, 'SET (' || array_to_string(c.reloptions, ', ') || ')'),
        (4, CASE c.relreplident
                WHEN 'f' THEN 'REPLICA IDENTITY FULL'
                WHEN 'n' THEN 'REPLICA IDENTITY NOTHING'
                WHEN 'i' THEN (
                    SELECT 'REPLICA IDENTITY USING INDEX ' || quote_ident(i.relname)
                    FROM pg_catalog.pg_index AS x
                    JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
                    WHERE x.indrelid = c.oid
                      AND x.indisreplident
                )
            END)
) AS part (position, clause)
WHERE c.oid = 'public.user_agents'::regclass
  AND part.clause IS NOT NULL;

-- Step 2: rights on the table. The owner has all of them from the start, others get theirs in the old order.
INSERT INTO agent_architecture_archive.statements (step, position, statement)
SELECT
    2,
    acl.position,
    format(
        'GRANT %s ON TABLE public.user_agents TO %s%s',
        acl.privilege_type,
        CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END,
        CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' END
    )
FROM pg_catalog.pg_class AS c
CROSS JOIN LATERAL aclexplode(c.relacl)
    WITH ORDINALITY AS acl (grantor, grantee, privilege_type, is_grantable, position)
WHERE c.oid = 'public.user_agents'::regclass
  AND acl.grantee <> c.relowner;

-- Step 3: rights that the owner has given up. No ACL at all means: none.
INSERT INTO agent_architecture_archive.statements (step, position, statement)
SELECT
    3,
    row_number() OVER (ORDER BY lost.privilege_type),
    format('REVOKE %s ON TABLE public.user_agents FROM %I', lost.privilege_type, pg_get_userbyid(lost.grantee))
FROM (
    SELECT usual.grantee, usual.privilege_type
    FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL aclexplode(acldefault('r', c.relowner)) AS usual
    WHERE c.oid = 'public.user_agents'::regclass
    EXCEPT
    SELECT actual.grantee, actual.privilege_type
    FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS actual
    WHERE c.oid = 'public.user_agents'::regclass
) AS lost;

-- Step 4: rights on single columns.
INSERT INTO agent_architecture_archive.statements (step, position, statement)
SELECT
    4,
    row_number() OVER (ORDER BY c.relname, a.attnum, acl.position),
    format(
        'GRANT %s (%I) ON TABLE public.%I TO %s%s',
        acl.privilege_type,
        a.attname,
        c.relname,
        CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END,
        CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' END
    )
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
CROSS JOIN LATERAL aclexplode(a.attacl)
    WITH ORDINALITY AS acl (grantor, grantee, privilege_type, is_grantable, position)
WHERE a.attrelid = 'public.user_agents'::regclass
   OR (a.attrelid = 'public.memories'::regclass AND a.attname = 'agent_id');

-- Step 5: names of NOT NULL constraints, where they are not the usual ones. Only PostgreSQL 18 has any.
INSERT INTO agent_architecture_archive.statements (step, position, statement)
SELECT
    5,
    a.attnum,
    format(
        'ALTER TABLE public.user_agents RENAME CONSTRAINT %I TO %I',
        'user_agents_' || a.attname || '_not_null',
        con.conname
    )
FROM pg_catalog.pg_constraint AS con
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = con.conrelid AND a.attnum = con.conkey[1]
WHERE con.conrelid = 'public.user_agents'::regclass
  AND con.contype = 'n'
  AND con.conname <> 'user_agents_' || a.attname || '_not_null';

-- Step 6: comments, on the table, its columns, indexes, constraints and policies, and on all that agent_id has.
INSERT INTO agent_architecture_archive.statements (step, position, statement)
SELECT
    6,
    row_number() OVER (ORDER BY object.type, object.identity),
    format(
        'COMMENT ON %s %s IS %L',
        CASE object.type
            WHEN 'table column' THEN 'COLUMN'
            WHEN 'table constraint' THEN 'CONSTRAINT'
            ELSE upper(object.type)
        END,
        object.identity,
        d.description
    )
FROM pg_catalog.pg_description AS d
CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS object
WHERE (d.classoid, d.objoid) IN (
        SELECT 'pg_catalog.pg_class'::regclass, 'public.user_agents'::regclass
        UNION ALL
        SELECT 'pg_catalog.pg_class'::regclass, indexrelid
        FROM pg_catalog.pg_index
        WHERE indrelid = 'public.user_agents'::regclass
           OR indexrelid = 'public.ix_memories_agent_type_status'::regclass
        UNION ALL
        SELECT 'pg_catalog.pg_constraint'::regclass, oid
        FROM pg_catalog.pg_constraint
        WHERE conrelid = 'public.user_agents'::regclass
           OR (
               conrelid = 'public.memories'::regclass
               AND conname IN ('fk_memories_agent_id', 'chk_memory_type_agent_id')
           )
        UNION ALL
        SELECT 'pg_catalog.pg_policy'::regclass, oid
        FROM pg_catalog.pg_policy
        WHERE polrelid = 'public.user_agents'::regclass
    )
   OR (d.classoid, d.objoid, d.objsubid) IN (
        SELECT 'pg_catalog.pg_class'::regclass, attrelid, attnum
        FROM pg_catalog.pg_attribute
        WHERE attrelid = 'public.memories'::regclass
          AND attname = 'agent_id'
    );

-- Step 7: publications that name the table. One that names columns of memories, agent_id among them, would not
-- let the column go: it is told to leave it out, and the rollback tells it to publish it again. (A row filter
-- that reads agent_id stops the script in section 8: only its owner can say what should be published instead.)
DO $$
DECLARE
    listed record;
BEGIN
    IF current_setting('server_version_num')::integer < 150000 THEN
        -- PostgreSQL 14 knows neither column lists nor row filters.
        INSERT INTO agent_architecture_archive.statements (step, position, statement)
        SELECT
            7,
            row_number() OVER (ORDER BY p.pubname),
            format('ALTER PUBLICATION %I ADD TABLE public.user_agents', p.pubname)
        FROM pg_catalog.pg_publication_rel AS r
        JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
        WHERE r.prrelid = 'public.user_agents'::regclass;

        RETURN;
    END IF;

    FOR listed IN
        SELECT
            row_number() OVER (ORDER BY c.relname, p.pubname) AS position,
            c.relname = 'memories' AS is_memories,
            format('ALTER PUBLICATION %I DROP TABLE public.%I', p.pubname, c.relname) AS take_out,
            format('ALTER PUBLICATION %I ADD TABLE public.%I', p.pubname, c.relname) AS put_in,
            ' (' || columns.as_before || ')' AS columns_before,
            ' (' || columns.without_agent_id || ')' AS columns_after,
            coalesce(' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')', '') AS row_filter
        FROM pg_catalog.pg_publication_rel AS r
        JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
        JOIN pg_catalog.pg_class AS c ON c.oid = r.prrelid
        CROSS JOIN LATERAL (
            SELECT
                string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
                string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.attname <> 'agent_id'),
                bool_or(a.attname = 'agent_id')
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = r.prrelid
              AND a.attnum = ANY (r.prattrs::smallint[])
        ) AS columns (as_before, without_agent_id, has_agent_id)
        WHERE r.prrelid = 'public.user_agents'::regclass
           OR (r.prrelid = 'public.memories'::regclass AND columns.has_agent_id)
    LOOP
        INSERT INTO agent_architecture_archive.statements (step, position, statement)
        VALUES (
            7,
            listed.position,
            CASE WHEN listed.is_memories THEN listed.take_out || '; ' ELSE '' END
                || listed.put_in || coalesce(listed.columns_before, '') || listed.row_filter
        );

        IF listed.is_memories THEN
            EXECUTE listed.take_out;
            EXECUTE listed.put_in || listed.columns_after || listed.row_filter;
        END IF;
    END LOOP;
END
$$;

-- All else that somebody has added to the table or to agent_id goes with them, and is named here, so that it
-- is not missed after a rollback. (What lies outside, such as a view, stops the script: nothing is cascaded.)
DO $$
DECLARE
    part text;
BEGIN
    FOR part IN
        WITH agent_id AS (
            SELECT attrelid, attnum
            FROM pg_catalog.pg_attribute
            WHERE attrelid = 'public.memories'::regclass
              AND attname = 'agent_id'
        )
        SELECT pg_describe_object(found.classid, found.objid, found.objsubid)
        FROM (
            SELECT 'pg_catalog.pg_class'::regclass, attrelid, attnum, attname
            FROM pg_catalog.pg_attribute
            WHERE attrelid = 'public.user_agents'::regclass
              AND attnum > 0
              AND NOT attisdropped
            UNION ALL
            SELECT 'pg_catalog.pg_class'::regclass, x.indexrelid, 0, i.relname
            FROM agent_id AS a
            CROSS JOIN pg_catalog.pg_index AS x
            JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
            WHERE x.indrelid = 'public.user_agents'::regclass
               OR (x.indrelid = a.attrelid AND a.attnum = ANY (x.indkey::smallint[]))
            UNION ALL
            SELECT 'pg_catalog.pg_constraint'::regclass, con.oid, 0, con.conname
            FROM agent_id AS a
            CROSS JOIN pg_catalog.pg_constraint AS con
            WHERE con.contype <> 'n'
              AND (
                  con.conrelid = 'public.user_agents'::regclass
                  OR (con.conrelid = a.attrelid AND a.attnum = ANY (con.conkey))
              )
            UNION ALL
            SELECT 'pg_catalog.pg_trigger'::regclass, oid, 0, tgname
            FROM pg_catalog.pg_trigger
            WHERE tgrelid = 'public.user_agents'::regclass
              AND NOT tgisinternal
            UNION ALL
            SELECT 'pg_catalog.pg_policy'::regclass, oid, 0, polname
            FROM pg_catalog.pg_policy
            WHERE polrelid = 'public.user_agents'::regclass
        ) AS found (classid, objid, objsubid, name)
        WHERE found.name NOT IN (
            'id', 'user_id', 'llm_id', 'agent_type', 'config', 'status',
            'created_by', 'updated_by', 'created_at', 'updated_at', 'deleted_at',
            'user_agents_pkey', 'uq_user_agents_user_id_agent_type', 'chk_agent_type',
            'fk_user_agents_user_id', 'fk_user_agents_llm_id',
            'fk_user_agents_created_by', 'fk_user_agents_updated_by',
            'ix_user_agents_agent_type', 'ix_user_agents_status',
            'fk_memories_agent_id', 'chk_memory_type_agent_id', 'ix_memories_agent_type_status',
            'anon_select_user_agents', 'anon_insert_user_agents',
            'anon_update_user_agents', 'anon_delete_user_agents',
            'authenticated_select_user_agents', 'authenticated_insert_user_agents',
            'authenticated_update_user_agents', 'authenticated_delete_user_agents'
        )
        ORDER BY 1
    LOOP
        RAISE WARNING '% goes with this change, and its rollback will not bring it back', part;
    END LOOP;
END
$$;


-- ---------------------------------------------------------------------------------------------------------
-- 4. Archive: closed to everybody but its owner
-- ---------------------------------------------------------------------------------------------------------
-- A new schema is closed, unless somebody has set default privileges for all schemas: whatever they granted is
-- taken back, from whomever. Row level security without a policy is a second wall, should a grant come later.

DO $$
DECLARE
    opened record;
BEGIN
    FOR opened IN
        SELECT
            entry.what,
            CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS who
        FROM (
            SELECT format('SCHEMA %I', nspname), nspacl, nspowner
            FROM pg_catalog.pg_namespace
            WHERE nspname = 'agent_architecture_archive'
            UNION ALL
            SELECT format('TABLE agent_architecture_archive.%I', relname), relacl, relowner
            FROM pg_catalog.pg_class
            WHERE relnamespace = 'agent_architecture_archive'::regnamespace
              AND relkind = 'r'
        ) AS entry (what, acl, owner)
        CROSS JOIN LATERAL aclexplode(entry.acl) AS acl
        WHERE acl.grantee <> entry.owner
        GROUP BY entry.what, acl.grantee
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', opened.what, opened.who);
    END LOOP;
END
$$;

ALTER TABLE agent_architecture_archive.users
    ENABLE ROW LEVEL SECURITY;

ALTER TABLE agent_architecture_archive.user_agents
    ENABLE ROW LEVEL SECURITY;

ALTER TABLE agent_architecture_archive.memories
    ENABLE ROW LEVEL SECURITY;

ALTER TABLE agent_architecture_archive.profiles
    ENABLE ROW LEVEL SECURITY;

ALTER TABLE agent_architecture_archive.statements
    ENABLE ROW LEVEL SECURITY;


-- ---------------------------------------------------------------------------------------------------------
-- 5. Existing profiles get agent_prompts
-- ---------------------------------------------------------------------------------------------------------
-- Lock: SHARE ROW EXCLUSIVE on profiles, held since section 1: reading goes on. Exactly the profiles that
-- section 2 has kept, whose settings are SQL NULL, JSON null or an object. updated_at is left alone: no user has
-- edited anything.

UPDATE public.profiles AS p
SET settings = CASE jsonb_typeof(kept.settings)
        WHEN 'object' THEN kept.settings || '{"agent_prompts": {}}'
        ELSE '{"agent_prompts": {}}'
    END
FROM agent_architecture_archive.profiles AS kept
WHERE p.id = kept.id;


-- ---------------------------------------------------------------------------------------------------------
-- 6. Signing up: a profile with room for prompts, and no agents
-- ---------------------------------------------------------------------------------------------------------
-- Replacing keeps the owner and who may EXECUTE. The trigger finds the new body at its next call.

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
        '{"agent_prompts": {}}'
    )
    ON CONFLICT (id) DO NOTHING;

    RETURN NEW;
END
$$;


-- ---------------------------------------------------------------------------------------------------------
-- 7. user_agent_catalog becomes system_agents
-- ---------------------------------------------------------------------------------------------------------
-- Lock: ACCESS EXCLUSIVE on the table, held since section 1. Renaming changes the catalog only, and keeps rows,
-- owner, grants, comments and publications. That is why policies are renamed too, not dropped and made again.

ALTER TABLE public.user_agent_catalog
    RENAME TO system_agents;

ALTER TABLE public.system_agents
    RENAME CONSTRAINT user_agent_catalog_pkey TO system_agents_pkey;

ALTER TABLE public.system_agents
    RENAME CONSTRAINT user_agent_catalog_agent_type_key TO system_agents_agent_type_key;

ALTER TABLE public.system_agents
    RENAME CONSTRAINT fk_user_agent_catalog_llm_id TO fk_system_agents_llm_id;

ALTER TABLE public.system_agents
    RENAME CONSTRAINT chk_user_agent_catalog_status TO chk_system_agents_status;

ALTER POLICY anon_select_user_agent_catalog ON public.system_agents
    RENAME TO anon_select_system_agents;

ALTER POLICY anon_insert_user_agent_catalog ON public.system_agents
    RENAME TO anon_insert_system_agents;

ALTER POLICY anon_update_user_agent_catalog ON public.system_agents
    RENAME TO anon_update_system_agents;

ALTER POLICY anon_delete_user_agent_catalog ON public.system_agents
    RENAME TO anon_delete_system_agents;

ALTER POLICY authenticated_select_user_agent_catalog ON public.system_agents
    RENAME TO authenticated_select_system_agents;

ALTER POLICY authenticated_insert_user_agent_catalog ON public.system_agents
    RENAME TO authenticated_insert_system_agents;

ALTER POLICY authenticated_update_user_agent_catalog ON public.system_agents
    RENAME TO authenticated_update_system_agents;

ALTER POLICY authenticated_delete_user_agent_catalog ON public.system_agents
    RENAME TO authenticated_delete_system_agents;

-- What else carries the old name: the NOT NULL constraints (PostgreSQL 18 has them in pg_constraint), and
-- constraints and indexes that somebody has added.
DO $$
DECLARE
    renaming text;
BEGIN
    FOR renaming IN
        SELECT format(
            'ALTER TABLE public.system_agents RENAME CONSTRAINT %I TO %I',
            conname,
            replace(conname, 'user_agent_catalog', 'system_agents')
        )
        FROM pg_catalog.pg_constraint
        WHERE conrelid = 'public.system_agents'::regclass
          AND strpos(conname, 'user_agent_catalog') > 0
    LOOP
        EXECUTE renaming;
    END LOOP;

    FOR renaming IN
        SELECT format(
            'ALTER INDEX public.%I RENAME TO %I',
            i.relname,
            replace(i.relname, 'user_agent_catalog', 'system_agents')
        )
        FROM pg_catalog.pg_index AS x
        JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
        WHERE x.indrelid = 'public.system_agents'::regclass
          AND strpos(i.relname, 'user_agent_catalog') > 0
    LOOP
        EXECUTE renaming;
    END LOOP;
END
$$;


-- ---------------------------------------------------------------------------------------------------------
-- 8. memories: agent_id goes
-- ---------------------------------------------------------------------------------------------------------
-- Lock: ACCESS EXCLUSIVE on memories and user_agents, held since section 1. Only the catalog changes, the rows
-- are not rewritten. Index and constraints are dropped by name: a wrong name is an error, not a surprise.

DROP INDEX public.ix_memories_agent_type_status;

ALTER TABLE public.memories
    DROP CONSTRAINT chk_memory_type_agent_id,
    DROP CONSTRAINT fk_memories_agent_id,
    DROP COLUMN agent_id;


-- ---------------------------------------------------------------------------------------------------------
-- 9. user_agents goes
-- ---------------------------------------------------------------------------------------------------------
-- Lock: ACCESS EXCLUSIVE on auth.users and llms from here to commit, because foreign keys to them go. Nothing
-- is scanned, so this lasts milliseconds once the locks are there.
--
-- With the table go its eight policies, row level security, chk_agent_type, the primary key,
-- uq_user_agents_user_id_agent_type, ix_user_agents_agent_type and ix_user_agents_status.

ALTER TABLE public.user_agents
    DROP CONSTRAINT fk_user_agents_user_id,
    DROP CONSTRAINT fk_user_agents_created_by,
    DROP CONSTRAINT fk_user_agents_updated_by,
    DROP CONSTRAINT fk_user_agents_llm_id;

DROP TABLE public.user_agents;
