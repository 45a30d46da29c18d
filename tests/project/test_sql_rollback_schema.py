"""The rollback's schema: equal to what was there, with all that a DBA had added to the table and the column."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

STATEMENTS = "SELECT statement FROM agent_architecture_archive.statements ORDER BY step, position"


@pytest.fixture
def role(database_factory):
    """Make a role of the cluster, once."""
    admin = database_factory().connect_superuser()

    def make(name, attributes="NOLOGIN"):
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
            admin.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), sql.SQL(attributes)))
        return name

    return make


def assert_comes_back(app, *, warnings=()):
    """Go there and back twice; the dump must be as before each time."""
    before = app.database.dump()
    for _ in range(2):
        app.change()
        app.undo()
        assert app.database.dump() == before
        assert [said.message for said in app.notices] == list(warnings)


def test_the_schema_of_an_empty_application_comes_back(ground):
    ground.run("20260301_agent_baseline")

    assert_comes_back(ground)


def test_the_schema_of_a_busy_application_comes_back(busy):
    assert_comes_back(busy)


def test_the_columns_of_user_agents_keep_their_order_and_agent_id_is_last(app):
    columns = (
        "SELECT string_agg(column_name, ' ' ORDER BY ordinal_position)"
        " FROM information_schema.columns WHERE table_name = %s"
    )
    agents = app.value(columns, "user_agents")
    app.change()
    app.undo()

    assert app.value(columns, "user_agents") == agents
    assert app.value(columns, "memories").split()[-1] == "agent_id"


def test_grants_on_the_table_come_back(app, role):
    auditor = role('the "auditor"')
    app.migrator.execute(
        sql.SQL(
            "GRANT SELECT, UPDATE ON user_agents TO {0} WITH GRANT OPTION; GRANT INSERT ON user_agents TO {0};"
            "GRANT SELECT ON user_agents TO PUBLIC; REVOKE ALL ON user_agents FROM authenticated;"
            "REVOKE INSERT, DELETE ON user_agents FROM anon"
        ).format(sql.Identifier(auditor))
    )

    assert_comes_back(app)


def test_grants_on_columns_come_back(app, role):
    auditor = sql.Identifier(role('the "auditor"'))
    app.migrator.execute(
        sql.SQL(
            "GRANT SELECT (config, id) ON user_agents TO {0} WITH GRANT OPTION;"
            "GRANT UPDATE (agent_id), SELECT (agent_id) ON memories TO {0};"
            "GRANT SELECT (agent_id) ON memories TO PUBLIC"
        ).format(auditor)
    )

    assert_comes_back(app)


def test_a_right_that_the_owner_gave_up_stays_given_up(app):
    app.migrator.execute("REVOKE TRUNCATE, TRIGGER ON user_agents FROM migrator")

    assert_comes_back(app)


def test_grants_do_not_depend_on_the_default_privileges_of_the_day(app):
    before = app.value("SELECT relacl::text FROM pg_class WHERE oid = 'user_agents'::regclass")
    app.change()
    app.migrator.execute(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM service_role"
    )
    app.undo()

    assert app.value("SELECT relacl::text FROM pg_class WHERE oid = 'user_agents'::regclass") == before


def test_a_table_without_any_grant_comes_back_without(ground):
    ground.migrator.execute(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM anon, authenticated, service_role"
    )
    ground.run("20260301_agent_baseline")
    acl = "SELECT relacl FROM pg_class WHERE oid = 'user_agents'::regclass"
    assert ground.value(acl) is None

    assert_comes_back(ground)
    assert ground.value(acl) is None


def test_comments_come_back(app):
    app.migrator.execute(
        "COMMENT ON TABLE user_agents IS 'each user''s agents';"
        "COMMENT ON COLUMN user_agents.config IS E'two\nlines, a \\\\ and 100 %';"
        "COMMENT ON CONSTRAINT chk_agent_type ON user_agents IS 'three types';"
        "COMMENT ON CONSTRAINT user_agents_pkey ON user_agents IS 'the key';"
        "COMMENT ON INDEX user_agents_pkey IS 'its index';"
        "COMMENT ON INDEX ix_user_agents_status IS 'an index';"
        "COMMENT ON POLICY anon_select_user_agents ON user_agents IS 'nothing to see';"
        "COMMENT ON COLUMN memories.agent_id IS 'whose memory';"
        "COMMENT ON CONSTRAINT fk_memories_agent_id ON memories IS 'a key';"
        "COMMENT ON CONSTRAINT chk_memory_type_agent_id ON memories IS 'a check';"
        "COMMENT ON INDEX ix_memories_agent_type_status IS 'another index';"
        "COMMENT ON TABLE memories IS 'not touched'"
    )
    assert "not touched" in app.database.dump()

    assert_comes_back(app)


def test_another_owner_comes_back(app, role):
    keeper = role("agent_keeper")
    admin = app.database.connect_superuser()
    admin.execute(f"GRANT {keeper} TO migrator; GRANT CREATE ON SCHEMA public TO {keeper}")
    app.migrator.execute(f"GRANT SELECT ON user_agents TO PUBLIC; ALTER TABLE user_agents OWNER TO {keeper}")

    assert_comes_back(app)
    assert app.agents(app.sign_up()) != []


def test_an_owner_that_cannot_be_set_any_more_is_a_warning_and_sign_ups_work(busy, role):
    keeper = role("former_keeper")
    admin = busy.database.connect_superuser()
    admin.execute(f"GRANT {keeper} TO migrator; GRANT CREATE ON SCHEMA public TO {keeper}")
    busy.migrator.execute(f"ALTER TABLE user_agents OWNER TO {keeper}")
    agents = busy.rows("TABLE user_agents ORDER BY id")
    busy.change()
    admin.execute(f"REVOKE {keeper} FROM migrator")
    busy.undo()

    (warning,) = busy.notices
    assert (warning.severity, warning.message.partition(" (")[0]) == (
        "WARNING",
        f"not restored: ALTER TABLE public.user_agents OWNER TO {keeper}",
    )
    assert busy.rows("TABLE user_agents ORDER BY id") == agents
    assert busy.agents(busy.sign_up()) != []


def test_a_grant_to_a_role_that_is_gone_is_a_warning(app, database_factory):
    admin = database_factory().connect_superuser()
    admin.execute("CREATE ROLE short_lived")
    app.migrator.execute("GRANT SELECT ON user_agents TO short_lived")
    app.change()
    app.migrator.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM short_lived")
    admin.execute("DROP ROLE short_lived")
    app.undo()

    (warning,) = app.notices
    assert warning.message.startswith("not restored: GRANT SELECT ON TABLE public.user_agents TO short_lived (")


@pytest.mark.parametrize("identity", ["FULL", "NOTHING"])
def test_the_replica_identity_comes_back(app, identity):
    app.migrator.execute(f"ALTER TABLE user_agents REPLICA IDENTITY {identity}")

    assert_comes_back(app)


def test_forced_row_level_security_comes_back_where_the_migrating_role_bypasses_it(busy):
    admin = busy.database.connect_superuser()
    admin.execute("ALTER TABLE user_agents FORCE ROW LEVEL SECURITY; ALTER ROLE migrator BYPASSRLS")
    try:
        assert_comes_back(busy)
    finally:
        admin.execute("ALTER ROLE migrator NOBYPASSRLS")


def test_storage_parameters_come_back(app):
    app.migrator.execute("ALTER TABLE user_agents SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)")

    assert_comes_back(app)


def test_a_replica_identity_by_an_index_comes_back(app):
    app.migrator.execute("ALTER TABLE user_agents REPLICA IDENTITY USING INDEX uq_user_agents_user_id_agent_type")

    assert_comes_back(app)


def test_forced_row_level_security_never_empties_the_archive_silently(busy):
    busy.migrator.execute("ALTER TABLE user_agents FORCE ROW LEVEL SECURITY")

    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        busy.change()


def test_publications_of_the_table_come_back(app):
    app.migrator.execute(
        'CREATE PUBLICATION pair FOR TABLE user_agents, memories; CREATE PUBLICATION "Just one" FOR TABLE user_agents'
    )

    assert_comes_back(app)


def test_column_lists_and_row_filters_of_publications_come_back(app):
    if app.migrator.info.server_version < 150000:
        pytest.skip("column lists and row filters exist from PostgreSQL 15 on")
    app.migrator.execute(
        "CREATE PUBLICATION columns FOR TABLE user_agents (id, config, user_id), memories (id, agent_id), llms (id);"
        "CREATE PUBLICATION rows FOR TABLE user_agents WHERE (status = 'active' OR config ? 'x'),"
        " memories (agent_id, content) WHERE (status <> 'x') WITH (publish = 'insert')"
    )

    assert_comes_back(app)


def test_a_publication_that_lists_agent_id_leaves_it_out_meanwhile(app):
    if app.migrator.info.server_version < 150000:
        pytest.skip("column lists exist from PostgreSQL 15 on")
    app.migrator.execute("CREATE PUBLICATION narrow FOR TABLE memories (id, agent_id, content) WHERE (status <> 'x')")
    app.change()

    assert app.rows("SELECT attnames::text, rowfilter FROM pg_publication_tables WHERE pubname = 'narrow'") == [
        ("{id,content}", "((status)::text <> 'x'::text)")
    ]


def test_a_row_filter_that_reads_agent_id_stops_the_change(app):
    if app.migrator.info.server_version < 150000:
        pytest.skip("row filters exist from PostgreSQL 15 on")
    app.migrator.execute("CREATE PUBLICATION narrow FOR TABLE memories WHERE (agent_id IS NULL)")
    before = app.database.dump()

    with pytest.raises(psycopg.errors.DependentObjectsStillExist) as caught:
        app.change()
    assert "publication narrow" in caught.value.diag.message_detail
    assert app.database.dump() == before


def test_a_publication_of_somebody_else_is_a_warning_with_the_statement_to_run(busy):
    admin = busy.database.connect_superuser()
    admin.execute("CREATE PUBLICATION theirs FOR TABLE user_agents")
    before = busy.database.dump()
    busy.change()
    busy.undo()

    (warning,) = busy.notices
    statement = "ALTER PUBLICATION theirs ADD TABLE public.user_agents"
    assert warning.message.startswith(f"not restored: {statement} (")
    admin.execute(statement)
    assert busy.database.dump() == before


def test_publications_of_everything_need_nothing(app):
    app.database.connect_superuser().execute(
        "CREATE PUBLICATION everything FOR ALL TABLES"
        + ("" if app.migrator.info.server_version < 150000 else "; CREATE PUBLICATION p FOR TABLES IN SCHEMA public")
    )

    assert_comes_back(app)


def test_names_of_not_null_constraints_come_back(app):
    if app.migrator.info.server_version < 180000:
        pytest.skip("NOT NULL constraints have names from PostgreSQL 18 on")
    app.migrator.execute(
        'ALTER TABLE user_agents RENAME CONSTRAINT user_agents_config_not_null TO "config is there";'
        "COMMENT ON CONSTRAINT \"config is there\" ON user_agents IS 'by hand'"
    )
    assert "config is there" in app.database.dump(schema_only=True)

    assert_comes_back(app)


def test_what_the_rollback_will_run_can_be_read_beforehand(app):
    app.migrator.execute("COMMENT ON TABLE user_agents IS 'x'; CREATE PUBLICATION p FOR TABLE user_agents")
    app.change()

    statements = app.column(STATEMENTS)
    assert statements[0] == "ALTER TABLE public.user_agents OWNER TO migrator"
    assert "GRANT SELECT ON TABLE public.user_agents TO service_role" in statements
    assert statements[-2:] == [
        "COMMENT ON TABLE public.user_agents IS 'x'",
        "ALTER PUBLICATION p ADD TABLE public.user_agents",
    ]
