"""Seed data that does not fit is refused with its place, and nothing is written."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from sqlmigrate.errors import ConnectionFailed, SeedError
from sqlmigrate.seeds import apply
from support.seeds import AGENTS, LLMS, SeedFiles

TABLES = """
CREATE TABLE public.llms (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    model_code varchar(20) NOT NULL UNIQUE,
    provider varchar(5) NOT NULL DEFAULT 'p',
    status varchar(20) DEFAULT 'active' CONSTRAINT chk_status CHECK (status IN ('active', 'inactive'))
);
CREATE TABLE public.agents (
    agent_type varchar(20) PRIMARY KEY,
    llm_id uuid REFERENCES public.llms,
    updated_at timestamptz NOT NULL DEFAULT now()
);
"""


def refusal(conn: psycopg.Connection[Any], files: SeedFiles) -> SeedError:
    with pytest.raises(SeedError) as caught:
        apply(conn, files.load())
    assert caught.value.problems
    return caught.value


def is_empty(conn: psycopg.Connection[Any]) -> bool:
    return conn.execute("SELECT NOT EXISTS (TABLE llms) AND NOT EXISTS (TABLE agents)").fetchone() == (True,)


def test_an_unknown_model_code_is_named_with_its_agent_type_and_nothing_is_written(session_with_tables, seed_files):
    seed_files.file("llms", LLMS, "llms: [{model_code: a}]\n")
    path = seed_files.file(
        "agents",
        AGENTS,
        """
        agents:
          - agent_type: TASK_EXECUTION
            llm_model_code: gpt-99
        """,
    )

    error = refusal(session_with_tables, seed_files)

    assert error.message == "llm_model_code 'gpt-99' of agent_type 'TASK_EXECUTION' is not in public.llms (model_code)"
    assert (error.place.path, error.place.line, error.place.column) == (path, 3, 21)
    assert error.hint == f"correct it, or add it to {seed_files.directory / 'llms.yaml'}"
    assert is_empty(session_with_tables)


def test_every_unknown_reference_is_reported(session_with_tables, seed_files):
    seed_files.file(
        "agents", AGENTS, "agents: [{agent_type: T, llm_model_code: x}, {agent_type: U, llm_model_code: y}]\n"
    )

    error = refusal(session_with_tables, seed_files)

    assert error.message == "the seed data has 2 problems; nothing was written"
    assert "'x' of agent_type 'T'" in error.problems[0].message
    assert "'y' of agent_type 'U'" in error.problems[1].message
    assert error.problems[0].hint == "correct it, or add it to public.llms"


def test_a_reference_that_matches_two_rows_is_refused(session_with_tables, seed_files):
    session_with_tables.execute("INSERT INTO llms (model_code) VALUES ('a'), ('b')")
    reference = {"table": "public.llms", "match": "provider", "select": "id"}
    mapping = AGENTS | {"columns": {"llm_id": {"from": "provider", "references": reference}}}
    seed_files.file("agents", mapping, "agents: [{agent_type: T, provider: p}]\n")

    assert (
        refusal(session_with_tables, seed_files).message
        == "provider 'p' of agent_type 'T' is in 2 rows of public.llms (provider)"
    )


def test_a_reference_of_the_wrong_type_is_refused_with_the_words_of_the_server(session_with_tables, seed_files):
    reference = {"table": "public.llms", "match": "id", "select": "id"}
    mapping = AGENTS | {"columns": {"llm_id": {"from": "llm", "references": reference}}}
    seed_files.file("agents", mapping, "agents: [{agent_type: T, llm: 5}]\n")

    error = refusal(session_with_tables, seed_files)

    assert 'invalid input syntax for type uuid: "5"' in error.message
    assert error.place.path.name == "agents.yaml"


def test_a_missing_table_asks_for_the_migrations_and_nothing_is_written(session_with_tables, seed_files):
    session_with_tables.execute("DROP TABLE agents")
    seed_files.file("llms", LLMS, "llms: [{model_code: a}]\n")
    seed_files.file("agents", AGENTS, "agents: [{agent_type: T, llm_model_code: a}]\n")

    error = refusal(session_with_tables, seed_files)

    assert error.message == "table public.agents does not exist"
    assert error.hint == "apply the migrations first: sqlmigrate apply"
    assert session_with_tables.execute("SELECT count(*) FROM llms").fetchone() == (0,)


def test_a_missing_table_is_found_even_when_the_file_is_empty(session_with_tables, seed_files):
    seed_files.file("other", {**LLMS, "table": "nowhere.other"}, "")

    assert refusal(session_with_tables, seed_files).message == "table nowhere.other does not exist"


def test_missing_columns_of_all_files_are_reported_at_once(session_with_tables, seed_files):
    session_with_tables.execute("ALTER TABLE agents DROP COLUMN updated_at; ALTER TABLE llms DROP COLUMN model_code")
    seed_files.file("llms", LLMS, "llms: [{model_code: a, sort: 5}, {model_code: b, sort: 6}]\n")
    seed_files.file("agents", AGENTS, "agents: []\n")

    error = refusal(session_with_tables, seed_files)

    assert [problem.message for problem in error.problems] == [
        "table public.llms has no column model_code",
        "table public.llms has no column sort",
        "table public.agents has no column updated_at",
        "table public.llms, which llm_model_code refers to, has no column model_code",
    ]
    assert (error.problems[1].place.line, error.problems[1].place.column) == (1, 24)


@pytest.mark.parametrize(
    "constraint",
    [
        "DROP CONSTRAINT llms_model_code_key",
        "DROP CONSTRAINT llms_model_code_key, ADD UNIQUE (model_code, status)",
        "DROP CONSTRAINT llms_model_code_key, ADD UNIQUE (model_code) DEFERRABLE",
    ],
)
def test_a_conflict_target_without_a_usable_unique_constraint_is_refused(session_with_tables, seed_files, constraint):
    session_with_tables.execute(f"ALTER TABLE llms {constraint}")
    session_with_tables.execute("CREATE UNIQUE INDEX ON llms (model_code) WHERE status = 'active'")
    seed_files.file("llms", LLMS, "llms: [{model_code: a}]\n")

    assert refusal(session_with_tables, seed_files).message == "public.llms has no unique constraint on (model_code)"


def test_a_table_with_child_tables_is_refused_whose_rows_no_unique_constraint_sees(session_with_tables, seed_files):
    session_with_tables.execute("CREATE TABLE public.child () INHERITS (public.llms)")
    seed_files.file("llms", LLMS, "llms: [{model_code: a}]\n")

    assert "has child tables (inheritance)" in refusal(session_with_tables, seed_files).message


def test_a_unique_index_with_more_columns_beside_its_key_is_a_conflict_target(session_with_tables, seed_files):
    session_with_tables.execute("ALTER TABLE llms DROP CONSTRAINT llms_model_code_key")
    session_with_tables.execute("CREATE UNIQUE INDEX ON llms (model_code) INCLUDE (status)")
    seed_files.file("llms", LLMS, "llms: [{model_code: a}]\n")

    assert apply(session_with_tables, seed_files.load()).tables[0].inserted == 1


def test_a_column_without_a_default_cannot_get_it_on_update(session_with_tables, seed_files):
    session_with_tables.execute("ALTER TABLE agents ALTER COLUMN updated_at DROP DEFAULT")
    seed_files.file("agents", AGENTS, "agents: []\n")

    assert (
        refusal(session_with_tables, seed_files).message
        == "column updated_at of public.agents has no default to be set to on update"
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("status: gone", 'violates check constraint "chk_status"'),
        ("provider: far too long", "value too long for type character varying(5)"),
        ("provider: ", 'null value in column "provider" of relation "llms" violates not-null constraint'),
    ],
)
def test_a_row_that_the_server_refuses_is_named_among_hundreds(session_with_tables, seed_files, row, message):
    rows = [f"- {{model_code: m{n}, provider: p, status: active}}" for n in range(700)]
    key = row.partition(":")[0]
    wrong = {"provider": "p", "status": "active", "model_code": "m431"} | {key: row.partition(": ")[2]}
    rows[431] = f"- {{{', '.join(f'{name}: {value}' for name, value in wrong.items())}}}"
    seed_files.file("llms", LLMS, "\n".join(["llms:", *rows]))

    error = refusal(session_with_tables, seed_files)

    assert error.message.startswith("model_code 'm431': ")
    assert message in error.message
    assert error.place.line == 433
    assert "Failing row" not in error.message
    assert is_empty(session_with_tables)


def test_a_foreign_key_violation_shows_the_key(session_with_tables, seed_files):
    mapping = {"list": "agents", "table": "public.agents", "conflict": ["agent_type"]}
    seed_files.file("agents", mapping, "agents: [{agent_type: T, llm_id: 00000000-0000-0000-0000-000000000000}]\n")

    message = refusal(session_with_tables, seed_files).message

    assert message.startswith("agent_type 'T': ")
    assert 'is not present in table "llms"' in message


def test_two_rows_that_only_the_server_takes_for_one_are_refused(session_with_tables, seed_files):
    session_with_tables.execute("CREATE TABLE public.codes (code numeric PRIMARY KEY, n int)")
    mapping = {"list": "codes", "table": "public.codes", "conflict": ["code"]}
    path = seed_files.file("codes", mapping, "codes: [{code: 1, n: 1}, {code: '1.0', n: 2}]\n")

    error = refusal(session_with_tables, seed_files)

    assert "code '1.0' appears twice, first at " in error.message
    assert str(error.place) == f"{path}:1:26"
    assert session_with_tables.execute("SELECT count(*) FROM codes").fetchone() == (0,)


def test_a_role_without_the_right_to_write_is_reported_and_no_row_is_blamed(session_with_tables, database, seed_files):
    session_with_tables.execute("GRANT USAGE ON SCHEMA public TO PUBLIC; GRANT SELECT ON llms TO PUBLIC")
    reader = database.connect_superuser()
    reader.execute("SET ROLE pg_monitor")
    seed_files.file("llms", LLMS, "llms: [{model_code: a}]\n")

    error = refusal(reader, seed_files)

    assert error.message == "permission denied for table llms"
    assert error.hint == "connect as the owner of the table, or grant SELECT, INSERT and UPDATE on it"
    assert error.place.line is None


def test_a_row_that_row_level_security_refuses_is_named(session_with_tables, seed_files):
    session_with_tables.execute(
        """ALTER TABLE llms ENABLE ROW LEVEL SECURITY;
        ALTER TABLE llms FORCE ROW LEVEL SECURITY;
        CREATE POLICY only_p ON llms USING (provider = 'p')"""
    )
    seed_files.file("llms", LLMS, "llms: [{model_code: a, provider: p}, {model_code: b, provider: q}]\n")

    message = refusal(session_with_tables, seed_files).message

    assert message.startswith("model_code 'b': new row violates row-level security policy")
    assert is_empty(session_with_tables)


def test_a_lock_that_is_not_given_up_in_time_is_an_error_with_what_to_do(session_with_tables, database, seed_files):
    seed_files.file("llms", LLMS, "llms: [{model_code: a}]\n")
    session_with_tables.execute("SET lock_timeout = '50ms'")
    other = database.connect()
    with other.transaction():
        other.execute("LOCK TABLE llms")

        error = refusal(session_with_tables, seed_files)

    assert error.message == "canceling statement due to lock timeout"
    assert error.hint == "another session holds a lock on the table; run it again"


def test_an_open_transaction_can_go_on_after_a_refusal(session_with_tables, seed_files):
    seed_files.file("llms", LLMS, "llms: [{model_code: a}, {model_code: b, status: gone}]\n")

    with session_with_tables.transaction():
        session_with_tables.execute("INSERT INTO llms (model_code) VALUES ('mine')")
        refusal(session_with_tables, seed_files)

    assert session_with_tables.execute("SELECT model_code FROM llms").fetchall() == [("mine",)]


def test_a_constraint_that_strikes_at_commit_is_an_error_and_nothing_is_written(session_with_tables, seed_files):
    session_with_tables.execute("ALTER TABLE agents ALTER CONSTRAINT agents_llm_id_fkey DEFERRABLE INITIALLY DEFERRED")
    mapping = {"list": "agents", "table": "public.agents", "conflict": ["agent_type"]}
    seed_files.file("agents", mapping, "agents: [{agent_type: T, llm_id: 00000000-0000-0000-0000-000000000000}]\n")

    error = refusal(session_with_tables, seed_files)

    assert "violates foreign key constraint" in error.message
    assert is_empty(session_with_tables)


def test_a_lost_connection_is_not_blamed_on_the_data(session_with_tables, database, seed_files):
    seed_files.file("llms", LLMS, "llms: [{model_code: a}]\n")
    [(pid,)] = session_with_tables.execute("SELECT pg_backend_pid()").fetchall()
    other = database.connect_superuser()
    other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    with pytest.raises(ConnectionFailed, match="the connection was lost, nothing was written"):
        apply(session_with_tables, seed_files.load())
