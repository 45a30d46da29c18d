"""Whatever is set for the database or the role, every command says the same, and scripts run under it."""

from __future__ import annotations

import json
import re
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from cli.conftest import Project
from fixtures.postgres import Database
from support.command import Call

pytestmark = [pytest.mark.pg, pytest.mark.usefixtures("shadow_on_other_server")]

TABLE = """
CREATE TABLE public.things (
    id integer PRIMARY KEY,
    day date DEFAULT '2024-02-01',
    moment timestamptz DEFAULT '2024-02-01 12:00:00.123456+00',
    span interval DEFAULT '1 year 2 mons 3 days 04:05:06',
    bytes bytea DEFAULT '\\xdeadbeef',
    number double precision DEFAULT 0.1,
    money numeric(10, 2) DEFAULT 1234.5,
    "Quoted Name" text DEFAULT 'a''b',
    document xml,
    list integer[] DEFAULT '{1,2,3}',
    CHECK (day > '2024-01-13' AND span < '10 years')
);
CREATE INDEX ON public.things (day) WHERE day > '2024-01-13';
CREATE VIEW public.view AS
SELECT id, day + 1 AS next, number::text FROM public.things WHERE moment < '2030-01-13 00:00:00+00';
"""
SEEDS = {"list": "things", "table": "public.things", "conflict": ["id"]}
ROWS = """things:
- {id: 1, day: 2024-02-13, moment: "2024-02-13T12:00:00.5+01:00", span: P1Y2M, bytes: '\\xff00', number: 0.1000000001}
- {id: 2, day: 2024-12-01, span: 1 day, number: 1e300, list: [1, 2], "Quoted Name": null}
"""

# What changes how values are printed and read, how messages look, and how statements are planned.
PROFILES: dict[str, dict[str, str]] = {
    "german": {
        "DateStyle": "German, DMY",
        "IntervalStyle": "iso_8601",
        "TimeZone": "Europe/London",
        "escape_string_warning": "off",
        "backslash_quote": "off",
        "array_nulls": "off",
        "transform_null_equals": "on",
        "quote_all_identifiers": "on",
        "search_path": '"$user", pg_temp, pg_catalog',
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "enable_seqscan": "off",
        "plan_cache_mode": "force_generic_plan",
        "debug_parallel_query": "on",
        "force_parallel_mode": "on",
    },
    "sql": {
        "DateStyle": "SQL, DMY",
        "IntervalStyle": "sql_standard",
        "TimeZone": "Asia/Kathmandu",
        "bytea_output": "escape",
        "extra_float_digits": "-15",
        "xmlbinary": "hex",
        "xmloption": "document",
        "client_encoding": "LATIN1",
        "client_min_messages": "debug5",
        "default_transaction_isolation": "serializable",
        "default_transaction_deferrable": "on",
        "statement_timeout": "10min",
        "lock_timeout": "10min",
        "row_security": "off",
        "enable_nestloop": "off",
        "enable_indexscan": "off",
    },
    "postgres": {
        "DateStyle": "Postgres, MDY",
        "IntervalStyle": "postgres_verbose",
        "TimeZone": "America/St_Johns",
        "client_encoding": "SQL_ASCII",
        "client_min_messages": "error",
        "extra_float_digits": "3",
        "check_function_bodies": "off",
        "default_toast_compression": "pglz",
        "enable_sort": "off",
        "jit": "on",
        "jit_above_cost": "0",
        "default_statistics_target": "1",
        "idle_in_transaction_session_timeout": "10min",
    },
    "odd": {
        "DateStyle": "ISO, YMD",
        "TimeZone": "<+03:07>-03:07",
        "timezone_abbreviations": "India",
        "lc_messages": "C",
        "lc_monetary": "C",
        "lc_numeric": "C",
        "lc_time": "C",
        "debug_print_parse": "on",
        "debug_print_plan": "on",
        "client_min_messages": "log",
        "log_min_messages": "fatal",
        "log_min_error_statement": "panic",
        "log_duration": "on",
        "synchronous_commit": "off",
        "from_collapse_limit": "1",
        "join_collapse_limit": "1",
        "geqo_threshold": "2",
        "work_mem": "64kB",
    },
}


