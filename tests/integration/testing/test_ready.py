"""The ready tests: each finds what it is for."""

from __future__ import annotations

READY = "from sqlmigrate.testing import *\n"


def test_they_pass_and_fail_as_the_command_does(suite, run, database):
    (suite / "test_migrations.py").write_text(READY)
    shadow = ["-p", "no:xdist"]

    good = run(*shadow)

    assert "4 passed, 1 skipped" in good.stdout, good.stdout

    (suite / "sql" / "2_more.sql").write_text("CREATE TABLE more (id integer);\n")
    (suite / "sql" / "2_more.rollback.sql").write_text("SELECT 1;\n")
    (suite / "sql" / "10_late.sql").write_text("SELECT 1; COMMIT;\n")
    (suite / "data" / "colours.yaml").write_text("colours:\n  - name: 7\n")
    (suite / "schema.sql").write_text("-- old\n")
    bad = run(*shadow)
    told = bad.stdout

    assert "5 failed" in told, told
    assert "10_late.sql" in told
    assert "2_more: not_restored (the rollback does not restore what was there: + table public.more" in told
    assert "colours.yaml:2:11" in told
    assert "`sqlmigrate dump` writes" in told or "on the throwaway database" in told


def test_an_id_may_be_let_off(suite, run):
    (suite / "test_migrations.py").write_text(READY)
    (suite / "sql" / "1_colours.rollback.sql").write_text("SELECT 1;\n")

    done = run("-k", "round_trips", "-o", "sqlmigrate_not_exact=1_colours")

    assert "1 passed" in done.stdout, done.stdout
