-- What the application sends before the change of 20260304: for `sqlmigrate review --workload-file`.

-- name: own_agents
SELECT id, agent_type, llm_id, config FROM user_agents WHERE user_id = $1 AND deleted_at IS NULL;

-- name: agent_by_type
SELECT * FROM user_agents WHERE user_id = $1 AND agent_type = $2;

-- name: configure_agent
UPDATE user_agents SET config = $1, updated_by = $2, updated_at = now() WHERE id = $3;

-- name: agents_with_models
SELECT a.agent_type, m.model_code FROM user_agents AS a JOIN llms AS m ON m.id = a.llm_id WHERE a.user_id = $1;

-- name: agent_catalog
SELECT agent_type, config FROM user_agent_catalog WHERE status = 'active' ORDER BY agent_type;

-- name: work_memories
SELECT id, content FROM memories WHERE agent_id = $1 AND memory_type = 'work' AND status = $2;

-- name: remember_work
INSERT INTO memories (user_id, memory_type, content, agent_id) VALUES ($1, 'work', $2, $3) RETURNING id;

-- name: user_memories
SELECT id, content, created_at FROM memories WHERE user_id = $1 AND memory_type = 'user' ORDER BY created_at DESC;

-- name: remember_user
INSERT INTO memories (user_id, memory_type, content) VALUES ($1, 'user', $2) RETURNING id;

-- name: profile
SELECT username, avatar_url, bio, settings FROM profiles WHERE id = $1;

-- name: save_settings
UPDATE profiles SET settings = $1, updated_at = now() WHERE id = $2;

-- name: models
SELECT id, model_code, provider FROM llms WHERE status = 'active' AND deleted_at IS NULL;
