-- Rows as a busy application has them, one for each case that the change and its rollback know. They are loaded into a
-- scratch database before the change is tried, and every table must hold the same rows after the rollback.

INSERT INTO public.llms (id, model_code, provider)
VALUES ('10000000-0000-4000-8000-000000000001', 'small', 'a provider'),
       ('10000000-0000-4000-8000-000000000002', 'large', 'a provider'),
       ('10000000-0000-4000-8000-000000000003', 'spare', 'another provider');

INSERT INTO public.user_agent_catalog (agent_type, llm_id, status, config)
VALUES ('INTENT_RECOGNITION', '10000000-0000-4000-8000-000000000001', 'active', '{"temperature": 0}'),
       ('TASK_EXECUTION', '10000000-0000-4000-8000-000000000002', 'active', '{"steps": 3}'),
       ('RESULT_REPORTING', '10000000-0000-4000-8000-000000000001', 'inactive', '{}');

-- Signing up gives each of them a profile and the three agents of the catalog.
INSERT INTO auth.users (id, email, raw_user_meta_data)
VALUES ('20000000-0000-4000-8000-000000000001', 'ann@example.org', '{"username": "ann"}'),
       ('20000000-0000-4000-8000-000000000002', 'bob@example.org', '{"username": ""}'),
       ('20000000-0000-4000-8000-000000000003', NULL, NULL),
       ('20000000-0000-4000-8000-000000000004', 'no-agents@example.org', '{}'),
       ('20000000-0000-4000-8000-000000000005', 'json-null@example.org', '{}'),
       ('20000000-0000-4000-8000-000000000006', 'array@example.org', '{}'),
       ('20000000-0000-4000-8000-000000000007', 'text@example.org', '{}'),
       ('20000000-0000-4000-8000-000000000008', 'number@example.org', '{}'),
       ('20000000-0000-4000-8000-000000000009', 'has-the-key@example.org', '{}'),
       ('20000000-0000-4000-8000-000000000010', 'leaves-later@example.org', '{}');

-- Settings of every kind that JSON knows, and none at all; `updated_at` must stay as it is here.
UPDATE public.profiles
SET updated_at = '2026-01-01 00:00:00+00',
    settings   = CASE id
                     WHEN '20000000-0000-4000-8000-000000000002' THEN '{"theme": "dark"}'
                     WHEN '20000000-0000-4000-8000-000000000003' THEN NULL
                     WHEN '20000000-0000-4000-8000-000000000005' THEN 'null'
                     WHEN '20000000-0000-4000-8000-000000000006' THEN '["agent_prompts"]'
                     WHEN '20000000-0000-4000-8000-000000000007' THEN '"agent_prompts"'
                     WHEN '20000000-0000-4000-8000-000000000008' THEN '42'
                     WHEN '20000000-0000-4000-8000-000000000009' THEN '{"agent_prompts": {"TASK_EXECUTION": "be brief"}}'
                     ELSE '{}'
                 END::jsonb;

DELETE FROM public.user_agents
WHERE user_id = '20000000-0000-4000-8000-000000000004';

-- An agent that another user made and nobody edited, one that was taken out of use, one with settings of its own.
UPDATE public.user_agents
SET created_by = '20000000-0000-4000-8000-000000000010',
    updated_by = NULL
WHERE user_id = '20000000-0000-4000-8000-000000000002'
  AND agent_type = 'TASK_EXECUTION';

UPDATE public.user_agents
SET status     = 'inactive',
    deleted_at = '2026-02-01 12:00:00+00'
WHERE user_id = '20000000-0000-4000-8000-000000000001'
  AND agent_type = 'RESULT_REPORTING';

UPDATE public.user_agents
SET config = '{"steps": 5}',
    llm_id = '10000000-0000-4000-8000-000000000003'
WHERE user_id = '20000000-0000-4000-8000-000000000001'
  AND agent_type = 'TASK_EXECUTION';

-- A work memory for each agent, and a user memory for each user.
INSERT INTO public.memories (user_id, memory_type, content, agent_id)
SELECT user_id, 'work', 'what ' || agent_type || ' learned', id
FROM public.user_agents;

INSERT INTO public.memories (user_id, memory_type, content)
SELECT id, 'user', 'what ' || coalesce(email, 'somebody') || ' likes'
FROM auth.users;
