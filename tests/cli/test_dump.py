"""`sqlmigrate dump`: what the migrations make, as a file that is the same everywhere, and checked in CI."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.pg

BOOTSTRAP = """
CREATE ROLE reader;
CREATE ROLE boss;
CREATE SCHEMA platform;
CREATE TABLE platform.users (id integer PRIMARY KEY);
CREATE TABLE platform.untouched (id integer);
GRANT USAGE ON SCHEMA platform TO PUBLIC;
GRANT REFERENCES ON platform.users TO PUBLIC;
"""
FIRST = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE SEQUENCE numbers;
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner integer REFERENCES platform.users,
    mood mood DEFAULT 'good' NOT NULL,
    at timestamptz DEFAULT now(),
    total numeric(12, 2) CHECK (total >= 0)
) PARTITION BY HASH (id);
CREATE TABLE orders_0 PARTITION OF orders FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE orders_1 PARTITION OF orders FOR VALUES WITH (MODULUS 2, REMAINDER 1);
"""
SECOND = r"""
CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    -- SET statement_timeout = 0;
    SET LOCAL lock_timeout = 0;
    RETURN E'\\restrict';
END
$$;
CREATE VIEW recent AS SELECT id, mood FROM orders WHERE at > now() - interval '1 day';
GRANT SELECT ON recent TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;
COMMENT ON VIEW recent IS 'of one day; not more';
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON orders USING (mood = 'good');
"""


@pytest.fixture
def plain(project):
    project.migration("1_a", "CREATE TABLE a (b integer);\n", rollback="DROP TABLE a;\n")
    return project


@pytest.fixture
def on_tests_server(shadow_on_other_server):
    """No server has to be started."""


def test_a_whole_project_is_written_made_again_from_that_and_checked(project, sqlmigrate):
    project.file("bootstrap/platform.sql", BOOTSTRAP)
    project.migration("1_first", FIRST)
    project.migration("2_second", SECOND)

    outcome = sqlmigrate("dump", "--fresh")
    assert outcome.status == 0, outcome.stderr
    path = project.root / "schema.sql"
    assert outcome.lines == [f"wrote {path}"]
    text = path.read_text()
    assert text.startswith("-- What the migrations make of an empty database")
    for part in (
        "CREATE TYPE public.mood AS ENUM",
        "PARTITION BY HASH (id);",
        "    -- SET statement_timeout = 0;\n",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES ",
        "GRANT SELECT ON TABLE public.recent TO reader;",
        "COMMENT ON VIEW public.recent IS 'of one day; not more';",
        "FOREIGN KEY (owner) REFERENCES platform.users(id);",
    ):
        assert part in text
    for part in ("\n\\restrict", "Dumped", "migrator", "CREATE TABLE platform", "sqlmigrate.", "ACL ON", "-- Name"):
        assert part not in text

    # what it says makes the same again: it is whole, and in an order that works
    for name in ("1_first", "2_second"):
        (project.directory / f"{name}.sql").unlink()
    project.migration("1_all", text)
    project.migration("2_users", "ALTER TABLE platform.users ADD COLUMN name text;\n")
    outcome = sqlmigrate("dump", "--check", "--fresh", "--shadow-superuser", "--json")
    assert outcome.status == 3, outcome.stderr
    changed = [line for line in outcome.document["diff"] if line[0] in "+-" and line[1:2] not in "+-"]
    assert changed == ["+CREATE TABLE platform.users (", "+    id integer NOT NULL,", "+    name text", "+);"]
    assert path.read_text() == text


@pytest.mark.usefixtures("on_tests_server")
def test_the_check_says_what_is_old_and_writes_nothing(plain, sqlmigrate, tmp_path):
    path = plain.root / "schema.sql"
    missing = sqlmigrate("dump", "--check")
    assert (missing.status, missing.lines[0]) == (3, f"{path} does not exist")
    assert not path.exists()

    assert sqlmigrate("dump").status == 0
    before = path.stat()
    assert sqlmigrate("dump").lines == [f"{path} is what the migrations make"]
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert sqlmigrate("dump", "--check").status == 0  # as git may have checked it out

    plain.migration("2_b", "ALTER TABLE a ADD COLUMN c text;\n")
    old = sqlmigrate("dump", "--check")
    assert old.status == 3
    assert "+    c text" in old.lines
    assert old.lines[-1] == f"{path} is not what the migrations make; `sqlmigrate dump` writes it anew"

    assert "    c text\n" in sqlmigrate("dump", "--output", "-").stdout
    assert sqlmigrate("dump", "--check", "--output", "-").status == 2

    outside = tmp_path / "outside.sql"
    outside.write_text("theirs")
    (plain.root / "link.sql").symlink_to(outside)
    (plain.root / ".git").mkdir()
    refused = sqlmigrate("dump", "--output", "link.sql")
    assert (refused.status, outside.read_text()) == (1, "theirs"), refused.stderr


@pytest.mark.usefixtures("on_tests_server")
def test_it_is_written_after_apply_where_the_project_says_so(plain, target, sqlmigrate):
    plain.config('dump_after_apply = true\nschema_file = "db/schema.sql"\n')
    failed = sqlmigrate("apply")
    assert failed.status == 1
    assert "1 applied, but db/schema.sql was not written: cannot be written" in failed.stderr.replace(
        f"{plain.root}/", ""
    )
    assert target.connect().execute("SELECT count(*) FROM a").fetchone() == (0,)

    (plain.root / "db").mkdir()
    plain.migration("2_b", "CREATE TABLE b ();\n")
    outcome = sqlmigrate("apply", "--json")
    assert outcome.status == 0, outcome.stderr
    assert outcome.document["dump"]["written"] is True
    assert "CREATE TABLE public.b" in (plain.root / "db/schema.sql").read_text()
    assert "dump" not in sqlmigrate("apply", "--json").document


@pytest.mark.usefixtures("on_tests_server")
def test_a_script_that_fails_is_the_error_with_its_place(plain, sqlmigrate):
    plain.migration("2_b", "CREATE TABLE b ();\nSELECT nope;\n")

    outcome = sqlmigrate("dump")

    assert outcome.status == 1
    assert 'on the throwaway database: column "nope" does not exist' in outcome.stderr
    assert "2_b.sql:2:8" in outcome.stderr
    assert not (plain.root / "schema.sql").exists()


@pytest.mark.parametrize("inside", [False, True])
def test_the_configuration_names_no_file_of_the_users_and_none_of_gits(plain, sqlmigrate, monkeypatch, inside):
    project = plain.root / "project"
    project.mkdir()
    (plain.root / "sql").rename(project / "sql")
    (project / ".git").mkdir()
    victim = project / ".git" / "hooks" if inside else plain.root / "profile"
    victim.write_text("mine\n")
    victim.chmod(0o755)
    path = ".git/hooks" if inside else "../profile"
    (project / "sqlmigrate.toml").write_text(f'schema_file = "{path}"\n')
    monkeypatch.chdir(project)

    for words in (("dump",), ("dump", "--check")):
        outcome = sqlmigrate(*words)
        assert outcome.status == 1
        assert "schema_file: " in outcome.stderr
        assert "mine" not in outcome.stdout + outcome.stderr
    assert victim.read_text() == "mine\n"
    if not inside:
        monkeypatch.setenv("SQLMIGRATE_SCHEMA_FILE", "../profile")
        assert sqlmigrate("dump").status == 0
        assert "CREATE TABLE" in victim.read_text()
