"""What the history says of seed files, and `status` and `history` of it."""

from __future__ import annotations

import pytest

from support.seeds import SeedFiles

MAPPING = {"list": "colours", "table": "public.colours", "conflict": ["name"]}
RED = "colours:\n  - {name: red}\n"


@pytest.fixture
def files(project):
    """A file of one row."""
    (project.root / "data").mkdir()
    found = SeedFiles(project.root / "data")
    found.file("colours", MAPPING, RED)
    return found


@pytest.fixture
def applied(files, project, target, sqlmigrate):
    """A database with the table, which a migration has made, so that there is a history."""
    project.migration(
        "1", "CREATE TABLE colours (name text PRIMARY KEY, shade integer);", rollback="DROP TABLE colours"
    )
    assert sqlmigrate("apply").status == 0
    return target


@pytest.fixture
def states(sqlmigrate):
    """What `status` says of each seed file."""
    return lambda *words: {
        one["file"]: one["state"] for one in sqlmigrate("status", "--json", *words).document["seeds"]
    }


def recorded(database):
    rows = database.connect().execute(
        "SELECT file, rows, inserted, updated, unchanged, kept, pruned FROM sqlmigrate.seed_files ORDER BY seeded_at"
    )
    return rows.fetchall()


def test_files_are_recorded_as_they_were_seeded_and_status_says_what_has_changed_since(
    files, applied, states, sqlmigrate
):
    assert states() == {"colours.yaml": "never"}

    sqlmigrate("seed")
    first = sqlmigrate("status", "--json").document["seeds"][0]
    sqlmigrate("seed")

    assert (first["state"], first["recorded_checksum"]) == ("seeded", first["checksum"])
    assert first["seeded_at"].endswith("Z")
    assert recorded(applied) == [("colours.yaml", 1, 1, 0, 0, 0, 0)]
    assert "seed files: 1 as they were seeded" in sqlmigrate("status").lines

    files.yaml("colours", f"# a comment\n{RED}")
    files.file("more", MAPPING | {"table": "public.more"}, RED)
    text = sqlmigrate("status").stdout

    assert states() == {"colours.yaml": "changed", "more.yaml": "never"}
    assert "seed files: 1 changed since, 1 never seeded\n  colours.yaml: changed since (seeded " in text
    assert sqlmigrate("status", "--check").status == 0

    applied.connect().execute("CREATE TABLE more (name text PRIMARY KEY)")
    sqlmigrate("seed", "--role", "migrator")

    assert recorded(applied)[1:] == [("colours.yaml", 1, 0, 0, 1, 0, 0), ("more.yaml", 1, 1, 0, 0, 0, 0)]
    assert set(states().values()) == {"seeded"}

    for path in files.directory.glob("more.*"):
        path.unlink()
    document = sqlmigrate("history", "--json").document

    assert states() == {"colours.yaml": "seeded", "more.yaml": "missing"}
    assert [row["file"] for row in document["seeds"]] == ["colours.yaml", "colours.yaml", "more.yaml"]
    assert document["seeds"][0]["run_id"] == document["history"][1]["run_id"]
    assert [row["seed_role"] for row in document["seeds"]] == [None, "migrator", "migrator"]
    assert sqlmigrate("history", "--operation", "apply", "--json").document["seeds"] == []


def test_line_ends_are_no_change_and_the_schema_is_a_part_of_a_file(files, applied, states, sqlmigrate):
    sqlmigrate("seed")
    path = files.directory / "colours.yaml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    same = states()
    files.schema("colours", MAPPING, title="Colours")

    assert (same, states()) == ({"colours.yaml": "seeded"}, {"colours.yaml": "changed"})


def test_files_of_an_environment_have_their_own_state(files, applied, project, states, sqlmigrate):
    project.config("[env.staging]\n")
    (files.directory / "staging").mkdir()
    (files.directory / "staging" / "colours.yaml").write_text("colours: [{name: red, shade: 1}, {name: blue}]\n")

    sqlmigrate("seed", "--env", "staging")

    assert states("--env", "staging") == {"colours.yaml": "seeded", "staging/colours.yaml": "seeded"}
    assert recorded(applied) == [
        ("colours.yaml", 1, 2, 0, 0, 0, 0),
        ("staging/colours.yaml", 2, None, None, None, None, None),
    ]


def test_a_table_that_is_not_trusted_is_neither_read_nor_written(files, applied, sqlmigrate):
    sqlmigrate("seed")
    applied.connect().execute("""
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
        CREATE TRIGGER t BEFORE INSERT ON sqlmigrate.seed_files EXECUTE FUNCTION f()""")
    files.yaml("colours", "colours: [{name: red}, {name: blue}]\n")

    seeded, status, listed = sqlmigrate("seed"), sqlmigrate("status"), sqlmigrate("history")

    assert [outcome.status for outcome in (seeded, status, listed)] == [0, 0, 0]
    assert "public.colours: 1 inserted" in seeded.stdout
    assert "nothing is said of the seed data: sqlmigrate.seed_files cannot be trusted as a history" in status.stderr
    assert "seed files are not shown" in listed.stderr
    assert listed.stdout.count(" seed ") == 2


def test_who_may_not_make_the_table_seeds_and_is_in_the_log(files, applied, sqlmigrate, new_role, monkeypatch):
    role = new_role("LOGIN")
    admin = applied.connect_superuser()
    admin.execute(f"GRANT USAGE ON SCHEMA sqlmigrate TO {role}; GRANT SELECT, INSERT, UPDATE ON colours TO {role}")
    admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sqlmigrate TO {role}")
    monkeypatch.setenv("DATABASE_URL", applied.url.replace("migrator", role))
    monkeypatch.setenv("SQLMIGRATE_HISTORY_OWNERS", "migrator")

    assert sqlmigrate("seed").status == 0
    [entry] = sqlmigrate("history", "--operation", "seed", "--json").document["history"]

    assert entry["login_role"] == role
    monkeypatch.setenv("DATABASE_URL", applied.url)
    assert sqlmigrate("seed").status == 0
    assert admin.execute("SELECT has_table_privilege(%s, 'sqlmigrate.seed_files', 'INSERT')", [role]).fetchone() == (
        True,
    )
    assert [row[0] for row in recorded(applied)] == ["colours.yaml"]
