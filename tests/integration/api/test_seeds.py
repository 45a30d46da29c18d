"""Seeding through the Python API."""

from __future__ import annotations

import pytest
from psycopg import sql

from sqlmigrate import api
from sqlmigrate.errors import LockBudgetSpent, LossNotAccepted, SeedError


def test_seeding_says_what_it_wrote_and_writes_nothing_the_second_time(database, colours, conn):
    conn.execute("CREATE TABLE colours (name text PRIMARY KEY)")

    first, second = api.seed(database.url, colours), api.seed(database.url, api.read_seeds(colours))

    assert [(str(item.table), item.inserted, item.updated, item.unchanged) for item in first.tables] == [
        ("public.colours", 2, 0, 0)
    ]
    assert (first.written, second.written) == (2, 0)
    assert conn.execute("SELECT name FROM colours ORDER BY name").fetchall() == [("blue",), ("red",)]


def test_seed_files_that_are_wrong_are_named_and_nothing_is_written(database, colours, conn):
    conn.execute("CREATE TABLE colours (name text PRIMARY KEY)")
    (colours / "colours.yaml").write_text("colours:\n  - name: red\n  - name: red\n")

    for call in (lambda: api.read_seeds(colours), lambda: api.seed(database.url, colours)):
        with pytest.raises(SeedError) as caught:
            call()
        assert [problem.place.line for problem in caught.value.problems] == [3]
    assert conn.execute("SELECT count(*) FROM colours").fetchone() == (0,)


def test_rows_are_written_as_the_role_that_is_given(database, colours, admin, new_role):
    role = new_role("NOLOGIN")
    admin.execute(sql.SQL("GRANT {} TO migrator").format(sql.Identifier(role)))
    admin.execute("CREATE TABLE colours (name text PRIMARY KEY, by name DEFAULT current_user)")
    admin.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE ON colours TO {}").format(sql.Identifier(role)))

    api.seed(database.url, colours, role=role)

    assert admin.execute("SELECT DISTINCT by FROM colours").fetchall() == [(role,)]


def test_rows_in_no_file_and_those_of_an_environment(database, colours, conn):
    conn.execute("CREATE TABLE colours (name text PRIMARY KEY); INSERT INTO colours VALUES ('old'), ('new')")
    schema = colours / "colours.schema.json"
    schema.write_text(schema.read_text().replace('"conflict"', '"prune": "delete", "conflict"'))
    (colours / "live").mkdir()
    (colours / "live" / "colours.yaml").write_text("colours:\n  - name: new\n")

    assert api.seed(database.url, colours).pruned == 0
    assert api.seed(database.url, api.read_seeds(colours, env="live"), prune=True).pruned == 1
    (colours / "colours.yaml").write_text("")
    with pytest.raises(LossNotAccepted, match="would delete or change 3 rows") as caught:
        api.seed(database.url, colours, prune=True, accept_loss=True)
    assert caught.value.hint == "if that is meant, give accept_rows=3"
    assert api.seed(database.url, colours, prune=True, accept_rows=3).tables[0].pruned == 3
    assert conn.execute("SELECT count(*) FROM colours").fetchone() == (0,)


_LATE = """
CREATE TABLE seen (what text, who name, path text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen VALUES (TG_NAME, current_user, current_setting('search_path'));
    RETURN NULL;
END $$;
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SET CONSTRAINTS ALL DEFERRED;
    INSERT INTO later VALUES (1);
    RETURN NULL;
END $$;
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen VALUES (TG_NAME, current_user, '');
    RETURN NULL;
END $$;
CREATE TABLE later (a int);
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON colours
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
CREATE CONSTRAINT TRIGGER put_off AFTER INSERT ON colours
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION again();
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON later
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit();
"""


def test_deferred_triggers_run_as_the_role_that_seeds_and_find_the_logins_path(database, colours, admin, new_role):
    role = new_role("NOLOGIN")
    name = sql.Identifier(role)
    admin.execute(sql.SQL("GRANT {} TO migrator").format(name))
    admin.execute("CREATE TABLE colours (name text PRIMARY KEY)")
    admin.execute(_LATE)
    admin.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE ON colours, later, seen TO {}, migrator").format(name))

    api.seed(database.url, colours, role=role)

    seen = set(admin.execute("SELECT DISTINCT what, who::text, path FROM seen").fetchall())
    assert seen == {("deferred", role, '"$user", public'), ("at_commit", role, "")}


def test_seeding_waits_for_a_lock_no_longer_than_asked(database, colours, conn):
    conn.execute("CREATE TABLE colours (name text PRIMARY KEY)")

    with database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE colours")
        with pytest.raises(LockBudgetSpent, match="lock timeout"):
            api.seed(database.url, colours, lock_timeout="50ms", lock_budget=0)
        with pytest.raises(SeedError, match="statement timeout"):
            api.seed(database.url, colours, statement_timeout=1_000)


def test_seed_data_is_loaded_as_sample_rows_for_round_trips(colours, tmp_path, shadow_url):
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name, text in {
        "1.sql": "CREATE TABLE colours (name text PRIMARY KEY)",
        "1.rollback.sql": "DROP TABLE colours",
        "2.sql": "DELETE FROM colours",
        "2.rollback.sql": "SELECT 1",
    }.items():
        (folder / name).write_text(text)

    [first, second] = api.roundtrip(folder, data=colours, shadow_url=shadow_url)

    assert (first.verdict.value, first.seeded.rows, len(first.seeded.left_out)) == ("exact", 0, 1)
    assert (second.verdict.value, second.seeded.rows) == ("not_restored", 2)
