-- What happens in the application between the change and its rollback.

-- One who signed up after the change gets his agents from the catalog of then.
INSERT INTO auth.users (id, email, raw_user_meta_data)
VALUES ('30000000-0000-4000-8000-000000000001', 'new@example.org', '{"username": "new"}'),
       ('30000000-0000-4000-8000-000000000002', 'new-and-busy@example.org', '{}');

UPDATE public.profiles
SET settings = '{"agent_prompts": {"TASK_EXECUTION": "in verse"}}'
WHERE id IN ('20000000-0000-4000-8000-000000000001', '20000000-0000-4000-8000-000000000003',
             '30000000-0000-4000-8000-000000000002');

-- A user, a memory and an llm that are gone by then do not come back, and what refers to them does not stop anything.
DELETE FROM auth.users
WHERE id = '20000000-0000-4000-8000-000000000010';

DELETE FROM public.memories
WHERE user_id = '20000000-0000-4000-8000-000000000005'
  AND memory_type = 'user';

DELETE FROM public.llms
WHERE model_code = 'spare';

-- A memory that is no work any more, and one of work that has no agent: nobody can say whose it would be.
UPDATE public.memories
SET memory_type = 'user'
WHERE user_id = '20000000-0000-4000-8000-000000000002'
  AND content = 'what RESULT_REPORTING learned';

INSERT INTO public.memories (user_id, memory_type, content)
VALUES ('30000000-0000-4000-8000-000000000001', 'work', 'written after the change');
