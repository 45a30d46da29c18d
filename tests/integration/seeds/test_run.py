"""Seed data is written to a real database: what differs and nothing else."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from sqlmigrate.seeds import SeedResult, apply
from support.seeds import AGENTS, LLMS, SeedFiles
from support.waiting import LONG, wait_until

TABLES = """
CREATE TABLE public.llms (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    model_code varchar(100) NOT NULL UNIQUE,
    provider varchar(50),
    status varchar(20) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
    number serial
);
CREATE TABLE public.agents (
    agent_type varchar(20) PRIMARY KEY,
    llm_id uuid REFERENCES public.llms,
    config jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
"""
TWO_LLMS = """
llms:
  - {model_code: a, provider: p}
  - {model_code: b, provider: p}
"""
TWO_AGENTS = """
agents:
  - {agent_type: T, llm_model_code: a, config: {temperature: 0.5, steps: [1, {two: 2}], none: null}}
  - {agent_type: U, llm_model_code: b, config: {}}
"""


def counts(result: SeedResult) -> dict[str, tuple[int, int, int]]:
    return {table.file.stem: (table.inserted, table.updated, table.unchanged) for table in result.tables}


def versions(conn: psycopg.Connection[Any], table: str) -> list[tuple[Any, ...]]:
    """Give what changes when a row is written or only locked: its place and its two transaction numbers."""
    return conn.execute(f"SELECT ctid, xmin, xmax, t::text FROM {table} AS t ORDER BY ctid").fetchall()


def make_both(files: SeedFiles) -> None:
    files.file("agents", AGENTS, TWO_AGENTS)
    files.file("llms", LLMS, TWO_LLMS)


def test_rows_are_inserted_in_the_order_of_their_references(session_with_tables, seed_files):
    make_both(seed_files)

    result = apply(session_with_tables, seed_files.load())

    assert counts(result) == {"llms": (2, 0, 0), "agents": (2, 0, 0)}
    assert [str(table.table) for table in result.tables] == ["public.llms", "public.agents"]
    rows = session_with_tables.execute(
        "SELECT agent_type, model_code, config FROM agents JOIN llms ON llms.id = llm_id ORDER BY 1"
    )
    assert rows.fetchall() == [
        ("T", "a", {"temperature": 0.5, "steps": [1, {"two": 2}], "none": None}),
        ("U", "b", {}),
    ]


def test_the_second_run_writes_nothing_and_locks_no_row(session_with_tables, seed_files):
    make_both(seed_files)
    apply(session_with_tables, seed_files.load())
    before = versions(session_with_tables, "llms"), versions(session_with_tables, "agents")

    result = apply(session_with_tables, seed_files.load())

    assert counts(result) == {"llms": (0, 0, 2), "agents": (0, 0, 2)}
    assert result.written == 0
    assert (versions(session_with_tables, "llms"), versions(session_with_tables, "agents")) == before


def test_the_second_run_needs_no_transaction_number(session_with_tables, seed_files):
    make_both(seed_files)
    apply(session_with_tables, seed_files.load())

    with session_with_tables.transaction():
        apply(session_with_tables, seed_files.load())
        number = session_with_tables.execute("SELECT pg_current_xact_id_if_assigned()").fetchone()

    assert number == (None,)


def test_unchanged_rows_draw_no_number_from_a_sequence(session_with_tables, seed_files):
    make_both(seed_files)
    apply(session_with_tables, seed_files.load())
    before = session_with_tables.execute("SELECT last_value FROM llms_number_seq").fetchone()

    apply(session_with_tables, seed_files.load())

    assert session_with_tables.execute("SELECT last_value FROM llms_number_seq").fetchone() == before


def test_inserted_updated_and_unchanged_rows_are_counted_apart(session_with_tables, seed_files):
    make_both(seed_files)
    apply(session_with_tables, seed_files.load())
    seed_files.yaml("llms", "llms: [{model_code: a, provider: p}, {model_code: b, provider: q}, {model_code: c}]\n")

    assert counts(apply(session_with_tables, seed_files.load())) == {"llms": (1, 1, 1), "agents": (0, 0, 2)}
    assert session_with_tables.execute("SELECT provider FROM llms WHERE model_code = 'b'").fetchone() == ("q",)


def test_a_changed_reference_is_an_update(session_with_tables, seed_files):
    make_both(seed_files)
    apply(session_with_tables, seed_files.load())
    seed_files.yaml("agents", TWO_AGENTS.replace("llm_model_code: a", "llm_model_code: b"))

    assert counts(apply(session_with_tables, seed_files.load()))["agents"] == (0, 1, 1)


def test_updated_at_becomes_now_on_a_changed_row_and_stays_on_an_unchanged_one(session_with_tables, seed_files):
    make_both(seed_files)
    apply(session_with_tables, seed_files.load())
    session_with_tables.execute("UPDATE agents SET updated_at = '2001-01-01Z'")
    seed_files.yaml("agents", TWO_AGENTS.replace("temperature: 0.5", "temperature: 0.6"))

    apply(session_with_tables, seed_files.load())

    fresh = session_with_tables.execute(
        "SELECT agent_type, updated_at > now() - interval '1 h' FROM agents ORDER BY 1"
    ).fetchall()
    assert fresh == [("T", True), ("U", False)]


@pytest.mark.parametrize(
    "same",
    [
        "config: {none: null, steps: [1, {two: 2}], temperature: 0.50}",
        "config: {temperature: 5e-1, none: , steps: [1.0, {two: 2}]}",
    ],
)
def test_json_that_means_the_same_is_unchanged(session_with_tables, seed_files, same):
    make_both(seed_files)
    apply(session_with_tables, seed_files.load())
    line = "config: {temperature: 0.5, steps: [1, {two: 2}], none: null}"
    assert line in TWO_AGENTS
    seed_files.yaml("agents", TWO_AGENTS.replace(line, same))

    assert counts(apply(session_with_tables, seed_files.load()))["agents"] == (0, 0, 2)


def test_rows_that_are_not_in_the_file_are_left_alone(session_with_tables, seed_files):
    session_with_tables.execute("INSERT INTO llms (model_code, status) VALUES ('own', 'inactive')")
    make_both(seed_files)
    before = versions(session_with_tables, "llms")

    apply(session_with_tables, seed_files.load())

    assert versions(session_with_tables, "llms")[:1] == before


def test_a_soft_deleted_row_is_updated_and_stays_deleted(session_with_tables, seed_files):
    session_with_tables.execute("INSERT INTO agents VALUES ('T', NULL, '{}', now(), '2001-01-01Z')")
    make_both(seed_files)

    assert counts(apply(session_with_tables, seed_files.load()))["agents"] == (1, 1, 0)
    found = session_with_tables.execute(
        "SELECT llm_id IS NOT NULL, deleted_at = '2001-01-01Z' FROM agents WHERE agent_type = 'T'"
    )
    assert found.fetchone() == (True, True)


def test_a_key_that_is_left_out_takes_the_default_at_first_and_is_then_left_alone(session_with_tables, seed_files):
    seed_files.file("llms", LLMS, "llms: [{model_code: a}, {model_code: b, status: inactive}]\n")
    apply(session_with_tables, seed_files.load())
    assert session_with_tables.execute("SELECT status FROM llms ORDER BY model_code").fetchall() == [
        ("active",),
        ("inactive",),
    ]
    session_with_tables.execute("UPDATE llms SET status = 'inactive'")

    assert counts(apply(session_with_tables, seed_files.load())) == {"llms": (0, 0, 2)}


def test_null_is_written_and_compared_as_null(session_with_tables, seed_files):
    seed_files.file("llms", LLMS, "llms: [{model_code: a, provider: null}, {model_code: b, provider: p}]\n")
    seed_files.file("agents", AGENTS, "agents: [{agent_type: T, llm_model_code: a}]\n")
    apply(session_with_tables, seed_files.load())
    seed_files.yaml("llms", "llms: [{model_code: a, provider: null}, {model_code: b, provider: null}]\n")
    seed_files.yaml("agents", "agents: [{agent_type: T, llm_model_code: null}]\n")

    assert counts(apply(session_with_tables, seed_files.load())) == {"llms": (0, 1, 1), "agents": (0, 1, 0)}
    assert session_with_tables.execute("SELECT provider FROM llms").fetchall() == [(None,), (None,)]
    assert session_with_tables.execute("SELECT llm_id FROM agents").fetchall() == [(None,)]


def test_empty_files_write_nothing_and_are_reported(session_with_tables, seed_files):
    seed_files.file("llms", LLMS, "")
    seed_files.file("agents", AGENTS, "agents:\n")

    assert counts(apply(session_with_tables, seed_files.load())) == {"llms": (0, 0, 0), "agents": (0, 0, 0)}


def test_a_row_of_nothing_but_its_key_is_inserted_once(session_with_tables, seed_files):
    seed_files.file("llms", LLMS, "llms: [{model_code: a}]\n")

    assert counts(apply(session_with_tables, seed_files.load())) == {"llms": (1, 0, 0)}
    assert counts(apply(session_with_tables, seed_files.load())) == {"llms": (0, 0, 1)}


def test_values_become_what_their_columns_are(session_with_tables, seed_files):
    session_with_tables.execute(
        """CREATE DOMAIN public.percent AS int CHECK (VALUE BETWEEN 0 AND 100);
        CREATE TYPE public.mood AS ENUM ('good', 'bad');
        CREATE TABLE public.kinds (code char(4) PRIMARY KEY, big numeric(30, 10), small smallint, real8 float8,
            day date, at timestamptz, span interval, flag bool, mood mood, percent percent, tags text[], raw json,
            doc jsonb, bytes bytea, id uuid, "Odd ""na%me" text, "%s" text)"""
    )
    row = {
        "code": "x",
        "big": "12345678901234567890.0123456789",
        "small": 7,
        "real8": 0.1,
        "day": "2024-02-29",
        "at": "2024-02-29T12:00:00+01:00",
        "span": "1 day 2 h",
        "flag": "yes",
        "mood": "good",
        "percent": 50,
        "tags": "[a, 'b c', null, '{']",
        "raw": '{b: 1, a: "x"}',
        "doc": "'text'",
        "bytes": r"'\x00ff'",
        "id": "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a",
        "'Odd \"na%me'": "odd",
        "'%s'": "percent",
    }
    quoted = {key: f"'{value}'" if key in {"big", "at", "day"} else value for key, value in row.items()}
    mapping = {"list": "kinds", "table": "public.kinds", "conflict": ["code"]}
    seed_files.file(
        "kinds", mapping, "kinds:\n  - " + "\n    ".join(f"{key}: {value}" for key, value in quoted.items())
    )
    assert counts(apply(session_with_tables, seed_files.load())) == {"kinds": (1, 0, 0)}
    before = versions(session_with_tables, "kinds")

    assert counts(apply(session_with_tables, seed_files.load())) == {"kinds": (0, 0, 1)}
    assert versions(session_with_tables, "kinds") == before
    [found] = session_with_tables.cursor(row_factory=dict_row).execute(
        """SELECT big::text, real8, day::text, at = '2024-02-29 11:00Z' AS at, span::text, flag, mood::text, percent,
        tags, raw::text, doc, bytes, "Odd ""na%me" AS odd, "%s" AS sign FROM kinds"""
    )
    assert found == {
        "big": "12345678901234567890.0123456789",
        "real8": 0.1,
        "day": "2024-02-29",
        "at": True,
        "span": "1 day 02:00:00",
        "flag": True,
        "mood": "good",
        "percent": 50,
        "tags": ["a", "b c", None, "{"],
        "raw": '{"b": 1, "a": "x"}',
        "doc": "text",
        "bytes": b"\x00\xff",
        "odd": "odd",
        "sign": "percent",
    }


def test_a_table_can_refer_to_itself_and_have_a_key_of_several_columns(session_with_tables, seed_files):
    session_with_tables.execute(
        """CREATE TABLE public.nodes (id serial PRIMARY KEY, code text UNIQUE, parent_id int REFERENCES public.nodes);
        CREATE TABLE public.labels (node_id int REFERENCES public.nodes, lang text, name text,
            PRIMARY KEY (lang, node_id))"""
    )
    node = {"table": "public.nodes", "match": "code", "select": "id"}
    tree = {"parent_id": {"from": "parent", "references": node}}
    seed_files.file(
        "nodes",
        {"list": "nodes", "table": "public.nodes", "conflict": ["code"], "columns": tree},
        "nodes: [{code: leaf, parent: twig}, {code: twig, parent: root}, {code: root, parent: }]\n",
    )
    seed_files.file(
        "labels",
        {
            "list": "labels",
            "table": "public.labels",
            "conflict": ["node_id", "lang"],
            "columns": {"node_id": {"from": "node", "references": node}},
        },
        "labels: [{node: root, lang: de, name: Wurzel}, {node: root, lang: en, name: root}]\n",
    )

    assert counts(apply(session_with_tables, seed_files.load())) == {"nodes": (3, 0, 0), "labels": (2, 0, 0)}
    assert counts(apply(session_with_tables, seed_files.load())) == {"nodes": (0, 0, 3), "labels": (0, 0, 2)}
    found = session_with_tables.execute(
        "SELECT a.code, b.code FROM nodes a LEFT JOIN nodes b ON b.id = a.parent_id ORDER BY 1"
    )
    assert found.fetchall() == [("leaf", "twig"), ("root", None), ("twig", "root")]


def test_a_reference_may_lead_to_a_row_that_no_file_holds(session_with_tables, seed_files):
    session_with_tables.execute("INSERT INTO llms (model_code) VALUES ('old')")
    seed_files.file("llms", LLMS, TWO_LLMS)
    seed_files.file("agents", AGENTS, "agents: [{agent_type: T, llm_model_code: old}]\n")

    assert counts(apply(session_with_tables, seed_files.load()))["agents"] == (1, 0, 0)


def test_a_partitioned_table_is_counted_like_any_other(session_with_tables, seed_files):
    session_with_tables.execute(
        """CREATE TABLE public.parts (code text PRIMARY KEY, n int) PARTITION BY LIST (code);
        CREATE TABLE public.parts_a PARTITION OF public.parts FOR VALUES IN ('a');
        CREATE TABLE public.parts_rest PARTITION OF public.parts DEFAULT"""
    )
    mapping = {"list": "parts", "table": "public.parts", "conflict": ["code"]}
    seed_files.file("parts", mapping, "parts: [{code: a, n: 1}, {code: b, n: 1}]\n")

    assert counts(apply(session_with_tables, seed_files.load())) == {"parts": (2, 0, 0)}
    seed_files.yaml("parts", "parts: [{code: a, n: 2}, {code: b, n: 1}, {code: c, n: 1}]\n")
    assert counts(apply(session_with_tables, seed_files.load())) == {"parts": (1, 1, 1)}


def test_names_are_found_without_the_search_path(session_with_tables, seed_files):
    make_both(seed_files)
    session_with_tables.execute("SET search_path TO ''")

    assert counts(apply(session_with_tables, seed_files.load())) == {"llms": (2, 0, 0), "agents": (2, 0, 0)}


def test_an_open_transaction_of_the_caller_is_joined(session_with_tables, database, seed_files):
    make_both(seed_files)
    with session_with_tables.transaction() as outer:
        apply(session_with_tables, seed_files.load())
        assert database.connect().execute("SELECT count(*) FROM llms").fetchone() == (0,)
        raise psycopg.Rollback(outer)

    assert session_with_tables.execute("SELECT count(*) FROM llms").fetchone() == (0,)


def test_a_connection_without_autocommit_is_committed(database, session_with_tables, seed_files):
    make_both(seed_files)
    other = database.connect(autocommit=False, row_factory=dict_row)

    apply(other, seed_files.load())

    assert session_with_tables.execute("SELECT count(*) FROM agents").fetchone() == (2,)


def test_thousands_of_rows_go_in_few_statements(session_with_tables, seed_files):
    rows = "".join(f"- {{model_code: m{n}, provider: p{n % 7}, status: active}}\n" for n in range(2_500))
    seed_files.file("llms", LLMS, f"llms:\n{rows}")

    assert counts(apply(session_with_tables, seed_files.load())) == {"llms": (2_500, 0, 0)}
    session_with_tables.execute("UPDATE llms SET provider = 'x' WHERE model_code IN ('m3', 'm1700', 'm2499')")
    session_with_tables.execute("DELETE FROM llms WHERE model_code = 'm4'")
    assert counts(apply(session_with_tables, seed_files.load())) == {"llms": (1, 3, 2_496)}


def test_two_runs_at_the_same_time_write_each_row_once(session_with_tables, database, seed_files):
    make_both(seed_files)
    seeds = seed_files.load()
    results: list[SeedResult] = []
    other = database.connect()
    [(waiting,)] = other.execute("SELECT pg_backend_pid()").fetchall()
    with session_with_tables.transaction():
        first = apply(session_with_tables, seeds)
        thread = threading.Thread(target=lambda: results.append(apply(other, seeds)))
        thread.start()
        watcher = database.connect()
        wait_until(lambda: watcher.execute("SELECT pg_blocking_pids(%s) <> '{}'", [waiting]).fetchone() == (True,))
    thread.join(LONG)

    assert counts(first) == {"llms": (2, 0, 0), "agents": (2, 0, 0)}
    assert [counts(result) for result in results] == [{"llms": (0, 0, 2), "agents": (0, 0, 2)}]
