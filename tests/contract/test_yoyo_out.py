"""`mark --to yoyo`: yoyo goes on where we stopped; and the page about it, run as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sqlmigrate.errors import HalfWayError, HistoryError, UsageError
from support.command import Call
from support.default_privileges import DEFAULTS, rights_of_others
from support.runner import Runner, ids
from support.yoyo import ROOT, Yoyo, adopt, copy_back, opened, pending, project_of_100, url

pytestmark = pytest.mark.contract


@pytest.fixture
def sqlmigrate_in_folder(sqlmigrate: Call, tmp_path: Path, monkeypatch) -> Call:
    """Call the command line in the test's folder."""
    monkeypatch.chdir(tmp_path)
    return sqlmigrate


def test_both_agree_there_and_back_on_a_project_of_100_scripts(database, tmp_path):
    runner = Runner(database.conninfo, tmp_path / "migrations")
    runner.directory.mkdir()
    project_of_100(runner)
    with opened(database, runner.directory) as yoyo:
        yoyo.apply(first=50)
        adopt(runner)
        runner.apply(steps=30)
        runner.rollback(steps=10)

        done = copy_back(runner)

        assert len(done.added) == 20
        assert yoyo.applied() == runner.applied()
        assert yoyo.pending() == pending(runner)
        left = yoyo.pending()
        assert (len(left), yoyo.apply(first=15)) == (30, left[:15])
        adopt(runner)
        assert yoyo.applied() == runner.applied()
        assert yoyo.pending() == pending(runner)
        assert ids(runner.apply()) == left[15:]
        copy_back(runner)
        assert yoyo.pending() == []
        assert yoyo.applied() == runner.applied()


def test_the_tables_are_those_that_yoyo_makes(abc_runner, database, database_factory):
    other = database_factory()
    with opened(other, abc_runner.directory) as yoyo:
        yoyo.applied()
        yoyo.backend.execute("DROP TABLE yoyo_lock")
    abc_runner.mark("a")

    done = copy_back(abc_runner)

    assert not done.place.exists
    assert database.dump("--schema=public", schema_only=True) == other.dump("--schema=public", schema_only=True)
    assert database.connect().execute("SELECT version FROM _yoyo_version").fetchall() == [(2,)]


def test_default_privileges_give_nobody_the_right_to_write_them(abc_runner, database, admin, new_role):
    other = new_role()
    database.connect().execute(DEFAULTS.format(other=other))
    abc_runner.mark("a")
    before = rights_of_others(admin, "public")
    copy_back(abc_runner)

    assert rights_of_others(admin, "public") == sorted([*before, (other, "r", "SELECT")])


def test_yoyo_goes_on_with_the_tables_that_we_made(abc_runner, database):
    abc_runner.apply(steps=2)
    copy_back(abc_runner)

    with opened(database, abc_runner.directory) as yoyo:
        assert yoyo.applied() == ["a", "b"]
        assert yoyo.apply() == ["c"]
        yoyo.rollback("c", "b")
        assert yoyo.applied() == ["a"]


def test_yoyos_log_says_what_was_copied(yoyo: Yoyo, abc_runner):
    yoyo.apply("a", "b")
    adopt(abc_runner)
    abc_runner.apply()
    abc_runner.rollback(steps=2, include_marked=("b",))

    copy_back(abc_runner)
    abc_runner.apply(to="b")
    copy_back(abc_runner)

    assert yoyo.log() == [("apply", "a"), ("apply", "b"), ("unmark", "b"), ("mark", "b")]


def test_what_was_rolled_back_or_unmarked_here_is_taken_out_there(yoyo, abc_runner):
    yoyo.apply()
    adopt(abc_runner)
    abc_runner.rollback(include_marked=("c",))
    abc_runner.unmark("b")

    done = copy_back(abc_runner)

    assert [str(row) for row in done.removed] == ["b", "c"]
    assert yoyo.applied() == abc_runner.applied() == ["a"]
    assert yoyo.pending() == pending(abc_runner) == ["b", "c"]


def test_what_only_yoyo_applied_stays(yoyo, abc_runner):
    yoyo.apply("a")
    adopt(abc_runner)
    yoyo.apply("b")

    done = copy_back(abc_runner)

    assert (done.only_yoyo, done.removed) == (("b",), ())
    assert yoyo.applied() == ["a", "b"]


def test_what_yoyo_applied_again_after_we_rolled_it_back_stays(yoyo, abc_runner):
    yoyo.apply("a")
    adopt(abc_runner)
    abc_runner.rollback(include_marked=("a",))
    copy_back(abc_runner)
    yoyo.apply("a")

    done = copy_back(abc_runner)

    assert (done.only_yoyo, yoyo.applied()) == (("a",), ["a"])


