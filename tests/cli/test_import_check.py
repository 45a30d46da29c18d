"""`sqlmigrate import --check`: the proof of an import, and what the old tool hid in a live database."""

from __future__ import annotations

import hashlib
import json

import pytest

from support.contents import applied
from support.importing import contents, written
from support.repository import Repository
from support.their_histories import TABLES

pytestmark = pytest.mark.usefixtures("shadow_on_other_server")

USERS = "-- migrate:up\nCREATE TABLE users (id int PRIMARY KEY);\nINSERT INTO users VALUES (1), (2);\n"
INDEX = "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY users_id ON users (id);\n"
NONE_NAMED = "no database was compared, since none is named: --database-url names it"


@pytest.fixture
def dbmate(project):
    written(project.root, {"db/migrations/1_users.sql": USERS, "db/migrations/2_index.sql": INDEX})
    return project


def check(sqlmigrate, tool="dbmate", *more, status=3):
    outcome = sqlmigrate("import", "--from", tool, "--check", *more)
    assert outcome.status == status, outcome
    return outcome


def proven(sqlmigrate, tool="dbmate", *more, status=3):
    document = check(sqlmigrate, tool, *more, "--json", status=status).document
    return document["proof"], document["live"]


def test_an_import_that_is_right_is_proven_without_a_database_and_nothing_is_written(dbmate, sqlmigrate):
    before = contents(dbmate.root)

    outcome = check(sqlmigrate, status=0)

    first, proof, none = outcome.stdout.splitlines()
    assert first == "note: 2 migrations not imported yet; what they become was compared"
    assert proof.startswith("proven: 2 migrations make the same as files of dbmate and as imported ones, on PostgreSQL")
    assert none == NONE_NAMED
    assert contents(dbmate.root) == before


def test_what_was_changed_after_the_import_is_compared_and_differs(dbmate, sqlmigrate):
    sqlmigrate("import", "--from", "dbmate")
    (dbmate.directory / "1_users.sql").write_text(
        "CREATE TABLE users (id bigint PRIMARY KEY);\nINSERT INTO users VALUES (1);\n"
    )

    outcome = check(sqlmigrate)

    assert "note: 1_users was changed here since it was imported; yours was compared" in outcome.stdout
    assert "column public.users.id: type integer -> bigint" in outcome.stdout
    assert "different: table public.users has 2 rows, and 1 with the imported files" in outcome.stdout
    assert "not proven: 2 differences in what 2 migrations make, on PostgreSQL" in outcome.stdout


def test_what_one_migration_sets_for_the_next_one_in_the_tools_session_is_found(dbmate, sqlmigrate):
    written(
        dbmate.root,
        {
            "db/migrations/3_app.sql": "-- migrate:up\nCREATE SCHEMA app;\nSET search_path TO app;\n",
            "db/migrations/4_orders.sql": "-- migrate:up\nCREATE TABLE orders ();\n",
        },
    )

    outcome = check(sqlmigrate)

    assert "- table app.orders" in outcome.stdout
    assert "+ table public.orders" in outcome.stdout


def test_a_file_that_runs_only_in_a_session_of_its_own_is_named(dbmate, sqlmigrate):
    dump = "-- migrate:up\nSELECT pg_catalog.set_config('search_path', '', false);\n"
    written(
        dbmate.root,
        {"db/migrations/0_dump.sql": dump, "db/migrations/1_users.sql": USERS, "db/migrations/2_index.sql": INDEX},
    )
    (dbmate.root / "db/migrations/2_index.sql").unlink()

    outcome = check(sqlmigrate)

    assert "found: 1_users fails where dbmate runs it in a new database" in outcome.stdout
    assert "proven: 2 migrations make the same" in outcome.stdout


def test_a_file_that_fails_on_an_empty_database_ends_the_proof_with_its_place(dbmate, sqlmigrate):
    written(dbmate.root, {"db/migrations/3_c.sql": "-- migrate:up\nCREATE TABLE c ();\nDROP TABLE not_there;\n"})

    outcome = check(sqlmigrate)

    assert 'fails on an empty database: db/migrations/3_c.sql:3:1: table "not_there" does not exist' in outcome.stdout
    assert "proven: 2 migrations before that make the same" in outcome.stdout


