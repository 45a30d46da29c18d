"""The archive: complete, out of reach, the same each time, and gone with its users."""

from __future__ import annotations

import psycopg
import pytest

ARCHIVE = "agent_architecture_archive"
TABLES = ("users", "user_agents", "memories", "profiles", "statements")
API_ROLES = ("anon", "authenticated", "service_role")


def test_the_archive_keeps_all_that_is_dropped(busy):
    agents = busy.rows("TABLE user_agents ORDER BY id")
    memories = busy.rows("SELECT id, user_id, agent_id FROM memories WHERE agent_id IS NOT NULL ORDER BY id")
    users = busy.rows("SELECT id FROM auth.users ORDER BY id")
    busy.change()

    assert busy.rows(f"TABLE {ARCHIVE}.user_agents ORDER BY id") == agents
    assert busy.rows(f"TABLE {ARCHIVE}.memories ORDER BY id") == memories
    assert busy.rows(f"TABLE {ARCHIVE}.users ORDER BY id") == users


def test_the_archive_keeps_the_settings_of_the_profiles_that_it_changes_and_of_no_others(busy):
    busy.change()

    kept = busy.column(f"SELECT settings::text FROM {ARCHIVE}.profiles")
    assert len(kept) == 4
    assert set(kept) == {None, "null", "{}", '{"theme": "dark"}'}


@pytest.mark.parametrize("role", [*API_ROLES, "supabase_auth_admin"])
def test_the_archive_is_out_of_reach(busy, role):
    busy.change()
    session = busy.database.connect_as(role)

    for table in TABLES:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(f"SELECT FROM {ARCHIVE}.{table}")


def test_default_privileges_for_all_schemas_do_not_open_the_archive(busy):
    busy.migrator.execute(
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, anon, authenticated, service_role;"
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC, anon, authenticated, service_role"
    )
    busy.change()

    assert (
        busy.rows(
            "SELECT nspname, acl.grantee::regrole::text FROM pg_namespace, aclexplode(nspacl) AS acl"
            f" WHERE nspname = '{ARCHIVE}' AND acl.grantee <> nspowner UNION ALL"
            " SELECT relname, acl.grantee::regrole::text FROM pg_class, aclexplode(relacl) AS acl"
            f" WHERE relnamespace = '{ARCHIVE}'::regnamespace AND acl.grantee <> relowner"
        )
        == []
    )


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_row_level_security_is_a_second_wall(busy, role):
    busy.migrator.execute("COMMENT ON TABLE user_agents IS 'so that there is a statement'")
    busy.change()
    busy.migrator.execute(
        f"GRANT USAGE ON SCHEMA {ARCHIVE} TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA {ARCHIVE} TO {role}"
    )
    session = busy.database.connect_as(role)

    for table in TABLES:
        assert session.execute(f"SELECT FROM {ARCHIVE}.{table}").rowcount == 0
        busy.migrator.execute(f"ALTER TABLE {ARCHIVE}.{table} DISABLE ROW LEVEL SECURITY")
        assert session.execute(f"SELECT FROM {ARCHIVE}.{table}").rowcount > 0


def test_archived_rows_go_with_their_user(busy):
    busy.change()
    (user,) = busy.column(f"SELECT id FROM {ARCHIVE}.profiles WHERE settings = '{{}}'")
    counts = (
        f"SELECT (SELECT count(*) FROM {ARCHIVE}.users WHERE id = u.id),"
        f" (SELECT count(*) FROM {ARCHIVE}.user_agents WHERE user_id = u.id),"
        f" (SELECT count(*) FROM {ARCHIVE}.memories WHERE user_id = u.id),"
        f" (SELECT count(*) FROM {ARCHIVE}.profiles WHERE id = u.id)"
        f" FROM (SELECT '{user}'::uuid) AS u (id)"
    )
    assert busy.rows(counts) == [(1, 3, 1, 1)]

    busy.delete_user(user)
    assert busy.rows(counts) == [(0, 0, 0, 0)]


def test_deleting_a_user_finds_archived_rows_by_an_index(busy):
    busy.change()

    unindexed = busy.column(
        "SELECT conrelid::regclass::text FROM pg_constraint AS c"
        f" WHERE connamespace = '{ARCHIVE}'::regnamespace AND contype = 'f' AND NOT EXISTS ("
        "   SELECT FROM pg_index WHERE indrelid = conrelid AND indkey[0] = conkey[1])"
    )
    assert unindexed == []


def test_a_user_can_be_deleted_under_a_publication_for_all_tables(busy):
    busy.database.connect_superuser().execute("CREATE PUBLICATION everything FOR ALL TABLES")
    busy.change()

    for user in busy.column("SELECT id FROM auth.users"):
        busy.delete_user(user)
    assert busy.column(f"SELECT id FROM {ARCHIVE}.user_agents") == []


def test_the_archive_is_the_same_each_time(busy):
    before = busy.database.dump()
    busy.change()
    changed = busy.database.dump()
    for _ in range(2):
        busy.undo()
        assert busy.database.dump() == before
        busy.change()
        assert busy.database.dump() == changed


def test_the_archive_has_no_timestamps_of_its_own(busy):
    busy.change()

    assert busy.column(
        "SELECT attrelid::regclass || '.' || attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
        f" WHERE relnamespace = '{ARCHIVE}'::regnamespace AND relkind = 'r' AND atttypid = 'timestamptz'::regtype"
        " ORDER BY attnum"
    ) == [f"{ARCHIVE}.user_agents.{column}_at" for column in ("created", "updated", "deleted")]


def test_an_archive_of_before_is_not_overwritten(busy):
    busy.migrator.execute(f"CREATE SCHEMA {ARCHIVE}; CREATE TABLE {ARCHIVE}.users (precious int)")
    before = busy.database.dump()

    with pytest.raises(psycopg.errors.DuplicateSchema):
        busy.change()
    assert busy.database.dump() == before


def test_the_archive_can_be_removed_for_good(busy):
    busy.change()
    busy.migrator.execute(f"DROP SCHEMA {ARCHIVE} CASCADE")
    user = busy.sign_up(email="later@example.com")

    assert busy.settings(user) == '{"agent_prompts": {}}'


@pytest.mark.parametrize(
    "loss", [f"DROP SCHEMA {ARCHIVE} CASCADE", *(f"DROP TABLE {ARCHIVE}.{each}" for each in TABLES)]
)
def test_a_rollback_without_its_archive_stops_before_any_change(busy, loss):
    busy.change()
    busy.migrator.execute(loss)
    before = busy.database.dump()

    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=ARCHIVE) as caught:
        busy.undo()
    assert "backup" in caught.value.diag.message_hint
    assert busy.database.dump() == before


def test_a_rollback_takes_the_archive_away(busy):
    busy.change()
    busy.undo()

    assert busy.value("SELECT to_regnamespace(%s)", ARCHIVE) is None
