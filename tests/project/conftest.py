"""The application that the shipped SQL changes, in four states."""

from __future__ import annotations

import pytest

from fixtures.postgres import Database
from project.application import AGENT_TYPES, BASELINE, Application, application


@pytest.fixture
def ground(supabase: Database) -> Application:
    """A Supabase-like database without any of our tables."""
    return application(supabase)


@pytest.fixture
def app(ground: Application) -> Application:
    """The application before the change: baseline, two models, the catalog of three agents, nobody signed up."""
    ground.run(BASELINE)
    for agent_type, model in zip(AGENT_TYPES, ("small", "large", "tiny"), strict=True):
        ground.insert(
            "user_agent_catalog",
            agent_type=agent_type,
            llm_id=ground.llm(model),
            status="active",
            config={"purpose": agent_type.lower()},
        )
    return ground


@pytest.fixture
def busy(app: Application) -> Application:
    """The application with rows of every kind that the change meets."""
    users = [app.sign_up(email=f"user{number}@example.com") for number in range(6)]
    settings = ("{}", '{"theme": "dark"}', None, "null", "[1, 2]", '{"agent_prompts": {"TASK_EXECUTION": "be brief"}}')
    for user, text in zip(users, settings, strict=True):
        app.set_settings(user, text)
        app.remember(user)
        app.remember(user, app.agent(user))
    first, second, third = users[:3]
    app.migrator.execute(
        "UPDATE user_agents SET created_by = %s, updated_by = NULL, config = '{\"own\": true}', status = 'inactive',"
        " created_at = '2025-01-01 10:00Z', updated_at = '2025-02-01 10:00Z', deleted_at = '2025-03-01 10:00Z'"
        " WHERE user_id = %s",
        [second, first],
    )
    app.migrator.execute("DELETE FROM user_agents WHERE user_id = %s", [third])
    return app
