"""`sqlmigrate config`, and the five places that a setting can come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sqlmigrate import server
from sqlmigrate.config import SETTINGS

SAMPLES = {
    "database_url": ("postgresql://localhost/x", "postgresql://localhost/x"),
    "database_url_env": ("MY_URL", "MY_URL"),
    "history_schema": ("migrations", "migrations"),
    "history_owners": ("deploy, dba", ["deploy", "dba"]),
    "role": ("owner", "owner"),
    "search_path": ("app, public", "app, public"),
    "lock_timeout": ("5s", 5_000),
    "lock_budget": ("1min", 60_000),
    "statement_timeout": ("300ms", 300),
    "wait_lock": ("1h", 3_600_000),
    "durable": ("each", "each"),
    "order": ("natural", "natural"),
    "schema_file": ("db/x.sql", "db/x.sql"),
    "dump_after_apply": ("yes", True),
    "max_waiters": ("20", 20),
    "max_block": ("3s", 3_000),
    "max_lag": ("10s", 10_000),
    "embedded": ("true", True),
    "protected": ("true", True),
    "allow_out_of_order": ("true", True),
    "env_file": ("variables", "variables"),
    "wait_for_server": ("30s", 30_000),
    "migrations": ("db", "db"),
    "data": ("rows", "rows"),
    "state_dir": ("state", "state"),
    "shadow_url": ("postgresql://localhost/s", "postgresql://localhost/s"),
    "require_proof": ("true", True),
    "check_drift": ("true", True),
    "drift_ignore": ("a.*, role b", ["a.*", "role b"]),
    "api_roles": ("web_anon, web_user", ["web_anon", "web_user"]),
    "design_notes": ("false", False),
    "cache_size": ("500MB", 500 << 20),
    "large_rows": ("2_000_000", 2_000_000),
    "large_size": ("2GB", 2 << 30),
    "small_rows": ("500", 500),
    "small_size": ("64kB", 64 << 10),
    "busy_writes": ("0", 0),
    "busy_reads": ("20", 20),
    "targets": ("tenants.csv", "tenants.csv"),
    "targets_query": ("SELECT 1", "SELECT 1"),
    "targets_command": ("list 'all of them'", ["list", "all of them"]),
    "control_database_url": ("postgresql://localhost/c", "postgresql://localhost/c"),
    "control_database_url_env": ("CONTROL_URL", "CONTROL_URL"),
    "scheduler": ("tls://hub:8786", "tls://hub:8786"),
    "scheduler_ca": ("ca.pem", "ca.pem"),
    "scheduler_cert": ("our.pem", "our.pem"),
    "scheduler_key": ("our.key", "our.key"),
    "scheduler_patience": ("2min", 120_000),
    "workload": ("true", True),
    "workload_file": ("queries", ["queries"]),
    "workload_hide": ("secret", ["secret"]),
    "workload_search_path": ("app, public", ["app, public"]),
}


@pytest.fixture
def setting(project, sqlmigrate):
    """Ask for one setting: its value and where it came from."""

    def ask(name, *options):
        outcome = sqlmigrate("config", "--json", *options)
        assert outcome.status == 0, outcome
        found = outcome.document["settings"][name]
        return found["value"], found["source"]

    return ask


def test_it_says_which_database_is_meant_without_connecting(project, sqlmigrate, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/shop")

    outcome = sqlmigrate("config")

    assert "target: database shop on 127.0.0.1:1 as me (named by variable DATABASE_URL)" in outcome.lines
    assert sqlmigrate("config", "--json").document["target"].startswith("database shop on 127.0.0.1:1 as me")


def test_where_no_database_is_meant_it_says_so(project, sqlmigrate, monkeypatch):
    assert "target: no database is named" in sqlmigrate("config").lines

    monkeypatch.setenv("SQLMIGRATE_EMBEDDED", "1")

    assert "target: the private server of this project (embedded = true (variable SQLMIGRATE_EMBEDDED))" in (
        sqlmigrate("config").lines
    )


def test_there_is_a_sample_of_each_setting():
    assert set(SAMPLES) == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_has_a_variable(setting, monkeypatch, name):
    text, value = SAMPLES[name]
    variable = f"SQLMIGRATE_{name.upper()}"
    monkeypatch.setenv(variable, text)

    assert setting(name) == (value, f"variable {variable}")


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_can_stand_in_the_file_and_in_an_environment_section(project, setting, name):
    text, value = SAMPLES[name]
    project.config(f'{name} = "{text}"\n[env.live]\n{name.replace("_", "-")} = "{text}"\n')

    assert setting(name)[0] == value
    assert setting(name)[1] == "sqlmigrate.toml"
    assert setting(name, "--env", "live")[1] == "sqlmigrate.toml [env.live]"


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_has_a_default(project, setting, name):
    value, source = setting(name)

    assert source == "default"
    if name in {"migrations", "data"}:
        assert value == str(project.root / {"migrations": "sql"}.get(name, name))


def test_times_are_shown_as_they_are_written(project, sqlmigrate, monkeypatch):
    monkeypatch.setenv("SQLMIGRATE_STATEMENT_TIMEOUT", "500 ms")

    shown = dict(line.split()[:2] for line in sqlmigrate("config").lines[4:])

    times = [shown[name] for name in ("lock_timeout", "lock_budget", "statement_timeout", "wait_lock")]
    assert times == ["2s", "10min", "500ms", "5min"]


def test_the_folder_of_the_private_server_is_shown_where_nobody_named_one(project, setting):
    assert setting("state_dir") == (str(server.state_dir(project.root)), "default")


def test_the_higher_place_wins(project, setting, monkeypatch):
    assert setting("migrations") == (str(project.root / "sql"), "default")
    project.config('migrations = "a"\n[env.live]\nmigrations = "b"\n')
    assert setting("migrations") == ("a", "sqlmigrate.toml")
    assert setting("migrations", "--env", "live") == ("b", "sqlmigrate.toml [env.live]")
    monkeypatch.setenv("SQLMIGRATE_MIGRATIONS", "c")
    assert setting("migrations", "--env", "live") == ("c", "variable SQLMIGRATE_MIGRATIONS")
    assert setting("migrations", "--env", "live", "--migrations", "d") == ("d", "option --migrations")


@pytest.mark.parametrize(
    ("option", "name", "text", "said"),
    [
        ("--lock-timeout", "lock_timeout", "1234ms", "1234ms"),
        ("--statement-timeout", "statement_timeout", "7s", "7s"),
        ("--role", "current_user", "pg_monitor", "pg_monitor"),
    ],
)
def test_options_reach_the_script(project, target, sqlmigrate, option, name, text, said):
    target.connect_superuser().execute("GRANT pg_monitor TO migrator")
    query = "current_user" if name == "current_user" else f"current_setting('{name}')"
    project.migration("a", f"DO $$ BEGIN RAISE NOTICE 'it is %', {query}; END $$;")

    outcome = sqlmigrate("apply", option, text)

    assert outcome.status == 0
    assert f"it is {said} (" in outcome.stderr


def test_a_variable_reaches_the_script(project, target, sqlmigrate, monkeypatch):
    monkeypatch.setenv("SQLMIGRATE_SEARCH_PATH", "pg_temp, public")
    monkeypatch.setenv("SQLMIGRATE_HISTORY_SCHEMA", "elsewhere")
    project.migration("a", "DO $$ BEGIN RAISE NOTICE 'it is %', current_setting('search_path'); END $$;")

    outcome = sqlmigrate("apply")

    assert "it is pg_temp, public (" in outcome.stderr
    assert target.connect().execute("SELECT count(*) FROM elsewhere.applied").fetchone() == (1,)


def test_the_variable_of_the_environment_chooses_the_section(project, setting, monkeypatch):
    project.config('[env.live]\nrole = "owner"\n')
    monkeypatch.setenv("SQLMIGRATE_ENV", "live")

    assert setting("role") == ("owner", "sqlmigrate.toml [env.live]")


def test_config_for_people(project, sqlmigrate):
    project.config('lock_timeout = "3s"\n[env.live]\nprotected = true\n')

    outcome = sqlmigrate("config", "--env", "live")

    assert outcome.lines[0] == f"file: {project.root / 'sqlmigrate.toml'}, environment live"
    rows = {line.split()[0]: line.split(None, 1)[1] for line in outcome.lines[3:]}
    assert rows["lock_timeout"].split() == ["3s", "sqlmigrate.toml"]
    assert rows["protected"].split(None, 1) == ["true", "sqlmigrate.toml [env.live]"]
    assert rows["role"].split() == ["-", "default"]


def test_an_environment_that_is_not_defined_names_those_that_are(project, sqlmigrate):
    project.config("[env.live]\n[env.test]\n")

    outcome = sqlmigrate("status", "--env", "prod")

    assert outcome.status == 2
    assert "environment prod is not defined" in outcome.stderr
    assert "defined: live, test" in outcome.stderr


def test_an_environment_without_a_file_is_refused(project, sqlmigrate):
    outcome = sqlmigrate("apply", "--env", "prod")

    assert outcome.status == 2
    assert "there is no configuration file" in outcome.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('lock_timout = "1s"\n', ["sqlmigrate.toml:1:1: unknown setting 'lock_timout'", "did you mean lock_timeout?"]),
        ('\n  colour = "red"', ["sqlmigrate.toml:2:3: unknown setting 'colour'", "the settings are database_url"]),
        ('lock_timeout = "soon"', ["lock_timeout: 'soon' is not a duration", "(sqlmigrate.toml)"]),
        ("embedded = 2", ["embedded: 2 is neither true nor false"]),
        ("migrations = 3", ["migrations: a path is needed"]),
        ('migrations = ""', ["migrations: a path is needed"]),
        ("role = 1", ["role: a text is needed"]),
        ('history_schema = "pg_x"', ["history_schema: names that begin with pg_ belong to PostgreSQL"]),
        (f"history_owners = ['{'x' * 64}']", ["history_owners: ", "is not the name of a role"]),
        ('migrations = "sql"\nlock_timeout = 2s\n', ["sqlmigrate.toml is not valid TOML", "line 2"]),
        ("tool = 1", ["sqlmigrate.toml"]),
        ("[tool]\nsqlmigrate = 1", ["[tool.sqlmigrate] must be a table"]),
        ("env = 1", ["sqlmigrate.toml"]),
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_file_that_does_not_fit_is_refused_with_the_place(project, sqlmigrate, text, said, form):
    project.config(text)

    outcome = sqlmigrate("status", *form)

    assert outcome.status == 2
    assert all(part in outcome.stderr for part in said), outcome.stderr
    if form:
        assert outcome.document["error"]["exit_status"] == 2


def test_a_variable_that_does_not_fit_is_named(project, sqlmigrate, monkeypatch):
    monkeypatch.setenv("SQLMIGRATE_LOCK_TIMEOUT", "soon")

    outcome = sqlmigrate("status")

    assert outcome.status == 2
    assert "lock_timeout: 'soon' is not a duration such as 500ms, 2s or 10min (variable SQLMIGRATE_LOCK_TIMEOUT)" in (
        outcome.stderr
    )


def test_an_option_that_does_not_fit_is_named(project, target, sqlmigrate):
    outcome = sqlmigrate("apply", "--wait-lock", "99999999999d")

    assert outcome.status == 2
    assert "(option --wait-lock)" in outcome.stderr


def test_the_nearest_file_upwards_counts_and_its_paths_are_relative_to_it(project, setting, monkeypatch):
    project.config('migrations = "db"\n')
    deep = project.root / "src" / "deep"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)

    assert setting("migrations") == (str(project.root / "db"), "sqlmigrate.toml")
    assert setting("data") == (str(project.root / "data"), "default")


def test_the_search_ends_at_the_root_of_the_repository(project, setting, monkeypatch):
    project.config('migrations = "db"\n')
    inner = project.root / "inner"
    (inner / ".git").mkdir(parents=True)
    monkeypatch.chdir(inner)

    assert setting("migrations")[1] == "default"


def test_sqlmigrate_toml_beats_pyproject_beside_it(project, setting):
    project.config('[tool.sqlmigrate]\nrole = "b"\n', "pyproject.toml")
    assert setting("role") == ("b", "pyproject.toml")

    project.config('role = "a"\n')

    assert setting("role") == ("a", "sqlmigrate.toml")


def test_a_pyproject_without_our_table_is_passed_over(project, setting, monkeypatch):
    project.config('role = "a"\n')
    (project.root / "part").mkdir()
    project.config('[project]\nname = "x"\n', "part/pyproject.toml")
    monkeypatch.chdir(project.root / "part")

    assert setting("role") == ("a", "sqlmigrate.toml")


def test_an_environment_may_stand_in_pyproject(project, setting):
    project.config('[tool.sqlmigrate.env.live]\nrole = "owner"\n', "pyproject.toml")

    assert setting("role", "--env", "live") == ("owner", "pyproject.toml [env.live]")


@pytest.mark.parametrize("way", ["option", "variable"])
def test_another_file_can_be_named(project, setting, monkeypatch, way):
    project.config('role = "a"\n')
    project.config('role = "b"\n', "other.toml")
    options = ("--config", "other.toml")
    if way == "variable":
        monkeypatch.setenv("SQLMIGRATE_CONFIG", "other.toml")
        options = ()

    assert setting("role", *options) == ("b", "other.toml")


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere.toml", "the configuration file nowhere.toml does not exist"), ("sql", "sql is not a file")],
)
def test_a_named_file_that_is_not_there_is_refused(project, sqlmigrate, name, words):
    outcome = sqlmigrate("config", "--config", name)

    assert outcome.status == 2
    assert words in outcome.stderr


def test_a_file_that_is_not_utf8_is_refused(project, sqlmigrate):
    (project.root / "sqlmigrate.toml").write_bytes(b"role = '\xff'")

    outcome = sqlmigrate("config")

    assert outcome.status == 2
    assert "sqlmigrate.toml cannot be read" in outcome.stderr


@pytest.fixture
def become_ordinary(project, sqlmigrate):
    """Give a function that makes us a user whom file modes stop, also where the tests run as root."""
    sqlmigrate("config")  # loads everything while we may read it
    was_root = os.geteuid() == 0
    yield lambda: os.seteuid(65534) if was_root else None
    if was_root:
        os.seteuid(0)
    project.root.chmod(0o755)


def test_a_file_that_may_not_be_read_is_refused(project, sqlmigrate, become_ordinary):
    project.config('role = "a"\n').chmod(0)
    become_ordinary()

    outcome = sqlmigrate("config")

    assert outcome.status == 2
    assert "sqlmigrate.toml cannot be read" in outcome.stderr
    assert "Permission denied" in outcome.stderr


def test_a_folder_that_may_not_be_entered_is_refused(project, sqlmigrate, become_ordinary):
    project.root.chmod(0)
    become_ordinary()

    outcome = sqlmigrate("config")

    assert outcome.status == 2
    assert str(project.root) in outcome.stderr
    assert "Permission denied" in outcome.stderr


def test_a_working_directory_that_was_deleted_is_refused(project, sqlmigrate, monkeypatch):
    gone = project.root / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    outcome = sqlmigrate("config")

    assert outcome.status == 2
    assert "the working directory" in outcome.stderr


def test_passwords_are_hidden(project, sqlmigrate, monkeypatch):
    monkeypatch.setenv("SQLMIGRATE_DATABASE_URL", "postgresql://me:secret@db.example.org/shop?sslmode=require")

    shown = sqlmigrate("config").stdout

    assert "postgresql://me:***@db.example.org/shop?sslmode=require" in shown
    assert "secret" not in shown + sqlmigrate("config", "--json").stdout


def test_config_needs_no_database(project, sqlmigrate, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "")

    assert sqlmigrate("config").status == 0


def test_a_home_folder_is_written_with_a_tilde(project, setting):
    project.config('migrations = "~/sql"\n')

    assert setting("migrations")[0] == str(Path("~/sql").expanduser())


def test_a_configuration_above_the_working_directory_is_named(project, sqlmigrate, monkeypatch):
    file = project.config("role = 'of_above'\n")
    (below := project.root / "below").mkdir()
    monkeypatch.chdir(below)

    outcome = sqlmigrate("config")
    document = sqlmigrate("config", "--json").document

    assert outcome.lines[0] == f"file: {file}, found above the working directory"
    assert (document["file"], document["found_above"], document["passed_over"]) == (str(file), True, [])


def test_a_configuration_that_others_may_have_written_is_passed_over_with_a_warning(project, sqlmigrate, monkeypatch):
    file = project.config("migrations = 'theirs'\n")
    (below := project.root / "below").mkdir()
    monkeypatch.chdir(below)
    project.root.chmod(0o1777)

    outcome = sqlmigrate("config", "--json")

    note = f"{file} is ignored, and so is everything above {project.root}: anybody may write to it"
    assert outcome.stderr == f"warning: {note}\n"
    assert (outcome.document["file"], outcome.document["passed_over"]) == (None, [note])


def test_the_banner_names_a_configuration_above(project, target, sqlmigrate, monkeypatch):
    file = project.config("")
    (below := project.root / "below").mkdir()
    monkeypatch.chdir(below)

    outcome = sqlmigrate("status", "--quiet")

    assert f"(named by variable DATABASE_URL, configuration {file})" in outcome.stderr