@pytest.fixture
def things(project: Project) -> Project:
    """A project with two migrations, one of them outside a transaction, and seeds."""
    project.migration("0001.things", TABLE, rollback="DROP VIEW public.view; DROP TABLE public.things;\n")
    project.migration(
        "0002.index",
        "-- transactional: false\nCREATE INDEX CONCURRENTLY i ON public.things (span);\nANALYZE public.things;\n",
        rollback="-- transactional: false\nDROP INDEX CONCURRENTLY public.i;\n",
    )
    data = project.root / "data"
    data.mkdir()
    (data / "things.schema.json").write_text(json.dumps({"x-sqlmigrate": SEEDS}), encoding="utf-8")
    (data / "things.yaml").write_text(ROWS, encoding="utf-8")
    return project


CALLS = [
    *(
        "status --json",
        "plan --json",
        "plan",
        "apply --json -y",
        "status --json --verbose",
        "history --json",
        "history",
    ),
    *("seed --json", "seed --json", "drift --json", "roundtrip --json", "stats --json"),
    *(
        "rollback --accept-loss --json --steps 1",
        "plan --rollback --json",
        "mark 0002.index --json",
        "unmark 0002.index -y --json",
    ),
    *("redo --accept-loss --json", "history --json", "rollback --accept-loss --all --json", "status"),
]


def story(sqlmigrate: Call, root: Path) -> list[tuple[str, int, list[str]]]:
    """Call every command that reads from the database or writes to it; gives what each said, without what changes."""
    told = []
    for call in CALLS:
        outcome = sqlmigrate(*call.split())
        assert outcome.status in {0, 3}, (call, outcome)
        if call.startswith("roundtrip"):  # it names the settings, so all but its verdicts differs
            told.append((call, outcome.status, re.findall('"verdict": .*', outcome.stdout)))
            continue
        told.append((call, outcome.status, _steady(outcome.stdout.replace(str(root), "")).splitlines()))
    return told


def _steady(text: str) -> str:
    """Blank out times, durations and what is random."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00|Z)?", "TIME", text)
    changing = r"seconds|duration_ms|pid|run_id|id|took|now|at|bytes|size\w*|\w*_at|\w*_bytes|\w+_rate"
    text = re.sub(rf'"({changing})": ("[^"]*"|[\d.e-]+|null)', "", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "UUID", text)
    return re.sub(r"\b\d+(\.\d+)? (ms|s|kB|bytes|MB)\b|test_\d+|\b0\.\d+\b", "", text)


@pytest.fixture(scope="session")
def baseline() -> list[Any]:
    """What the commands say where nothing is set; found by the first test that needs it."""
    return []


def _set(target: Database, where: str, settings: dict[str, str]) -> dict[str, str]:
    """Set what this server knows of the settings, for the database or for the role."""
    known = "SELECT name FROM pg_settings WHERE lower(name) = lower(%s) AND context IN ('user', 'superuser')"
    what = sql.SQL("DATABASE {}") if where == "database" else sql.SQL("ROLE {}")
    what = what.format(sql.Identifier(target.name if where == "database" else "migrator"))
    set_ = {}
    with target.connect_superuser() as admin:
        for name, value in settings.items():
            if not admin.execute(known, [name]).fetchone():
                continue
            items = value.split(", ") if name == "search_path" else [value]
            values = sql.SQL(", ").join(sql.Literal(item.strip('"')) for item in items)
            admin.execute(sql.SQL("ALTER {} SET {} TO {}").format(what, sql.Identifier(name.lower()), values))
            set_[name] = value
    return set_


@pytest.fixture
def role_reset(target: Database):
    yield
    with target.connect_superuser() as admin:
        admin.execute("ALTER ROLE migrator RESET ALL")


@pytest.mark.parametrize(
    ("profile", "where"),
    [("german", "role"), ("sql", "role"), ("postgres", "database"), ("odd", "role")],
)
def test_every_command_says_the_same(things, target, sqlmigrate, baseline, role_reset, profile, where):
    if not baseline:
        baseline.extend(story(sqlmigrate, things.root))
        with target.connect() as conn:
            conn.execute("DROP SCHEMA sqlmigrate CASCADE")
    set_ = _set(target, where, PROFILES[profile])

    for (call, status, lines), (_, before_status, before) in zip(story(sqlmigrate, things.root), baseline, strict=True):
        assert (call, status) == (call, before_status)
        if not call.startswith("stats"):  # its counters come when they come
            difference = "\n".join(unified_diff(before, lines, call, str(set_), n=1, lineterm=""))
            assert not difference, difference
