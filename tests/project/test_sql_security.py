"""Row level security alone keeps the API roles out: shown by what they see when it is off."""

from __future__ import annotations

import psycopg
import pytest

POLICIES = """
    SELECT polname, polcmd::text, polroles::regrole[]::text,
        coalesce(pg_get_expr(polqual, polrelid), '-'), coalesce(pg_get_expr(polwithcheck, polrelid), '-')
    FROM pg_policy WHERE polrelid = %s::regclass ORDER BY polname
"""
STATES = [
    ("before", "user_agents"),
    ("before", "user_agent_catalog"),
    ("changed", "system_agents"),
    ("undone", "user_agents"),
    ("undone", "user_agent_catalog"),
]


def bring_to(app, state):
    if state in ("changed", "undone"):
        app.change()
    if state == "undone":
        app.undo()


@pytest.mark.parametrize(("state", "table"), STATES)
def test_a_table_has_a_policy_that_denies_each_action_to_each_role(app, state, table):
    bring_to(app, state)

    actions = {"select": ("r", "false", "-"), "insert": ("a", "-", "false")}
    actions |= {"update": ("w", "false", "false"), "delete": ("d", "false", "-")}
    assert app.rows(POLICIES, table) == sorted(
        (f"{role}_{action}_{table}", command, f"{{{role}}}", using, check)
        for role in ("anon", "authenticated")
        for action, (command, using, check) in actions.items()
    )


@pytest.mark.parametrize(("state", "table"), STATES)
def test_an_api_role_sees_and_changes_no_row_until_row_level_security_is_off(busy, state, table):
    bring_to(busy, state)
    anon, authenticated = map(busy.database.connect_as, ("anon", "authenticated"))
    select = f"SELECT id FROM {table}"
    changes = (f"UPDATE {table} SET status = 'inactive'", f"DELETE FROM {table} WHERE agent_type = 'TASK_EXECUTION'")

    for session in (anon, authenticated):
        assert [session.execute(statement).rowcount for statement in (select, *changes)] == [0, 0, 0]
    busy.migrator.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for session in (anon, authenticated):
        with session.transaction(force_rollback=True):
            assert all(session.execute(statement).rowcount > 0 for statement in (select, *changes))


@pytest.mark.parametrize(("state", "table"), STATES)
def test_an_api_role_inserts_no_row_until_row_level_security_is_off(busy, state, table):
    bring_to(busy, state)
    (row,) = busy.rows(f"SELECT to_jsonb(t)::text FROM {table} t WHERE agent_type = 'TASK_EXECUTION' LIMIT 1")
    busy.migrator.execute(f"DELETE FROM {table}")

    for session in map(busy.database.connect_as, ("anon", "authenticated")):
        insert = f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s)"
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            session.execute(insert, row)
        busy.migrator.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        with session.transaction(force_rollback=True):
            assert session.execute(insert, row).rowcount == 1
        busy.migrator.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


@pytest.mark.parametrize("state", ["before", "changed", "undone"])
def test_the_other_tables_show_nothing_either(busy, state):
    bring_to(busy, state)
    sessions = list(map(busy.database.connect_as, ("anon", "authenticated")))

    for table in ("llms", "profiles", "memories"):
        assert [session.execute(f"SELECT FROM {table}").rowcount for session in sessions] == [0, 0]
        busy.migrator.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        assert all(session.execute(f"SELECT FROM {table}").rowcount > 0 for session in sessions)


@pytest.mark.parametrize("state", ["before", "changed", "undone"])
def test_nobody_else_may_call_the_trigger_function(app, state):
    bring_to(app, state)

    able = app.column(
        "SELECT rolname FROM pg_roles WHERE NOT rolsuper AND rolname NOT LIKE 'pg\\_%'"
        " AND has_function_privilege(oid, 'create_profile_for_new_user()', 'EXECUTE')"
    )
    assert able == ["migrator"]


def test_the_migrating_role_is_not_a_superuser_and_does_not_own_users(app):
    assert app.rows(
        "SELECT rolsuper, rolbypassrls, pg_has_role(current_user, relowner, 'MEMBER')"
        " FROM pg_roles, pg_class WHERE rolname = current_user AND pg_class.oid = 'auth.users'::regclass"
    ) == [(False, False, False)]


def test_the_baseline_works_without_a_service_role(ground):
    text = "20260301_agent_baseline"
    admin = ground.database.connect_superuser()
    admin.execute("ALTER ROLE service_role RENAME TO somebody_else")
    try:
        ground.run(text)
        ground.change()
        ground.undo()
    finally:
        admin.execute("ALTER ROLE somebody_else RENAME TO service_role")

    assert ground.value("SELECT to_regclass('user_agents') IS NOT NULL")
