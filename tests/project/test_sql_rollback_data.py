"""The rollback's data: what was there comes back, what has been deleted does not, what is new fits in."""

from __future__ import annotations

import psycopg
import pytest

from project.application import AGENT_TYPES

AGENTS = "TABLE user_agents ORDER BY id"


def test_every_row_is_as_it_was(busy):
    before = busy.database.dump()
    busy.change()
    busy.undo()

    assert busy.database.dump() == before


def test_a_known_user_gets_exactly_the_agents_from_before_whatever_the_catalog_says_now(busy):
    before = busy.rows(AGENTS)
    busy.change()
    busy.migrator.execute("UPDATE system_agents SET config = '{\"newer\": 1}', status = 'inactive'")
    busy.undo()

    assert busy.rows(AGENTS) == before


def test_a_known_user_without_agents_stays_without(app):
    user = app.sign_up()
    app.migrator.execute("DELETE FROM user_agents")
    app.change()
    app.undo()

    assert app.agents(user) == []


def test_a_newcomer_gets_the_agents_of_the_current_catalog(app):
    app.change()
    user = app.sign_up()
    app.migrator.execute("DELETE FROM system_agents WHERE agent_type = 'RESULT_REPORTING'")
    app.migrator.execute("UPDATE system_agents SET config = '{\"newer\": 1}', status = 'inactive'")
    app.undo()

    assert app.rows(
        "SELECT user_id, agent_type, config, status, created_by, updated_by, deleted_at, created_at = updated_at"
        " FROM user_agents ORDER BY agent_type"
    ) == [
        (user, each, {"newer": 1}, "inactive", user, user, None, True)
        for each in ("INTENT_RECOGNITION", "TASK_EXECUTION")
    ]
    assert app.value(
        "SELECT bool_and(a.llm_id = c.llm_id) FROM user_agents a JOIN user_agent_catalog c USING (agent_type)"
    )


def test_the_agents_of_newcomers_stay_the_same_from_then_on(app):
    app.change()
    app.sign_up()
    app.undo()
    before = app.database.dump()
    app.change()
    app.undo()

    assert app.database.dump() == before


def test_a_newcomer_without_a_catalog_gets_no_agents(app):
    app.change()
    app.sign_up()
    app.migrator.execute("DELETE FROM system_agents")
    app.undo()

    assert app.rows(AGENTS) == []


def test_a_deleted_user_does_not_come_back_and_the_others_do(busy):
    first, *others = busy.column("SELECT id FROM auth.users")
    kept = busy.rows("SELECT id FROM user_agents WHERE user_id <> %s ORDER BY id", first)
    busy.change()
    busy.delete_user(first)
    busy.undo()

    assert busy.rows("SELECT id FROM user_agents ORDER BY id") == kept
    assert set(busy.column("SELECT id FROM profiles")) == set(others)


@pytest.mark.parametrize("column", ["created_by", "updated_by"])
def test_a_deleted_creator_or_editor_becomes_null_and_the_agent_stays(app, column):
    owner, other = app.sign_up(), app.sign_up()
    agent = app.agent(owner)
    app.migrator.execute(f"UPDATE user_agents SET {column} = %s WHERE id = %s", [other, agent])
    app.change()
    app.delete_user(other)
    app.undo()

    (created_by, updated_by) = app.rows("SELECT created_by, updated_by FROM user_agents WHERE id = %s", agent)[0]
    assert (created_by, updated_by) == ((None, owner) if column == "created_by" else (owner, None))


def test_the_agents_of_a_deleted_llm_stay_away_and_their_memories_lose_them(app):
    user = app.sign_up()
    gone, stays = app.agent(user, "TASK_EXECUTION"), app.agent(user, "RESULT_REPORTING")
    orphan, other = app.remember(user, gone), app.remember(user, stays)
    app.change()
    app.migrator.execute("DELETE FROM system_agents WHERE agent_type = 'TASK_EXECUTION'")
    app.migrator.execute("DELETE FROM llms WHERE model_code = 'large'")
    app.undo()

    assert app.agents(user) == ["INTENT_RECOGNITION", "RESULT_REPORTING"]
    assert dict(app.rows("SELECT id, agent_id FROM memories")) == {orphan: None, other: stays}


def test_a_deleted_memory_stays_deleted(busy):
    busy.change()
    gone = busy.value(
        "DELETE FROM memories WHERE id = (SELECT id FROM memories WHERE memory_type = 'work' LIMIT 1) RETURNING id"
    )
    busy.undo()

    assert gone not in busy.column("SELECT id FROM memories")


def test_a_memory_that_is_no_longer_a_work_memory_gets_no_agent(app):
    user = app.sign_up()
    memory = app.remember(user, app.agent(user))
    app.change()
    app.migrator.execute("UPDATE memories SET memory_type = 'user'")
    app.undo()

    assert app.rows("SELECT id, agent_id FROM memories") == [(memory, None)]
    assert app.notices == []


def validity(app):
    return app.value("SELECT convalidated FROM pg_constraint WHERE conname = 'chk_memory_type_agent_id'")