def test_what_is_not_converted_is_left_out_until_somebody_writes_it(project, sqlmigrate):
    folder = "db/migration"
    written(
        project.root,
        {
            f"{folder}/V1__a.sql": "CREATE TABLE a ();\n",
            f"{folder}/V2__b.sql": "CREATE SCHEMA ${name};\n",
            f"{folder}/V3__c.sql": "CREATE TABLE app.c ();\n",
        },
    )

    alone = check(sqlmigrate, "flyway")
    project.migration("V2__b", "CREATE SCHEMA app;\n")
    with_ours = check(sqlmigrate, "flyway")

    assert "not converted: db/migration/V2__b.sql:1:15: Flyway fills in the placeholder" in alone.stdout
    assert 'V3__c.sql:1:14: schema "app" does not exist' in alone.stdout
    assert "proven: 1 migration before that makes the same" in alone.stdout
    assert "; not compared: V2__b" in alone.stdout
    assert "note: V2__b was written here, so Flyway has no file for it: yours ran on both sides" in with_ours.stdout
    assert "proven: 3 migrations make the same" in with_ours.stdout


def test_rows_that_differ_are_counted(dbmate, sqlmigrate):
    dbmate.migration("1_users", "CREATE TABLE users (id int PRIMARY KEY);\n")

    proof, _ = proven(sqlmigrate)

    assert proof["rows"] == [{"table": "public.users", "theirs": 2, "ours": 0}]
    assert (proof["equal"], proof["theirs"] == proof["ours"], proof["changes"]) == (False, True, [])


def test_a_database_that_is_what_its_tool_says_has_nothing_hidden(dbmate, target, sqlmigrate):
    target.connect().execute(
        f"{TABLES['dbmate']}; INSERT INTO schema_migrations VALUES ('1'); CREATE TABLE users (id int PRIMARY KEY)"
    )

    outcome = check(sqlmigrate, status=0)

    assert outcome.stdout.splitlines()[-2:] == [
        "public.schema_migrations: 1 applied, 1 pending",
        "no drift: the database is what 1 applied migration makes of it",
    ]
    assert target.connect().execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'sqlmigrate'").fetchone() == (0,)


def test_what_drizzle_hid_comes_to_light(project, target, sqlmigrate):
    texts = {"a": "CREATE TABLE a ();\n", "b": "CREATE TABLE b ();\n", "c": "CREATE TABLE c ();\n"}
    entries = [{"idx": n, "when": when, "tag": tag} for n, (tag, when) in enumerate(zip("abc", (100, 150, 200)))]  # noqa: B905
    files = {f"drizzle/{tag}.sql": text for tag, text in texts.items()}
    written(project.root, files | {"drizzle/meta/_journal.json": json.dumps({"entries": entries})})
    digest = hashlib.sha256(texts["c"].encode()).hexdigest()
    target.connect().execute(f"""
        {TABLES["drizzle"]};
        INSERT INTO drizzle.__drizzle_migrations (hash, created_at)
        VALUES ('edited', 100), ('{digest}', 200), ('gone', 300);
        CREATE TABLE a (later int); CREATE TABLE c ()
    """)

    outcome = check(sqlmigrate, "drizzle")
    _, live = proven(sqlmigrate, "drizzle")

    assert "found: b was passed over by Drizzle in silence" in outcome.stdout
    assert "found: a was edited since Drizzle applied it" in outcome.stdout
    assert "found: Drizzle has applied gone of 300, but there is no such file here" in outcome.stdout
    assert "+ column public.a.later: integer" in outcome.stdout
    assert (live["source"], live["applied"], live["pending"]) == ("drizzle.__drizzle_migrations", ["a", "c"], ["b"])
    assert (live["skipped"], live["edited"], live["without_file"]) == (["b"], ["a"], ["gone of 300"])
    assert (live["drift"]["drift"], len(live["drift"]["changes"])) == (True, 1)


def test_what_failed_half_way_is_found(project, target, sqlmigrate):
    written(project.root, {"migrations/1_a.up.sql": "CREATE TABLE a ();\n"})
    target.connect().execute(f"{TABLES['golang-migrate']}; INSERT INTO schema_migrations VALUES (1, true)")

    outcome = check(sqlmigrate, "golang-migrate")

    assert "found: 1 failed half way, says public.schema_migrations" in outcome.stdout
    assert "the database was not compared: finish or undo that with golang-migrate first" in outcome.stdout


