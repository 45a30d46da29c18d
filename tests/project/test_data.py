"""The repository's own seed data fits its own schema files and its own tables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from sqlmigrate.errors import SeedError
from sqlmigrate.seeds import Access, Choice, Export, apply, described, export, load
from sqlmigrate.seeds.exporting.texts import as_yaml
from support.places import ROOT

DATA = ROOT / "data"
SCRIPTS = ("20260301_agent_baseline.sql", "20260304_simplify_agent_architecture.sql")
TYPES = {"INTENT_RECOGNITION", "TASK_EXECUTION", "RESULT_REPORTING"}


@pytest.fixture
def changed_session(supabase) -> psycopg.Connection[Any]:
    changed_session = supabase.connect()
    for name in SCRIPTS:
        with changed_session.transaction():
            changed_session.execute((ROOT / "sql" / name).read_text(encoding="utf-8"))
    return changed_session


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA, tmp_path / "data"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_data_is_sound_and_needs_no_other_rows():
    seeds = load(DATA)

    assert [file.path.name for file in seeds.files] == ["llms.yaml", "system_agents.yaml"]
    assert seeds.warnings == ()


def test_there_is_exactly_one_agent_of_each_type():
    [_, agents] = load(DATA).files

    assert sorted(row.values["agent_type"] for row in agents.rows) == sorted(TYPES)


def test_agents_run_on_active_models():
    [llms, agents] = load(DATA).files
    active = {row.values["model_code"] for row in llms.rows if row.values["status"] == "active"}

    assert {row.values["llm_model_code"] for row in agents.rows if row.values["status"] == "active"} <= active


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("agent_type: TASK_EXECUTION", "agent_type: NEW_KIND", "'NEW_KIND' is not one of 'INTENT_RECOGNITION', "),
        ("temperature: 0.2", "temperature: hot", "agents[1].config.temperature: must be a number, not 'hot'"),
        ("temperature: 0.2", "temprature: 0.2", "the key 'temprature' is not allowed"),
        ("status: active", "status: deleted", "'deleted' is not one of 'active', 'inactive'"),
        ("      max_output_tokens: 512\n", "", "agents[0].config: 'max_output_tokens' is missing"),
    ],
)
def test_the_schema_of_the_agents_is_strict(copy, old, new, problem):
    edit(copy / "system_agents.yaml", old, new)

    with pytest.raises(SeedError) as caught:
        load(copy)

    assert any(problem in found.message for found in caught.value.problems)


def test_the_data_is_inserted_once_and_then_unchanged(changed_session):
    seeds = load(DATA)
    models = len(seeds.files[0].rows)

    first, second = apply(changed_session, seeds), apply(changed_session, seeds)

    assert [(t.inserted, t.updated, t.unchanged) for t in first.tables] == [(models, 0, 0), (3, 0, 0)]
    assert [(t.inserted, t.updated, t.unchanged) for t in second.tables] == [(0, 0, models), (0, 0, 3)]


def test_what_is_in_the_table_is_what_is_in_the_file(changed_session):
    seeds = load(DATA)
    apply(changed_session, seeds)

    found = changed_session.execute(
        """SELECT agent_type, model_code, a.status, config
        FROM system_agents AS a JOIN llms ON llms.id = a.llm_id ORDER BY agent_type"""
    ).fetchall()

    expected = [
        (row.values["agent_type"], row.values["llm_model_code"], row.values["status"], row.values["config"])
        for row in seeds.files[1].rows
    ]
    assert found == sorted(expected)


def test_agents_of_the_old_catalog_are_brought_up_to_the_file(changed_session):
    changed_session.execute("INSERT INTO llms (model_code, provider) VALUES ('old', 'old')")
    changed_session.execute(
        """INSERT INTO system_agents (agent_type, llm_id, status, config, created_at, updated_at)
        SELECT 'TASK_EXECUTION', id, 'inactive', %s, '2001-01-01Z', '2001-01-01Z' FROM llms""",
        [Jsonb({"mine": 1})],
    )

    [llms, agents] = apply(changed_session, load(DATA)).tables

    assert (agents.inserted, agents.updated, agents.unchanged) == (2, 1, 0)
    assert (llms.updated, llms.unchanged) == (0, 0)
    row = changed_session.execute(
        """SELECT config ? 'mine', status, created_at = '2001-01-01Z', updated_at > now() - interval '1 h'
        FROM system_agents WHERE agent_type = 'TASK_EXECUTION'"""
    ).fetchone()
    assert row == (False, "active", True, True)


def test_an_unknown_model_code_names_the_agent_type_and_writes_nothing(changed_session, copy):
    edit(copy / "system_agents.yaml", "llm_model_code: gpt-4.1-2025-04-14", "llm_model_code: gpt-99")

    with pytest.raises(SeedError, match="'gpt-99' of agent_type 'RESULT_REPORTING'"):
        apply(changed_session, load(copy))

    assert changed_session.execute("SELECT count(*) FROM llms").fetchone() == (0,)


def test_before_the_migrations_the_missing_table_is_named(supabase):
    with pytest.raises(SeedError) as caught:
        apply(supabase.connect(), load(DATA))

    messages = [problem.message for problem in caught.value.problems]
    assert "table public.llms does not exist" in messages
    assert "table public.system_agents does not exist" in messages
    assert {problem.hint for problem in caught.value.problems} == {"apply the migrations first: sqlmigrate apply"}


def test_what_was_seeded_can_be_exported_and_seeds_back_unchanged(changed_session, supabase, copy):
    apply(changed_session, load(copy))

    def take(one: Export) -> None:
        path = one.schema.path.with_name(one.schema.path.name.replace(".schema.json", ".yaml"))
        path.write_text("".join(as_yaml(one.rows, one.schema.mapping.list)), encoding="utf-8")

    names = ["llms", "system_agents"]
    export(supabase.conninfo, names, take, folders=[copy], choice=Choice(), access=Access())

    assert [file.path.name for file in load(copy).files] == ["llms.yaml", "system_agents.yaml"]
    assert apply(changed_session, load(copy)).written == 0
    assert "      system_prompt: |\n        You decide" in (copy / "system_agents.yaml").read_text(encoding="utf-8")


def test_a_schema_of_the_tables_has_the_mapping_that_is_shipped(changed_session, supabase):
    for name in ("llms", "system_agents"):
        made = described(supabase.conninfo, name, Choice(), Access()).schema["x-sqlmigrate"]
        shipped = json.loads((DATA / f"{name}.schema.json").read_text(encoding="utf-8"))["x-sqlmigrate"]

        assert made["conflict"] == shipped["conflict"]
        assert {name: made.get("columns", {}).get(name) for name in shipped.get("columns", {})} == shipped.get(
            "columns", {}
        )