def test_the_check_is_valid_when_every_memory_fits(busy):
    busy.change()
    (user, *_) = busy.column("SELECT id FROM auth.users")
    busy.remember(user)
    busy.undo()

    assert validity(busy) is True
    assert busy.notices == []


def test_work_memories_of_after_the_change_make_the_check_not_valid_and_the_notice_says_what_to_do(busy):
    busy.change()
    (user, *_) = busy.column("SELECT id FROM auth.users")
    unfit = [busy.remember(user, memory_type="work") for _ in range(2)] + [busy.remember(user, memory_type="odd")]
    busy.undo()

    assert validity(busy) is False
    (notice,) = busy.notices
    assert notice.severity == "NOTICE"
    assert "chk_memory_type_agent_id: 3." in notice.message
    assert "updating such a row fails until it is fixed" in notice.message
    with pytest.raises(psycopg.errors.CheckViolation):
        busy.migrator.execute("UPDATE memories SET content = 'newer' WHERE id = %s", [unfit[0]])
    validate = notice.message.partition("run: ")[2]
    with pytest.raises(psycopg.errors.CheckViolation):
        busy.migrator.execute(validate)
    busy.migrator.execute("DELETE FROM memories WHERE id = ANY(%s)", [unfit])
    busy.migrator.execute(validate)
    assert validity(busy) is True


def test_a_not_valid_check_survives_going_there_and_back_again(busy):
    busy.change()
    (user, *_) = busy.column("SELECT id FROM auth.users")
    busy.remember(user, memory_type="work")
    busy.undo()
    before = busy.database.dump()
    busy.change()
    busy.undo()

    assert busy.database.dump() == before


@pytest.mark.parametrize(
    ("before", "meanwhile", "after"),
    [
        (None, '{"agent_prompts": {}, "theme": "dark"}', '{"theme": "dark"}'),
        (None, '{"agent_prompts": {"X": "y"}}', '{"agent_prompts": {"X": "y"}}'),
        ("null", '{"agent_prompts": {}, "theme": "dark"}', '{"theme": "dark"}'),
        ("null", '{"agent_prompts": {"X": "y"}}', '{"agent_prompts": {"X": "y"}}'),
        (None, "{}", "{}"),
        ("{}", '{"agent_prompts": {"X": "y"}}', '{"agent_prompts": {"X": "y"}}'),
        ("{}", '{"agent_prompts": {}, "theme": "dark"}', '{"theme": "dark"}'),
        ("{}", None, None),
        ("{}", '"agent_prompts"', '"agent_prompts"'),
        ("{}", '["agent_prompts"]', '["agent_prompts"]'),
        ('{"theme": "dark"}', '{"theme": "light", "agent_prompts": {}}', '{"theme": "light"}'),
        ('{"agent_prompts": {"X": "y"}}', '{"agent_prompts": {}}', '{"agent_prompts": {}}'),
        ("[]", '{"agent_prompts": {}}', '{"agent_prompts": {}}'),
    ],
)
def test_settings_that_were_changed_meanwhile_keep_what_is_not_ours(app, before, meanwhile, after):
    user = app.sign_up()
    app.set_settings(user, before)
    app.change()
    app.set_settings(user, meanwhile)
    app.undo()

    assert app.settings(user) == after


@pytest.mark.parametrize(
    ("meanwhile", "after"),
    [
        ('{"agent_prompts": {}}', "{}"),
        ('{"agent_prompts": {}, "theme": "dark"}', '{"theme": "dark"}'),
        ('{"agent_prompts": {"X": "y"}}', '{"agent_prompts": {"X": "y"}}'),
        (None, None),
    ],
)
def test_the_settings_of_a_newcomer_lose_only_an_empty_agent_prompts(app, meanwhile, after):
    app.change()
    user = app.sign_up()
    app.set_settings(user, meanwhile)
    app.undo()

    assert app.settings(user) == after


def test_catalog_types_that_the_old_check_forbids_stop_the_rollback_and_are_named(busy):
    busy.change()
    for each in ("NEW_KIND", "IT'S_NEW"):
        busy.insert("system_agents", agent_type=each, llm_id=busy.llm(each), status="active")
    before = busy.database.dump()

    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        busy.undo()
    assert "'IT''S_NEW', 'NEW_KIND'" in caught.value.diag.message_primary
    assert busy.database.dump() == before
    delete = caught.value.diag.message_hint.partition("first run: ")[2]
    assert delete.startswith("DELETE FROM public.system_agents WHERE agent_type IN (")
    busy.migrator.execute(delete)
    busy.undo()
    assert busy.agents(busy.sign_up()) == sorted(AGENT_TYPES)


def test_a_shorter_catalog_comes_back_as_it_is_now(app):
    app.change()
    app.migrator.execute("DELETE FROM system_agents WHERE agent_type = 'TASK_EXECUTION'")
    app.undo()

    assert app.column("SELECT agent_type FROM user_agent_catalog ORDER BY 1") == [
        "INTENT_RECOGNITION",
        "RESULT_REPORTING",
    ]
