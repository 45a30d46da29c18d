"""The first run in a database that another tool has worked on: nothing is run twice without a word."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import HistoryError
from sqlmigrate.migrations import migration_hash
from support.runner import Runner, ids

YOYO = """
CREATE TABLE _yoyo_migration (migration_hash text, migration_id text, applied_at_utc timestamp);
INSERT INTO _yoyo_migration VALUES ('{}', 'a', now());
"""


@pytest.fixture
def two(runner) -> Runner:
    for name in "ab":
        runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")
    return runner


def notes(runner: Runner) -> tuple[str, ...]:
    """Give what is noted of the plan of the next run."""
    return runner.apply().plan.notes


def test_what_yoyo_has_applied_is_not_run_again(two, conn):
    conn.execute(YOYO.format(migration_hash("a")))

    with pytest.raises(HistoryError, match=r"a is applied, says public\._yoyo_migration") as caught:
        two.apply()

    assert caught.value.hint.endswith("sqlmigrate mark --from yoyo --schema public")
    assert two.history().version is None


def test_what_yoyo_has_applied_elsewhere_is_no_reason_to_stop(two, conn):
    conn.execute(YOYO.format(migration_hash("of another project")))

    assert ids(two.apply()) == ["a", "b"]


@pytest.mark.parametrize("name", ["schema_migrations", "flyway_schema_history", '"__EFMigrationsHistory"'])
def test_the_history_of_another_tool_is_noted_at_the_first_run_only(two, conn, name):
    conn.execute(f"CREATE TABLE {name} (version text)")

    [note] = notes(two)
    two.write("c", "SELECT 1;")

    assert note.startswith(f"public.{name.strip(chr(34))} is the history of ")
    assert notes(two) == ()


def test_what_a_platform_keeps_in_its_own_schema_is_not_noted(two, conn, admin):
    admin.execute("CREATE SCHEMA auth CREATE TABLE schema_migrations (version text)")

    assert notes(two) == ()
