-- What must be true after the rollback, when the rows of the .after.sql file were written before it.

-- Newcomers have one agent for each row of the catalog.
SELECT count(*) = 6 AND bool_and(created_by = user_id AND updated_by = user_id)
FROM public.user_agents
WHERE user_id::text LIKE '30000000-%';

-- Who was known has what he had, and who had none has none.
SELECT count(*) = 0
FROM public.user_agents
WHERE user_id = '20000000-0000-4000-8000-000000000004';

SELECT count(*) = 3
FROM public.user_agents
WHERE user_id = '20000000-0000-4000-8000-000000000002';

-- The agent of an llm that is gone stays away; that of a creator who is gone comes back without him.
SELECT array_agg(agent_type::text ORDER BY agent_type) = '{INTENT_RECOGNITION,RESULT_REPORTING}'
FROM public.user_agents
WHERE user_id = '20000000-0000-4000-8000-000000000001';

SELECT created_by IS NULL AND updated_by IS NULL
FROM public.user_agents
WHERE user_id = '20000000-0000-4000-8000-000000000002'
  AND agent_type = 'TASK_EXECUTION';

-- Nothing is left of a user who left.
SELECT count(*) = 0
FROM public.user_agents
WHERE user_id = '20000000-0000-4000-8000-000000000010';

-- Memories find their agents again, unless they are no work any more or the agent is gone.
SELECT count(*) = 0
FROM public.memories AS memory
LEFT JOIN public.user_agents AS agent ON agent.id = memory.agent_id
WHERE memory.memory_type = 'work'
  AND memory.content <> 'written after the change'
  AND memory.content IS DISTINCT FROM 'what ' || agent.agent_type || ' learned'
  AND NOT (memory.user_id = '20000000-0000-4000-8000-000000000001' AND memory.content = 'what TASK_EXECUTION learned');

SELECT agent_id IS NULL
FROM public.memories
WHERE user_id = '20000000-0000-4000-8000-000000000002'
  AND content = 'what RESULT_REPORTING learned';

-- So the check on memories is back, but not valid.
SELECT NOT convalidated
FROM pg_catalog.pg_constraint
WHERE conname = 'chk_memory_type_agent_id';

-- Prompts that a user has filled in stay; empty ones that the change or a sign-up put there go.
SELECT settings = '{"agent_prompts": {"TASK_EXECUTION": "in verse"}}'
FROM public.profiles
WHERE id IN ('20000000-0000-4000-8000-000000000001', '20000000-0000-4000-8000-000000000003',
             '30000000-0000-4000-8000-000000000002');

SELECT NOT settings ? 'agent_prompts'
FROM public.profiles
WHERE id IN ('20000000-0000-4000-8000-000000000002', '30000000-0000-4000-8000-000000000001');

SELECT settings = 'null'
FROM public.profiles
WHERE id = '20000000-0000-4000-8000-000000000005';