def test_copying_again_writes_nothing(yoyo, abc_runner, database):
    yoyo.apply("a")
    adopt(abc_runner)
    abc_runner.apply()
    copy_back(abc_runner)
    before = database.dump()

    done = copy_back(abc_runner)

    assert (done.added, done.removed, done.unchanged, done.changes) == ((), (), 3, False)
    assert database.dump() == before


def test_yoyo_gives_our_order_where_our_times_do_not_rise(yoyo, abc_runner, conn):
    yoyo.apply("a")
    adopt(abc_runner)
    abc_runner.mark("c")
    abc_runner.apply(allow_out_of_order=True)
    conn.execute("UPDATE sqlmigrate._yoyo_migration SET applied_at_utc = '2020-01-01' WHERE migration_id = 'b'")
    conn.execute("UPDATE sqlmigrate._yoyo_migration SET applied_at_utc = NULL WHERE migration_id = 'c'")

    copy_back(abc_runner)

    assert yoyo.applied() == abc_runner.applied() == ["a", "c", "b"]


def test_yoyo_looks_in_the_first_schema_of_the_search_path(abc_runner, database, conn):
    conn.execute("CREATE SCHEMA app")
    conn.execute(f'ALTER ROLE migrator IN DATABASE "{database.name}" SET search_path = nothing, app, public')
    abc_runner.mark("a")

    assert str(copy_back(abc_runner).place) == "app._yoyo_migration"
    with opened(database, abc_runner.directory) as yoyo:
        assert yoyo.applied() == ["a"]


def test_a_schema_can_be_named(abc_runner, database, conn):
    conn.execute('CREATE SCHEMA "Odd one"')
    abc_runner.mark("a")

    assert copy_back(abc_runner, "Odd one").place.exists is False
    with opened(database, abc_runner.directory, schema='"Odd one"') as yoyo:
        assert yoyo.applied() == ["a"]


def test_a_table_with_a_name_of_its_own_can_be_named(yoyo, abc_runner):
    yoyo.backend.migration_table = "versions"
    yoyo.apply("a")
    adopt(abc_runner, table="versions")
    abc_runner.apply()

    copy_back(abc_runner, table="versions")

    assert yoyo.applied() == ["a", "b", "c"]


def test_where_yoyos_table_is_elsewhere_the_schema_is_to_be_named(abc_runner, database, conn):
    conn.execute("CREATE SCHEMA app")
    with opened(database, abc_runner.directory, schema="app") as yoyo:
        yoyo.apply("a")
    abc_runner.mark("b")

    with pytest.raises(UsageError, match=r"its table is app\._yoyo_migration") as caught:
        copy_back(abc_runner)
    assert caught.value.hint == "name the schema: --schema app or --schema public"
    assert [row.migration_id for row, _ in copy_back(abc_runner, "app").added] == ["b"]


def test_a_schema_that_is_not_there_is_refused(abc_runner):
    abc_runner.mark("a")

    with pytest.raises(UsageError, match="there is no schema nothing"):
        copy_back(abc_runner, "nothing")


@pytest.mark.parametrize("schema", ["pg_temp", "pg_catalog", "pg_toast", "pg_temp_3", "information_schema"])
def test_a_schema_of_postgresqls_own_is_refused(abc_runner, schema):
    abc_runner.mark("a")

    for way in (copy_back, adopt):
        with pytest.raises(UsageError, match=f"schema {schema} belongs to PostgreSQL") as caught:
            way(abc_runner, schema)
        assert "CREATE" not in (caught.value.hint or "")


def test_a_temporary_schema_on_the_search_path_is_refused(abc_runner, database):
    abc_runner.mark("a")
    database.connect_superuser().execute(f"ALTER DATABASE {database.name} SET search_path TO pg_temp, public")

    with pytest.raises(UsageError, match=r"schema pg_temp_\d+ belongs to PostgreSQL"):
        copy_back(abc_runner)


def test_our_own_history_is_not_a_place_for_yoyo(abc_runner):
    abc_runner.mark("a")

    with pytest.raises(UsageError, match="holds the history of sqlmigrate itself"):
        copy_back(abc_runner, "sqlmigrate")


def test_without_a_history_there_is_nothing_to_copy(abc_runner, conn):
    with pytest.raises(UsageError, match="no history in schema sqlmigrate"):
        copy_back(abc_runner)
    assert conn.execute("SELECT to_regclass('_yoyo_migration')").fetchone() == (None,)


def test_nothing_is_copied_while_yoyo_runs(yoyo, abc_runner):
    abc_runner.mark("a")

    with yoyo.backend.lock(), pytest.raises(HistoryError, match="yoyo is running"):
        copy_back(abc_runner)
    assert yoyo.applied() == []

    copy_back(abc_runner)

    with yoyo.backend.lock(timeout=0.1):
        assert yoyo.applied() == ["a"]


