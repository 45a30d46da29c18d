"""The baseline: its facts, its refusals, its undo, and what a sign-up does before the change."""

from __future__ import annotations

import psycopg
import pytest

from project.application import AGENT_TYPES, BASELINE, SQL

COLUMNS = """
    SELECT concat_ws(' ',
        a.attname,
        format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attnotnull THEN 'NOT NULL' END,
        'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)
    )
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""
ID = "id uuid NOT NULL DEFAULT gen_random_uuid()"
STATUS = "status character varying(20) NOT NULL"
ACTIVE = f"{STATUS} DEFAULT 'active'::character varying"
CONFIG = "config jsonb NOT NULL DEFAULT '{}'::jsonb"
AGENT_TYPE = "agent_type character varying(20) NOT NULL"
TIMES = [f"{each}_at timestamp with time zone NOT NULL DEFAULT now()" for each in ("created", "updated")]
TIMESTAMPS = [*TIMES, "deleted_at timestamp with time zone"]
MODEL = ["model_code character varying(100) NOT NULL", "provider character varying(50) NOT NULL"]
PROFILE = ["id uuid NOT NULL", "username text", "avatar_url text", "bio text", "settings jsonb"]
AGENT = ["id uuid NOT NULL", "user_id uuid NOT NULL", "llm_id uuid NOT NULL", AGENT_TYPE, CONFIG, STATUS]
MEMORY = [ID, "user_id uuid NOT NULL", "memory_type character varying(20) NOT NULL", "content text NOT NULL", ACTIVE]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("llms", [ID, *MODEL, ACTIVE, *TIMESTAMPS]),
        ("profiles", [*PROFILE, *TIMES]),
        ("user_agent_catalog", [ID, AGENT_TYPE, "llm_id uuid NOT NULL", STATUS, CONFIG, *TIMESTAMPS]),
        ("user_agents", [*AGENT, "created_by uuid", "updated_by uuid", *TIMESTAMPS]),
        ("memories", [*MEMORY, *TIMESTAMPS, "agent_id uuid"]),
    ],
)
def test_a_table_has_its_columns_in_order(app, table, columns):
    assert app.column(COLUMNS, table) == columns


def test_constraints_have_their_names_and_rules(app):
    constraints = app.rows(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f') ORDER BY 1"
    )

    assert dict(constraints) == {
        "fk_memories_agent_id": "FOREIGN KEY (agent_id) REFERENCES user_agents(id) ON DELETE CASCADE",
        "fk_user_agent_catalog_llm_id": "FOREIGN KEY (llm_id) REFERENCES llms(id) ON DELETE RESTRICT",
        "fk_user_agents_created_by": "FOREIGN KEY (created_by) REFERENCES auth.users(id) ON DELETE SET NULL",
        "fk_user_agents_llm_id": "FOREIGN KEY (llm_id) REFERENCES llms(id) ON DELETE RESTRICT",
        "fk_user_agents_updated_by": "FOREIGN KEY (updated_by) REFERENCES auth.users(id) ON DELETE SET NULL",
        "fk_user_agents_user_id": "FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE",
        "llms_model_code_key": "UNIQUE (model_code)",
        "llms_pkey": "PRIMARY KEY (id)",
        "memories_pkey": "PRIMARY KEY (id)",
        "memories_user_id_fkey": "FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE",
        "profiles_id_fkey": "FOREIGN KEY (id) REFERENCES auth.users(id) ON DELETE CASCADE",
        "profiles_pkey": "PRIMARY KEY (id)",
        "uq_user_agents_user_id_agent_type": "UNIQUE (user_id, agent_type)",
        "user_agent_catalog_agent_type_key": "UNIQUE (agent_type)",
        "user_agent_catalog_pkey": "PRIMARY KEY (id)",
        "user_agents_pkey": "PRIMARY KEY (id)",
    }


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE user_agent_catalog SET status = 'odd'", "chk_user_agent_catalog_status"),
        ("UPDATE user_agents SET agent_type = 'ODD' WHERE agent_type = 'TASK_EXECUTION'", "chk_agent_type"),
        ("UPDATE memories SET agent_id = NULL WHERE memory_type = 'work'", "chk_memory_type_agent_id"),
        ("UPDATE memories SET memory_type = 'work' WHERE memory_type = 'user'", "chk_memory_type_agent_id"),
        ("UPDATE memories SET memory_type = 'odd'", "chk_memory_type_agent_id"),
    ],
)
def test_checks_refuse_what_they_should(busy, statement, constraint):
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        busy.migrator.execute(statement)

    assert caught.value.diag.constraint_name == constraint


def test_indexes_are_there(app):
    assert set(app.column("SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'ix%'")) == {
        "ix_memories_agent_type_status",
        "ix_user_agents_agent_type",
        "ix_user_agents_status",
    }
    assert app.value("SELECT pg_get_indexdef('ix_memories_agent_type_status'::regclass)").endswith(
        "(agent_id, memory_type, status)"
    )


def test_every_table_has_row_level_security(app):
    assert app.rows(
        "SELECT relname, relrowsecurity FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
    ) == [(table, True) for table in ("llms", "memories", "profiles", "user_agent_catalog", "user_agents")]


def test_the_trigger_function_is_a_security_definer_with_a_fixed_search_path(app):
    assert app.rows("SELECT prosecdef, proconfig FROM pg_proc WHERE oid = 'create_profile_for_new_user'::regproc") == [
        (True, ['search_path=""'])
    ]


def test_a_plain_database_is_refused_with_the_bootstrap_and_its_psql_line(database):
    session = database.connect()
    text = (SQL / f"{BASELINE}.sql").read_text()

    with pytest.raises(psycopg.errors.UndefinedObject, match=r"lacks table auth\.users: run the bootstrap") as caught:
        session.execute(text)
    assert "sql/bootstrap/supabase.sql" in caught.value.diag.message_primary
    assert f"psql -X -v ON_ERROR_STOP=1 --single-transaction -d {database.name} -f sql/bootstrap/supabase.sql" in (
        caught.value.diag.message_hint
    )


def test_a_sign_up_trigger_of_somebody_else_is_not_replaced(ground):
    ground.migrator.execute(
        "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION theirs()"
    )

    with pytest.raises(psycopg.errors.DuplicateObject, match="on_auth_user_created already"):
        ground.run(BASELINE)


def test_the_rollback_leaves_nothing_but_the_ground(ground):
    before = ground.database.dump()
    ground.run(BASELINE)
    ground.run(f"{BASELINE}.rollback")

    assert ground.database.dump() == before


def test_the_rollback_keeps_the_users(busy):
    users = set(busy.column("SELECT id FROM auth.users"))
    busy.run(f"{BASELINE}.rollback")

    assert set(busy.column("SELECT id FROM auth.users")) == users
    busy.sign_up(email="later@example.com")


def test_a_sign_up_makes_a_profile_and_an_agent_of_each_type(app):
    user = app.sign_up(email="ann@example.com")

    assert app.rows("SELECT username, avatar_url, bio, settings::text FROM profiles WHERE id = %s", user) == [
        ("ann", None, None, "{}")
    ]
    assert app.rows(
        "SELECT a.agent_type FROM user_agents a JOIN user_agent_catalog c USING (agent_type, llm_id, config, status)"
        " WHERE a.created_by = %(user)s AND a.updated_by = %(user)s AND a.user_id = %(user)s ORDER BY 1".replace(
            "%(user)s", f"'{user}'"
        )
    ) == [(each,) for each in sorted(AGENT_TYPES)]


def test_a_sign_up_copies_inactive_agents_too(app):
    app.migrator.execute("UPDATE user_agent_catalog SET status = 'inactive', deleted_at = now()")
    user = app.sign_up()

    assert app.agents(user) == sorted(AGENT_TYPES)


def test_a_sign_up_keeps_a_profile_that_is_there(app):
    app.migrator.execute(
        "CREATE FUNCTION first() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$ BEGIN INSERT INTO public.profiles (id, username) VALUES (NEW.id, 'early'); RETURN NEW; END $$;"
        "CREATE TRIGGER a_comes_first AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION first()"
    )
    user = app.sign_up(email="late@example.com")

    assert app.rows("SELECT username, settings FROM profiles WHERE id = %s", user) == [("early", None)]


@pytest.mark.parametrize(
    ("values", "username"),
    [
        ({"raw_user_meta_data": {"username": "ann"}, "email": "x@example.com"}, "ann"),
        ({"raw_user_meta_data": {"username": ""}, "email": "x@example.com"}, ""),
        ({"raw_user_meta_data": {"username": None}, "email": "x@example.com"}, "x"),
        ({"raw_user_meta_data": {}, "email": "x.y@example.com"}, "x.y"),
        ({"raw_user_meta_data": [], "email": "x@example.com"}, "x"),
        ({"email": "no-at-sign"}, "no-at-sign"),
        ({"id": "0a1b2c3d-0000-4000-8000-000000000000"}, "user_0a1b2c3d"),
    ],
)
@pytest.mark.parametrize("changed", [False, True], ids=["before the change", "after the change"])
def test_the_username_is_the_first_thing_that_is_known(app, values, username, changed):
    if changed:
        app.change()
    user = app.sign_up(**values)

    assert app.value("SELECT username FROM profiles WHERE id = %s", user) == username