def test_a_database_without_the_tools_table_is_refused_before_anything_runs(dbmate, target, sqlmigrate):
    outcome = check(sqlmigrate, status=1)

    assert "there is no table schema_migrations of dbmate in any schema" in outcome.stderr.replace("\n", " ")
    assert target.name in outcome.stderr


def test_the_table_may_have_another_place_and_our_own_history_goes_on(dbmate, target, sqlmigrate):
    target.connect().execute(f"""
        CREATE SCHEMA old; {TABLES["dbmate"].replace("schema_migrations", "old.done")};
        INSERT INTO old.done VALUES ('1'); CREATE TABLE users (id int PRIMARY KEY)
    """)
    where = ("--schema", "old", "--migration-table", "done")
    for words in (("import", "--from", "dbmate"), ("mark", "--from", "dbmate", *where), ("apply",)):
        assert sqlmigrate(*words).status == 0

    _, beside = proven(sqlmigrate, "dbmate", *where, status=0)
    target.connect().execute("DROP TABLE old.done; DROP SCHEMA old")
    _, gone = proven(sqlmigrate, status=0)

    assert (beside["source"], beside["applied"], beside["drift"]["drift"]) == ("old.done", ["1_users"], False)
    assert (gone["source"], gone["drift"]["drift"]) == (None, False)


def test_options_of_the_check_belong_to_it(dbmate, sqlmigrate):
    for words in (("--schema", "a"), ("--migration-table", "a"), ("--shadow-superuser",), ("--since", "HEAD")):
        outcome = sqlmigrate("import", "--from", "dbmate", *words)
        assert (outcome.status, "to --check" in outcome.stderr) == (2, True), words


def test_what_changes_the_cluster_needs_two_servers(dbmate, sqlmigrate):
    written(dbmate.root, {"db/migrations/3_role.sql": "-- migrate:up\nCREATE ROLE import_check_reader;\n"})

    refused = check(sqlmigrate, status=2)

    assert "some migrations change the whole cluster" in refused.stderr
    assert "leave out --shadow-url" in refused.stderr


def test_without_a_named_server_what_changes_the_cluster_is_proven_on_two(dbmate, sqlmigrate, monkeypatch):
    monkeypatch.delenv("SQLMIGRATE_SHADOW_URL")
    role = "CREATE ROLE import_check_reader;\nGRANT SELECT ON users TO import_check_reader;\n"
    written(dbmate.root, {"db/migrations/3_role.sql": f"-- migrate:up\n{role}"})

    proof, _ = proven(sqlmigrate, "dbmate", "--shadow-superuser", status=0)

    assert (proof["equal"], proof["migrations"]) == (True, ["1_users", "2_index", "3_role"])


def test_what_was_squashed_is_not_imported_again(dbmate, target, sqlmigrate):
    written(dbmate.root, {"db/migrations/2_index.sql": "-- migrate:up\nCREATE INDEX users_id ON users (id);\n"})
    for words in (("import", "--from", "dbmate"), ("baseline", "0_base", "--squash", "2_index")):
        assert sqlmigrate(*words).status == 0, words
    before = contents(dbmate.directory)
    written(dbmate.root, {"db/migrations/3_c.sql": "-- migrate:up\nCREATE TABLE c ();\n"})
    target.connect().execute(f"""
        {TABLES["dbmate"]}; INSERT INTO schema_migrations VALUES ('1'), ('2');
        CREATE TABLE users (id int PRIMARY KEY); CREATE INDEX users_id ON users (id)
    """)

    again = sqlmigrate("import", "--from", "dbmate", "--json").document
    proof, live = proven(sqlmigrate, status=0)

    assert (again["imported"], again["unchanged"]) == (["3_c"], ["1_users", "2_index"])
    assert {name for name in contents(dbmate.directory) if name not in before} == {"3_c.sql"}
    assert (proof["equal"], proof["migrations"]) == (True, ["1_users", "2_index", "3_c"])
    assert (live["applied"], live["pending"], live["without_file"]) == (["0_base"], ["3_c"], [])
    assert sqlmigrate("mark", "--from", "dbmate", "--json").document["marked"] == ["0_base"]
    assert applied(target) == ["0_base"]


