"""`sqlmigrate baseline --squash`: one migration for many, and what it is to databases that have applied those."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.pg, pytest.mark.usefixtures("shadow_on_other_server")]

NEW = "0003_rows_squashed"


@pytest.fixture
def many(project):
    """Four migrations: with rows, a sequence that has moved, and one behind that depends on what is to go."""
    project.migration("0001_a", "CREATE TABLE a (id serial PRIMARY KEY, b text);\n", rollback="DROP TABLE a;\n")
    project.migration("0002_b", "ALTER TABLE a ADD COLUMN c integer DEFAULT 7;\n", rollback="ALTER TABLE a DROP c;\n")
    project.migration(
        "0003_rows",
        "-- depends: 0002_b\nINSERT INTO a (b) VALUES ('x;'), (E'it''s\\n2');\nUPDATE a SET c = 8 WHERE id = 1;\n"
        "CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM a;\n",
        rollback="DROP MATERIALIZED VIEW m;\nTRUNCATE a RESTART IDENTITY;\n",
    )
    project.migration("0004_later", "-- depends: 0002_b\nCREATE TABLE d ();\n", rollback="DROP TABLE d;\n")
    return project


def names(project, folder=""):
    return sorted(path.name for path in (project.directory / folder).iterdir() if path.is_file())


def test_one_migration_stands_for_many_in_new_old_and_half_way_databases(
    many, database_factory, sqlmigrate, monkeypatch
):
    def on(database):
        monkeypatch.setenv("DATABASE_URL", database.url)

    before = names(many)
    whole, half, fresh = (database_factory() for _ in range(3))
    on(whole)
    assert sqlmigrate("apply", "--to", "0003_rows").status == 0
    on(half)
    assert sqlmigrate("apply", "--to", "0001_a").status == 0

    made = sqlmigrate("baseline", "--squash", "0003_rows", "--json")
    assert made.status == 0, made.stderr + made.stdout
    assert (made.document["changes"], made.document["rows_differ"], made.document["rollback"]) == ([], False, "exact")
    assert made.document["replaced"] == ["0001_a", "0002_b", "0003_rows"]
    assert names(many) == sorted([f"{NEW}.sql", f"{NEW}.rollback.sql", *before[-2:]])
    assert names(many, "squashed") == before[:-2]
    assert sqlmigrate("validate").lines == ["2 migrations, 0 errors, 0 warnings"]

    on(fresh)
    assert sqlmigrate("apply").lines[-1] == "2 applied"
    rows = "SELECT id, b, c FROM a ORDER BY id"
    expected = [(1, "x;", 8), (2, "it's\n2", 7)]
    session = fresh.connect()
    assert session.execute(rows).fetchall() == expected
    assert session.execute("INSERT INTO a DEFAULT VALUES RETURNING id").fetchone() == (3,)
    assert session.execute("SELECT count FROM m").fetchone() == (2,)
    assert sqlmigrate("drift").status == 0
    assert sqlmigrate("rollback", "--all", "--yes", "--accept-loss").status == 0

    on(whole)
    states = {item["migration_id"]: item for item in sqlmigrate("status", "--json").document["migrations"]}
    assert {name: (item["state"], item["replaced"], item["missing"]) for name, item in states.items()} == {
        "0001_a": ("applied", NEW, False),
        "0002_b": ("applied", NEW, False),
        "0003_rows": ("applied", NEW, False),
        "0004_later": ("pending", None, False),
    }
    assert sqlmigrate("apply").lines[-1] == "1 applied"
    assert sqlmigrate("drift").status == 0
    assert sqlmigrate("status", "--check").status == 0
    assert sqlmigrate("rollback", "--steps", "2", "--recorded", "--yes", "--accept-loss").status == 0
    assert whole.connect().execute("SELECT count(*) FROM a").fetchone() == (0,)

    for database in (whole, half):
        on(database)
        refused = sqlmigrate("apply")
        assert refused.status == 1
        assert f"{NEW}.sql: replaces 3 migrations, of which" in refused.stderr
        assert f"sqlmigrate apply --migrations {many.directory}/squashed" in refused.stderr
        assert sqlmigrate("apply", "--migrations", many.directory / "squashed").status == 0
        assert sqlmigrate("apply").lines[-1] == "1 applied"
        assert database.connect().execute(rows).fetchall() == expected


def test_a_folder_that_a_kill_has_left_means_the_same_and_is_finished_by_a_second_call(many, sqlmigrate):
    text = '-- sqlmigrate: replaces="0001_a 0002_b 0003_rows"\nCREATE TABLE a (id serial PRIMARY KEY);\n'
    many.migration("0003_z", text, rollback="DROP TABLE a;\n")  # killed behind it

    assert many.ids() == ["0003_z", "0004_later"]
    assert many.load().named("0004_later").depends == ("0003_z",)
    again = sqlmigrate("baseline", "0003_z", "--squash", "0003_rows")
    assert again.lines == ["0003_z stands for it already; moved 6 files into squashed/"], again.stderr
    assert len(names(many)) == 4

    dry = sqlmigrate("baseline", "0004_z", "--squash", "0004_later", "--dry-run")
    assert dry.lines == ["0004_z would make the same as 2 migrations; nothing was written"], dry.stderr
    assert len(names(many)) == 4
    squashed_again = sqlmigrate("baseline", "0004_z", "--squash", "0004_later")
    assert squashed_again.status == 0, squashed_again.stderr
    assert many.load().named("0004_z").replaces == ("0001_a", "0002_b", "0003_rows", "0003_z", "0004_later")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--squash", "0001_a"), "0001_a is the first migration, so there is nothing to squash"),
        (("--squash", "0009"), "there is no migration '0009'"),
        (("0005_x", "--squash", "0003_rows"), "0005_x would come after 0004_later, which stays"),
        (("0001_a", "--squash", "0003_rows"), "there is a migration 0001_a already"),
        ((), "give the id of the new migration"),
    ],
)
def test_what_cannot_be_replaced_is_refused(many, sqlmigrate, words, said):
    before = names(many)

    outcome = sqlmigrate("baseline", *words)

    assert outcome.status == 2
    assert said in outcome.stderr
    assert names(many) == before


def test_what_no_dump_holds_is_refused_with_its_place(many, sqlmigrate):
    many.migration("0000_role", "CREATE ROLE squash_role;\n", rollback="DROP ROLE squash_role;\n")

    outcome = sqlmigrate("baseline", "--squash", "0003_rows")

    assert outcome.status == 1
    assert "0000_role.sql:1:1: changes the cluster and not only the database" in outcome.stderr
