"""Nothing of a plan runs while one of its scripts holds what must not run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sqlmigrate.errors import MigrationsError
from sqlmigrate.migrations import Migration, ScriptRun
from sqlmigrate.migrations.preflight import preflight, require_runnable
from sqlmigrate.sql import script as scripts
from sqlmigrate.sql.script import read_script, script_from_text


@pytest.fixture
def checked(tmp_path):
    """Check a script and give its problems without the folder."""

    def check(text: str, *, transactional: bool = True) -> list[str]:
        path = tmp_path / "a.sql"
        path.write_text(text, encoding="utf-8", newline="")
        run = ScriptRun("a", "apply", read_script(path)[0], transactional=transactional)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in preflight(run)]

    return check


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "SELECT 1;\n  COMMIT;\n",
            "a.sql:2:3: COMMIT: a script must not end or begin the transaction that protects it",
        ),
        ("BEGIN;\nSELECT 1;", "a.sql:1:1: BEGIN: a script must not end or begin the transaction"),
        ("/* a */ START\n TRANSACTION;", "a.sql:1:9: START TRANSACTION: a script must not end or begin"),
        ("SELECT 'é'; ROLLBACK", "a.sql:1:13: ROLLBACK: a script must not end or begin"),
        ("-- why\nVACUUM t;", "a.sql:2:1: VACUUM t: cannot run inside a transaction"),
        *(
            (f"{statement};", f"a.sql:1:1: {name}: cannot run inside a transaction")
            for statement, name in [
                ("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY"),
                ("CREATE UNIQUE /* a */ INDEX\n concurrently ON t (a)", "CREATE INDEX CONCURRENTLY"),
                ("DROP INDEX CONCURRENTLY i", "DROP INDEX CONCURRENTLY"),
                ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", "REINDEX CONCURRENTLY"),
                ("REINDEX INDEX CONCURRENTLY i", "REINDEX CONCURRENTLY"),
                ("REINDEX SCHEMA s", "REINDEX SCHEMA"),
                (
                    "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
                    "ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY",
                ),
                ("CREATE DATABASE concurrently", "CREATE DATABASE"),
            ]
        ),
        ("PREPARE TRANSACTION 'a';", "a.sql:1:1: PREPARE TRANSACTION: a prepared transaction outlives its script"),
        ("COPY t TO stdout;", "a.sql:1:1: COPY TO STDOUT: a migration has nowhere to send the rows"),
        ("SELECT 1;\n\\i b.sql\n", "a.sql:2:1: \\i is a psql command, not SQL"),
        ("SELECT 1,\n 'a", "a.sql:2:2: this string is never closed"),
        ("CREATE FUNCTION begin() LANGUAGE sql AS '';\nEND;", "a.sql:2:1: END: a script must not end or begin"),
    ],
)
def test_what_must_not_run_is_named_with_its_place(checked, text, problem):
    (found,) = checked(text)

    assert found.startswith(problem)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-- COMMIT;\n",
        "SELECT 'COMMIT;';",
        "SAVEPOINT a; ROLLBACK TO a; RELEASE a;",
        "DO $$ BEGIN COMMIT; END $$;",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;",
        "CREATE TABLE a (x int); SYNTAX OF TOMORROW;",
        "COPY t FROM stdin;\nCOMMIT;\n\\.\n",
        "\\restrict abc\nSELECT 1;\n\\unrestrict abc\n",
    ],
)
def test_what_may_run_is_let_through(checked, text):
    assert checked(text) == []


@pytest.mark.parametrize("text", ["VACUUM;", "BEGIN; SELECT 1; COMMIT;", "CREATE INDEX CONCURRENTLY i ON t (a);"])
def test_outside_of_a_transaction_more_may_run(checked, text):
    assert checked(text, transactional=False) == []


@pytest.mark.parametrize("text", ["\\i b.sql", "SELECT 'a", "COPY t TO stdout", "PREPARE TRANSACTION 'a'"])
def test_some_things_run_nowhere(checked, text):
    assert len(checked(text, transactional=False)) == 1


@pytest.mark.parametrize(
    ("operation", "hint"),
    [
        ("apply", "put it into a migration of its own that says `-- transactional: false` in its first lines"),
        ("rollback", "write `-- transactional: false` in the first lines of this rollback script"),
    ],
)
def test_what_cannot_run_inside_a_transaction_is_reported_with_what_to_do(operation, hint):
    script = script_from_text(Path("a.sql"), "DROP INDEX CONCURRENTLY i;")

    (problem,) = preflight(ScriptRun("a", operation, script, transactional=True))

    assert problem.hint == hint


def test_every_problem_is_found_at_once(checked):
    assert len(checked("BEGIN; VACUUM; COMMIT; \\q")) == 4


def test_all_scripts_of_a_plan_are_checked_before_one_is_refused(tmp_path):
    runs = []
    for name in ("a", "b", "c"):
        path = tmp_path / f"{name}.sql"
        path.write_text("SELECT 1;" if name == "a" else "COMMIT;", encoding="utf-8")
        runs.append(Migration(name, read_script(path)[0]).forward())

    with pytest.raises(MigrationsError, match="nothing was run") as caught:
        require_runnable(runs)

    assert [problem.place.path.name for problem in caught.value.problems if problem.place] == ["b.sql", "c.sql"]
    assert all(problem.hint for problem in caught.value.problems)
    require_runnable(runs[:1])


def test_the_place_after_the_data_of_a_large_script_is_right(checked, monkeypatch):
    monkeypatch.setattr(scripts, "HELD_MAX", 8)
    data = "".join(f"{number}\tsome words\n" for number in range(100_000))
    problems = checked(f"COPY t FROM stdin;\n{data}\\.\nSELECT 1;\n  COMMIT;\n")

    assert [problem.split(": ")[0] for problem in problems] == ["a.sql:100004:3"]


@pytest.mark.parametrize(
    "statement", ["COMMIT AND CHAIN", "commit /* a */ and -- b\nchain /* c */", "END WORK AND CHAIN"]
)
def test_a_chain_of_transactions_is_refused_outside_one(statement):
    script = script_from_text(Path("a.sql"), f"BEGIN;\n{statement};\nCOMMIT;")

    [problem] = preflight(ScriptRun("a", "apply", script, transactional=False))

    assert str(problem).startswith("a.sql:2:1: AND CHAIN: ")


def test_an_isolation_level_is_refused_outside_a_transaction():
    script = script_from_text(Path("a.sql"), "-- sqlmigrate: isolation=serializable\nSELECT 1;")

    inside = ScriptRun("a", "apply", script, transactional=True)

    assert preflight(inside) == []
    [problem] = preflight(replace(inside, transactional=False))
    assert str(problem).startswith("a.sql:1:16: isolation= is for a script in a transaction")


BATCH = "-- sqlmigrate-batch: table=t key=id\n"
BOUNDED = "UPDATE t SET n = 1 WHERE id >= $1 AND id <= $2;\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"BEGIN;\n{BATCH}{BOUNDED}COMMIT;\n", "a.sql:2:4: each batch has a COMMIT of its own, so it cannot be in"),
        (f"BEGIN;\nCOMMIT;\n{BATCH}UPDATE t SET n = 1;\n", "a.sql:4:1: cannot run in batches: its WHERE must hold"),
        (f"{BATCH}-- sqlmigrate-verify: DELETE FROM t\n{BOUNDED}", "a.sql:2:23: a verify is one query that gives"),
        (f"{BATCH}-- sqlmigrate-verify: SELECT true; SELECT 1\n{BOUNDED}", "a.sql:2:23: a verify is one query"),
    ],
)
def test_a_statement_that_cannot_run_in_batches_is_refused_with_its_place(checked, text, expected):
    (problem,) = checked(text, transactional=False)

    assert problem.startswith(expected)


def test_a_statement_runs_in_batches_only_outside_a_transaction(checked):
    text = f"SELECT 1;\n{BATCH}{BOUNDED}SELECT 2;\n"

    assert checked(text, transactional=False) == []
    (problem,) = checked(text)
    assert problem.startswith(
        "a.sql:2:4: each batch has a COMMIT of its own, so its script cannot run in a transaction"
    )
