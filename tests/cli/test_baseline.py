"""`sqlmigrate baseline`: a first migration from a live database, proven before anything is written."""

from __future__ import annotations

import pytest

from support.contents import has_history

pytestmark = pytest.mark.pg

LIVE = """
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('good', 'bad');
CREATE DOMAIN app.code AS text CHECK (VALUE ~ '^[a-z]+$');
CREATE TABLE app.people (id serial PRIMARY KEY, name text NOT NULL, team integer, code app.code UNIQUE);
CREATE TABLE app.teams (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, head integer REFERENCES app.people);
ALTER TABLE app.people ADD FOREIGN KEY (team) REFERENCES app.teams;
CREATE TABLE app.events (id bigint, at timestamptz NOT NULL, mood app.mood DEFAULT 'good', PRIMARY KEY (id, at))
    PARTITION BY RANGE (at);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;
CREATE INDEX ON app.events (mood);
CREATE INDEX people_name ON app.people (lower(name));
CREATE FUNCTION app.greet(who app.people) RETURNS text LANGUAGE sql AS $$ SELECT 'hi; ' || who.name $$;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON app.people FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE TRIGGER touch BEFORE UPDATE ON app.events FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE VIEW app.heads AS SELECT p.id, p.name, t.id AS team FROM app.people p JOIN app.teams t ON t.head = p.id;
CREATE MATERIALIZED VIEW app.moods AS SELECT mood, count(*) FROM app.events GROUP BY mood;
CREATE TABLE parent (a integer, CHECK (a > 0));
CREATE TABLE heir (b text) INHERITS (parent);
ALTER TABLE app.people ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.people USING (name = CURRENT_USER);
COMMENT ON TABLE app.people IS 'all of them';
GRANT USAGE ON SCHEMA app TO PUBLIC;
GRANT SELECT ON app.heads TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC;
CREATE TABLE goose_db_version (
    id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp DEFAULT now()
);
"""


@pytest.fixture
def live(project, target, shadow_on_other_server):
    """A database that no migration has made."""
    target.connect().execute(LIVE)
    return target


def test_a_database_gets_a_first_migration_through_which_a_fresh_one_has_no_drift(
    project, live, database_factory, sqlmigrate, monkeypatch
):
    outcome = sqlmigrate("baseline", "0001_baseline", "--json")
    assert outcome.status == 0, outcome.stderr + outcome.stdout
    script, rollback = (project.directory / f"0001_baseline{end}.sql" for end in ("", ".rollback"))
    told = outcome.document
    assert (told["drift"], told["rollback"], told["marked"]) == (False, "exact", True), outcome.stderr
    assert told["written"] == [str(script), str(rollback)]
    assert "goose_db_version" not in script.read_text() + rollback.read_text()
    assert "left out: public.goose_db_version, the history of goose" in outcome.stderr
    assert "OWNER TO" not in script.read_text()
    (row,) = sqlmigrate("status", "--json").document["migrations"]
    assert (row["migration_id"], row["state"]) == ("0001_baseline", "marked")
    drift = sqlmigrate("drift")
    assert drift.status == 0, drift.stdout

    # once more, as after a kill between the files and the mark
    sqlmigrate("unmark", "0001_baseline", "--yes")
    rollback.unlink()
    again = sqlmigrate("baseline", "0001_baseline")
    assert again.lines == [f"wrote {script}", f"wrote {rollback}", "marked 0001_baseline"], again.stderr
    assert rollback.exists()
    assert "it needs no baseline" in sqlmigrate("baseline", "0001_baseline").stderr

    # a fresh one, there and back
    fresh = database_factory()
    monkeypatch.setenv("DATABASE_URL", fresh.url)
    assert sqlmigrate("apply").status == 0
    assert sqlmigrate("drift").status == 0
    assert sqlmigrate("rollback", "--yes", "--accept-loss").status == 0
    left = "SELECT count(*) FROM pg_class WHERE relnamespace IN ('public'::regnamespace, to_regnamespace('app'))"
    assert fresh.connect().execute(left).fetchone() == (0,)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a/b",), "'a/b' is not an id for a baseline"),
        (("../x",), "is not an id for a baseline"),
        (("0001_baseline",), "there are migrations in"),
    ],
)
def test_what_cannot_be_a_first_migration_is_refused(project, target, sqlmigrate, words, said):
    project.tables("0000_a")

    outcome = sqlmigrate("baseline", *words)

    assert outcome.status == 2
    assert said in outcome.stderr
    assert sorted(path.name for path in project.directory.iterdir()) == ["0000_a.rollback.sql", "0000_a.sql"]


def test_nothing_is_written_where_the_proof_fails_or_is_all_that_is_wanted(
    project, target, shadow_on_other_server, sqlmigrate
):
    target.connect().execute("CREATE TABLE here ()")
    dry = sqlmigrate("baseline", "0001_baseline", "--dry-run")
    assert dry.lines == ["a fresh database would have no drift; nothing was written"], dry.stderr
    target.connect().execute("CREATE TABLE theirs ()")
    project.file("bootstrap/platform.sql", "CREATE TABLE theirs (id integer);\n")

    outcome = sqlmigrate("baseline", "0001_baseline")

    assert outcome.status in (1, 3), outcome.stdout + outcome.stderr
    assert [path.name for path in project.directory.iterdir()] == ["bootstrap"]
    assert not has_history(target)