def test_nothing_is_copied_of_a_script_that_stopped_half_way(abc_runner, conn):
    abc_runner.write("d", "-- transactional: false\nCREATE TABLE d ();\nSELECT 1/0;", "DROP TABLE d;")
    with pytest.raises(HalfWayError):
        abc_runner.apply()

    with pytest.raises(HistoryError, match="d stopped half way") as caught:
        copy_back(abc_runner)
    assert "finish it first" in caught.value.hint
    assert conn.execute("SELECT to_regclass('_yoyo_migration')").fetchone() == (None,)


def test_a_role_without_rights_is_told_the_grant(abc_runner, database):
    admin = database.connect_superuser()
    admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC, migrator; ALTER SCHEMA public OWNER TO postgres")
    abc_runner.write("a", "SELECT 1;")
    abc_runner.mark("a")

    with pytest.raises(HistoryError, match=r"public\._yoyo_migration cannot be written") as caught:
        copy_back(abc_runner)

    admin.execute(caught.value.hint.removeprefix("a DBA can help: "))
    copy_back(abc_runner)


def documented() -> tuple[str, list[list[str]]]:
    """Give the commands of the page about yoyo: two that lead here, and one that leads back."""
    page = (ROOT / "docs" / "yoyo.md").read_text()
    blocks = re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return page, [shlex.split(line.removeprefix("$ ")) for block in blocks[:2] for line in block.splitlines()]


def test_the_page_leads_here_in_two_commands_and_back_in_one(database, tmp_path, sqlmigrate_in_folder, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", url(database))
    page, commands = documented()
    runner = Runner(database.conninfo, tmp_path / "migrations")
    runner.directory.mkdir()
    names = project_of_100(runner)
    with opened(database, runner.directory) as yoyo:
        yoyo.apply(first=40)
        applied, left = yoyo.applied(), yoyo.pending()
        assert [command[:2] for command in commands] == [["sqlmigrate", name] for name in ("mark", "apply", "mark")]
        assert "Two commands bring you here, and one takes you back" in page

        for command in commands[:2]:
            outcome = sqlmigrate_in_folder(*command[1:])
            assert outcome.status == 0, outcome
        assert runner.applied() == applied + left
        runner.rollback(steps=3)
        outcome = sqlmigrate_in_folder(*commands[2][1:])

        assert outcome.status == 0, outcome
        assert outcome.lines[-1] == "public._yoyo_migration: 57 added, 0 removed, 40 there already"
        assert yoyo.applied() == runner.applied()
        assert sorted([*yoyo.applied(), *yoyo.pending()]) == names


def test_yoyos_schema_in_the_url_is_named_where_it_does_not_fit(database, tmp_path, sqlmigrate_in_folder, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", url(database, schema="app"))

    outcome = sqlmigrate_in_folder("mark", "--from", "yoyo", "--migrations", tmp_path)

    assert outcome.status == 2
    assert (
        "remove schema, which only other drivers know; the setting search_path does the same for the scripts"
        in outcome.stderr
    )


def test_the_command_says_what_it_did(yoyo, abc_runner, database, sqlmigrate_in_folder):
    yoyo.apply("b", "a")
    (abc_runner.directory / "b.sql").unlink()
    (abc_runner.directory / "b.rollback.sql").unlink()
    words = ("mark", "--migrations", abc_runner.directory, "--database-url", database.url, "--from", "yoyo")

    outcome = sqlmigrate_in_folder(*words)
    again = sqlmigrate_in_folder(*words, "--json")

    assert outcome.lines == ["marked a", "pending c", "public._yoyo_migration: 1 marked, 0 applied already, 1 pending"]
    assert "warning: yoyo has applied b, but there is no such file here" in outcome.stderr
    assert {key: again.document[key] for key in ("marked", "already_applied", "without_file")} == {
        "marked": [],
        "already_applied": ["a"],
        "without_file": ["b"],
    }


@pytest.mark.parametrize("words", ["", "a --from yoyo", "--from yoyo --to yoyo", "a --schema x", "--from liquibase"])
def test_wrong_calls_are_refused(words, database, tmp_path, sqlmigrate_in_folder):
    outcome = sqlmigrate_in_folder("mark", *words.split(), "--migrations", tmp_path, "--database-url", database.url)

    assert outcome.status == 2


def test_a_protected_environment_wants_the_name_of_the_database(
    yoyo, abc_runner, database, tmp_path, sqlmigrate_in_folder
):
    yoyo.apply("a")
    (tmp_path / "sqlmigrate.toml").write_text('migrations = "."\n[env.live]\nprotected = true\n')

    for direction in ("--from", "--to"):
        words = ("mark", direction, "yoyo", "--env", "live", "--database-url", database.url)
        abc_runner.mark("b")
        assert sqlmigrate_in_folder(*words).status == 2
        assert sqlmigrate_in_folder(*words, "--yes-i-mean", database.name).status == 0

    assert yoyo.applied() == abc_runner.applied()