def test_since_a_revision_edited_and_renamed_files_and_equal_versions_are_found(project, sqlmigrate):
    repository = Repository(project.root)
    for number, name in enumerate("abcd", 1):
        repository.write(f"db/migrations/{number}_{name}.sql", f"-- migrate:up\nCREATE TABLE {name} ();\n")
    repository.commit("four")
    repository.git("checkout", "-q", "-b", "feature")
    repository.git("checkout", "-q", "main")
    repository.write("db/migrations/5_theirs.sql", "-- migrate:up\nSELECT 1;\n")
    repository.commit("five")
    repository.git("checkout", "-q", "feature")
    repository.write("db/migrations/1_a.sql", "-- migrate:up\nCREATE TABLE a (id int);\n")
    repository.write("db/migrations/2_b.sql", "-- migrate:up\n-- the second\nCREATE TABLE b ();\n")
    repository.git("mv", "db/migrations/3_c.sql", "db/migrations/6_c.sql")
    repository.git("rm", "-q", "db/migrations/4_d.sql")
    repository.write("db/migrations/5_ours.sql", "-- migrate:up\nCREATE TABLE ours ();\n")

    document = check(sqlmigrate, "dbmate", "--since", "main", "--json").document
    told = document["branch"]

    assert {(one["rule"], one["place"]["file"], one["severity"]) for one in told} == {
        ("edited-applied", "db/migrations/1_a.sql", "error"),
        ("edited-applied", "db/migrations/2_b.sql", "warning"),
        ("renamed-applied", "db/migrations/6_c.sql", "error"),
        ("gone-applied", "db/migrations/4_d.sql", "warning"),
        ("number-taken", "db/migrations/5_ours.sql", "error"),
    }
    assert [one["message"] for one in told if one["rule"] == "number-taken"] == [
        "main has a migration of the same version, 5_theirs"
    ]
    assert "+CREATE TABLE a (id int);" in told[0]["diff"]
    assert document["proof"]["equal"]


def test_since_a_revision_folders_of_a_tool_count_as_its_migrations(project, sqlmigrate):
    repository = Repository(project.root)
    repository.write("prisma/migrations/20240101000000_a/migration.sql", "CREATE TABLE a ();\n")
    repository.commit("one")
    repository.git("checkout", "-q", "-b", "feature")
    repository.git("mv", "prisma/migrations/20240101000000_a", "prisma/migrations/20240102000000_a")

    told = check(sqlmigrate, "prisma", "--since", "main", "--json").document["branch"]

    assert [(one["rule"], one["place"]["file"]) for one in told] == [
        ("renamed-applied", "prisma/migrations/20240102000000_a/migration.sql")
    ]


def test_what_is_printed_has_no_revision(project, sqlmigrate):
    written(project.root, {"up.sql": "-- Running upgrade  -> a\n\nSELECT 1;\n"})

    outcome = check(sqlmigrate, "alembic", "up.sql", "--since", "main", status=2)

    assert "--since has no use for Alembic" in outcome.stderr


def test_where_nothing_is_converted_nothing_is_proven(project, sqlmigrate):
    written(
        project.root, {"db/migration/V1__a.sql": "CREATE SCHEMA ${name};\n", "db/migration/R__b.sql": "SELECT 1;\n"}
    )

    outcome = check(sqlmigrate, "flyway")

    assert "not converted: db/migration/R__b.sql" in outcome.stdout
    assert "not proven: nothing could be compared" in outcome.stdout


def test_an_order_that_the_project_does_not_have_is_found_once_files_are_there(project, sqlmigrate):
    written(project.root, {f"migrations/{n}_x.up.sql": f"CREATE TABLE x{n} ();\n" for n in (2, 10)})
    project.config('migrations = "sql"\n')

    check(sqlmigrate, "golang-migrate", status=0)
    sqlmigrate("import", "--from", "golang-migrate")
    outcome = check(sqlmigrate, "golang-migrate")
    project.config('migrations = "sql"\norder = "natural"\n')
    check(sqlmigrate, "golang-migrate", status=0)

    assert 'found: these names run in their order only with order = "natural"' in outcome.stdout
