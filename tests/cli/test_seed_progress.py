"""`seed` shows on a terminal how far it is, once it takes longer than a second."""

from __future__ import annotations

import pytest

from support.command import program, terminal
from support.seeds import AGENTS, LLMS, SeedFiles
from support.waiting import wait_until

TABLES = """
CREATE TABLE llms (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), model_code text UNIQUE);
CREATE TABLE agents (agent_type text PRIMARY KEY, llm_id uuid REFERENCES llms, updated_at timestamptz DEFAULT now());
"""
# longer than the second that a bar waits for
LONG_WAITING = """
SELECT clock_timestamp() - waitstart > interval '1.2 s'
FROM pg_locks
WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def seeded(project, target):
    """Two files, and the tables for their rows."""
    (project.root / "data").mkdir()
    project.config('lock_timeout = "5min"\n')
    files = SeedFiles(project.root / "data")
    files.file("llms", LLMS, "llms:\n  - {model_code: a}\n  - {model_code: b}\n")
    files.file("agents", AGENTS, "agents:\n  - {agent_type: T, llm_model_code: a}\n")
    target.connect().execute(TABLES)
    return target


def test_a_bar_says_how_far_it_is_beyond_a_second(seeded):
    looker, holder = seeded.connect(), seeded.connect(autocommit=False)
    holder.execute("LOCK TABLE agents IN SHARE ROW EXCLUSIVE MODE")

    with terminal("seed", columns=100) as screen:
        wait_until(lambda: (True,) in looker.execute(LONG_WAITING).fetchall())
        holder.rollback()
        assert screen.end() == 0

    assert "public.agents: 1 of 1" in screen.shown


def test_nothing_is_said_where_nobody_looks(seeded):
    assert "of 2" not in program("seed").stderr
