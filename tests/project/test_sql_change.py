"""The change: what goes, what gets a new name, and what existing profiles receive."""

from __future__ import annotations

import psycopg
import pytest

from project.application import AGENT_TYPES

OLD_NAMES = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT polname FROM pg_policy JOIN pg_class c ON c.oid = polrelid
        WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
        WHERE relnamespace IN ('public'::regnamespace, 'auth'::regnamespace)
"""


@pytest.mark.parametrize("name", ["user_agent_catalog", "user_agents", "agent_id", "chk_memory_type", "chk_agent_type"])
def test_no_object_in_public_carries_an_old_name(busy, name):
    assert [each for each in busy.column(OLD_NAMES) if name in each]
    busy.change()

    assert [each for each in busy.column(OLD_NAMES) if name in each] == []


def test_names_that_somebody_has_added_follow_the_new_one(app):
    app.migrator.execute(
        "CREATE INDEX ix_user_agent_catalog_llm_id ON user_agent_catalog (llm_id);"
        "ALTER TABLE user_agent_catalog ADD CONSTRAINT chk_user_agent_catalog_config CHECK (config IS NOT NULL)"
    )
    before = app.database.dump()
    app.change()

    assert app.value("SELECT to_regclass('ix_system_agents_llm_id') IS NOT NULL")
    assert "chk_system_agents_config" in app.column(OLD_NAMES)
    app.undo()
    assert app.database.dump() == before


def test_memories_lose_agent_id_and_keep_their_rows(busy):
    kept = "SELECT id, user_id, memory_type, content, status, created_at, updated_at FROM memories ORDER BY id"
    before = busy.rows(kept)
    busy.change()

    assert busy.rows(kept) == before
    with pytest.raises(psycopg.errors.UndefinedColumn):
        busy.rows("SELECT agent_id FROM memories")


def test_a_work_memory_needs_no_agent_any_more(busy):
    busy.change()

    (user, *_) = busy.column("SELECT id FROM auth.users")
    assert busy.remember(user, memory_type="work")


def test_the_catalog_becomes_system_agents_with_the_same_rows(busy):
    before = busy.rows("TABLE user_agent_catalog ORDER BY id")
    busy.change()

    assert busy.rows("TABLE system_agents ORDER BY id") == before


def test_system_agents_has_its_constraints_under_the_new_name(app):
    app.change()

    assert dict(
        app.rows(
            "SELECT conname, contype FROM pg_constraint"
            " WHERE conrelid = 'system_agents'::regclass AND contype <> 'n' ORDER BY 1"
        )
    ) == {
        "chk_system_agents_status": "c",
        "fk_system_agents_llm_id": "f",
        "system_agents_agent_type_key": "u",
        "system_agents_pkey": "p",
    }
    assert set(app.column("SELECT indexname FROM pg_indexes WHERE tablename = 'system_agents'")) == {
        "system_agents_agent_type_key",
        "system_agents_pkey",
    }


def test_not_null_constraints_follow_the_new_name(app):
    if app.migrator.info.server_version < 180000:
        pytest.skip("NOT NULL constraints have names from PostgreSQL 18 on")
    app.change()

    names = app.column("SELECT conname FROM pg_constraint WHERE conrelid = 'system_agents'::regclass AND contype = 'n'")
    assert len(names) == 7
    assert all(name.startswith("system_agents_") and name.endswith("_not_null") for name in names)


def test_the_catalog_keeps_owner_grants_and_comments(app):
    app.migrator.execute(
        "COMMENT ON TABLE user_agent_catalog IS 'the catalog';"
        "COMMENT ON POLICY anon_select_user_agent_catalog ON user_agent_catalog IS 'nothing to see';"
        "GRANT SELECT ON user_agent_catalog TO PUBLIC"
    )
    of_table = "SELECT relowner, relacl::text, obj_description(oid) FROM pg_class WHERE oid = %s::regclass"
    before = app.rows(of_table, "user_agent_catalog")
    app.change()

    assert app.rows(of_table, "system_agents") == before
    assert (
        app.value("SELECT obj_description(oid) FROM pg_policy WHERE polname = 'anon_select_system_agents'")
        == "nothing to see"
    )


def test_the_trigger_and_its_function_stay_the_same_objects(app):
    app.database.connect_as("supabase_auth_admin").execute(
        "COMMENT ON TRIGGER on_auth_user_created ON auth.users IS 'sign-up'"
    )
    objects = (
        "SELECT t.oid, obj_description(t.oid), tgenabled, p.oid, proowner, proacl::text, prosecdef, proconfig"
        " FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid WHERE tgname = 'on_auth_user_created'"
    )
    before = app.rows(objects)
    app.change()
    after = app.rows(objects)
    app.undo()

    assert before == after == app.rows(objects)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, '{"agent_prompts": {}}'),
        ("null", '{"agent_prompts": {}}'),
        ("{}", '{"agent_prompts": {}}'),
        ('{"theme": "dark"}', '{"theme": "dark", "agent_prompts": {}}'),
        ('{"agent_prompts": {"TASK_EXECUTION": "be brief"}}', '{"agent_prompts": {"TASK_EXECUTION": "be brief"}}'),
        ('{"agent_prompts": {}}', '{"agent_prompts": {}}'),
        ('{"agent_prompts": null}', '{"agent_prompts": null}'),
        ("[]", "[]"),
        ('["agent_prompts"]', '["agent_prompts"]'),
        ('"agent_prompts"', '"agent_prompts"'),
        ("7", "7"),
        ("false", "false"),
    ],
)
def test_settings_become_what_they_should_and_go_back(app, before, after):
    user = app.sign_up()
    app.set_settings(user, before)
    app.change()
    assert app.settings(user) == after

    app.undo()
    assert app.settings(user) == before


def test_updated_at_is_left_alone_there_and_back(busy):
    times = "SELECT id, created_at, updated_at FROM profiles UNION ALL SELECT id, created_at, updated_at FROM memories"
    before = set(busy.rows(times))
    busy.change()
    assert set(busy.rows(times)) == before

    busy.undo()
    assert set(busy.rows(times)) == before


def test_a_view_on_user_agents_stops_the_change_before_anything_is_lost(busy):
    busy.migrator.execute("CREATE VIEW agents_seen AS SELECT agent_type FROM user_agents")
    before = busy.database.dump()

    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        busy.change()
    assert busy.database.dump() == before


def test_the_change_names_what_it_cannot_bring_back(app):
    app.migrator.execute(
        "CREATE INDEX ix_extra ON user_agents (llm_id);"
        "CREATE INDEX ix_by_agent ON memories (status, agent_id);"
        "ALTER TABLE user_agents ADD COLUMN extra int CONSTRAINT chk_extra CHECK (extra > 0);"
        "CREATE POLICY extra ON user_agents FOR SELECT USING (true);"
        "CREATE TRIGGER extra BEFORE UPDATE ON user_agents FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    )
    app.change()

    assert [said.message.partition(" goes with")[0] for said in app.notices if said.severity == "WARNING"] == [
        "column extra of table user_agents",
        "constraint chk_extra on table user_agents",
        "index ix_by_agent",
        "index ix_extra",
        "policy extra on table user_agents",
        "trigger extra on table user_agents",
    ]


def test_the_change_has_nothing_to_say_about_an_ordinary_database(busy):
    busy.change()
    assert busy.notices == []

    busy.undo()
    assert busy.notices == []


@pytest.mark.parametrize("state", ["DISABLE", "ENABLE ALWAYS", "ENABLE REPLICA"])
@pytest.mark.parametrize("direction", ["change", "undo"])
def test_a_trigger_whose_state_would_be_lost_stops_the_script(app, state, direction):
    if direction == "undo":
        app.change()
    app.auth.execute(f"ALTER TABLE auth.users {state} TRIGGER on_auth_user_created")
    before = app.database.dump()

    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="on_auth_user_created") as caught:
        getattr(app, direction)()
    assert "ENABLE TRIGGER" in caught.value.diag.message_hint
    assert app.database.dump() == before


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
@pytest.mark.parametrize("direction", ["change", "undo"])
def test_an_isolation_level_that_reads_before_it_locks_is_refused(app, level, direction):
    if direction == "undo":
        app.change()
    app.migrator.execute(f"SET default_transaction_isolation = '{level}'")

    with pytest.raises(psycopg.errors.InvalidTransactionState, match=f"not {level}"):
        getattr(app, direction)()


def test_users_that_row_level_security_hides_stop_the_change(busy):
    busy.auth.execute("ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY")

    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        busy.change()
    assert len(busy.column("SELECT id FROM user_agents")) == 3 * 5


def test_the_role_postgres_of_supabase_is_not_stopped_by_row_level_security(busy):
    busy.auth.execute("ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY")
    admin = busy.database.connect_superuser()
    before = busy.database.dump()
    admin.execute("ALTER ROLE migrator BYPASSRLS")
    try:
        busy.change()
        assert len(busy.column("SELECT id FROM agent_architecture_archive.users")) == 6
        busy.undo()
    finally:
        admin.execute("ALTER ROLE migrator NOBYPASSRLS")

    assert busy.database.dump() == before


def test_the_whole_life_of_the_application(ground):
    empty = ground.database.dump()
    for script in (
        "20260301_agent_baseline",
        "20260304_simplify_agent_architecture",
        "20260304_simplify_agent_architecture.rollback",
        "20260301_agent_baseline.rollback",
    ):
        ground.run(script)

    assert ground.database.dump() == empty


@pytest.mark.smoke
def test_registering_before_the_change_after_it_and_after_the_rollback(app):
    early = app.sign_up(email="early@example.com")
    assert (app.settings(early), app.agents(early)) == ("{}", sorted(AGENT_TYPES))

    app.change()
    between = app.sign_up(email="between@example.com")
    assert app.settings(between) == '{"agent_prompts": {}}'
    assert app.value("SELECT to_regclass('user_agents')") is None

    app.undo()
    late = app.sign_up(email="late@example.com")
    for user in (early, between, late):
        assert (app.settings(user), app.agents(user)) == ("{}", sorted(AGENT_TYPES))
