"""Every setting has one value, and says where it came from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sqlmigrate.config import SETTINGS, Config, load, variable
from sqlmigrate.errors import ConfigError

FILE = """
[tool.sqlmigrate]
migrations = "file"
lock_timeout = "3s"
role = "file"

[tool.sqlmigrate.env.production]
role = "section"
database_url_env = "PRODUCTION_URL"
protected = true
"""


class Folder:
    """A project's folder, and the settings that are found from there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / ".git").mkdir()

    def file(self, text: str, name: str = "pyproject.toml") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, environ: dict[str, str] | None = None, *, cwd: str = "", **options: object) -> Config:
        given = {key: options.pop(key) for key in ("env", "config_file") if key in options}
        return load(options, environ=environ or {}, cwd=self.path / cwd, **given)

    def refusal(self, environ: dict[str, str] | None = None, **options: object) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            self.load(environ, **options)
        assert caught.value.exit_status == 2
        return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_without_a_file_the_defaults_count(folder):
    config = folder.load()

    assert (config.file, config.env, config.project) == (None, None, folder.path)
    assert (config.migrations, config.data) == (folder.path / "sql", folder.path / "data")
    assert (config.lock_timeout, config.lock_budget, config.wait_lock, config.statement_timeout) == (
        2_000,
        600_000,
        300_000,
        0,
    )
    assert {config.source(name) for name in SETTINGS} == {"default"}


LAYERS = [
    ("file", {}, {}, {}, "pyproject.toml"),
    ("section", {"env": "production"}, {}, {}, "pyproject.toml [env.production]"),
    ("section", {}, {"SQLMIGRATE_ENV": "production"}, {}, "pyproject.toml [env.production]"),
    ("variable", {"env": "production"}, {"SQLMIGRATE_ROLE": "variable"}, {}, "variable SQLMIGRATE_ROLE"),
    ("option", {"env": "production"}, {"SQLMIGRATE_ROLE": "variable"}, {"role": "option"}, "option --role"),
    ("file", {}, {"SQLMIGRATE_ROLE": ""}, {"role": None}, "pyproject.toml"),
]


@pytest.mark.parametrize(("value", "env", "environ", "options", "source"), LAYERS)
def test_the_nearest_layer_wins_and_is_named(folder, value, env, environ, options, source):
    folder.file(FILE)
    config = folder.load(environ, **env, **options)

    assert (config.role, config.source("role")) == (value, source)


def test_an_option_names_the_environment_before_the_variable_does(folder):
    folder.file(FILE + "[tool.sqlmigrate.env.staging]\nrole = 'staging'\n")

    assert folder.load({"SQLMIGRATE_ENV": "production"}, env="staging").role == "staging"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_a_variable(folder, name):
    values = {
        "embedded": "yes",
        "protected": "on",
        "allow_out_of_order": "1",
        "require_proof": "1",
        "check_drift": "1",
        "dump_after_apply": "1",
        "design_notes": "1",
        "workload": "1",
        "migrations": "x",
        "data": "x",
        "state_dir": "x",
        "durable": "each",
        "order": "natural",
    }
    numbers = (
        "timeout",
        "budget",
        "wait_lock",
        "wait_for_server",
        "_rows",
        "_writes",
        "_reads",
        "max_waiters",
        "max_block",
        "max_lag",
        "scheduler_patience",
    )
    text = values.get(name, "7TB" if name.endswith("_size") else "7" if name.endswith(numbers) else "x")
    config = folder.load({variable(name): text})

    assert variable(name) == f"SQLMIGRATE_{name.upper()}"
    assert config.source(name) == f"variable {variable(name)}"
    assert str(getattr(config, name)).endswith(("True", "x", "7", "('x',)", "/x'),)", str(7 << 40), "each", "natural"))


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_may_stand_in_the_file(folder, name):
    switches = {"embedded", "protected", "allow_out_of_order", "require_proof", "check_drift", "design_notes"}
    switches |= {"workload", "dump_after_apply"}
    numbers = ("lock", "timeout", "server", "size", "_rows", "busy_", "max_waiters", "max_lag", "patience")
    text = "true" if name in switches else "7" if any(word in name for word in numbers) else "'x'"
    text = {"durable": "'each'", "order": "'natural'"}.get(name, text)
    folder.file(f"{name.replace('_', '-')} = {text}", "sqlmigrate.toml")

    assert folder.load().source(name) == "sqlmigrate.toml"


def test_a_file_of_ours_goes_before_pyproject(folder):
    folder.file(FILE)
    folder.file("role = 'ours'", "sqlmigrate.toml")

    assert folder.load().role == "ours"


def test_our_file_may_hold_the_same_table_as_pyproject(folder):
    assert folder.file(FILE, "sqlmigrate.toml") == folder.load().file
    assert folder.load().role == "file"


def test_the_file_is_found_from_any_folder_below(folder):
    folder.file(FILE)
    folder.file("", "a/b/words.md")

    assert folder.load(cwd="a/b").file == folder.path / "pyproject.toml"


def test_a_pyproject_without_our_table_is_passed_over(folder):
    folder.file(FILE)
    folder.file("[project]\nname = 'x'\n", "a/pyproject.toml")

    assert folder.load(cwd="a").file == folder.path / "pyproject.toml"


def test_the_search_ends_where_the_repository_does(folder):
    folder.file(FILE)
    (folder.path / "a" / ".git").mkdir(parents=True)

    assert folder.load(cwd="a").file is None


def test_paths_in_a_file_are_relative_to_it_and_others_to_where_we_are(folder):
    folder.file(FILE + "[tool.sqlmigrate.env.x]\ndata = '../data'\n")
    (folder.path / "a").mkdir()
    config = folder.load({"SQLMIGRATE_STATE_DIR": "state"}, cwd="a", env="x")
    assert config.migrations == folder.path / "file"
    assert config.data == folder.path / ".." / "data"
    assert config.state_dir == folder.path / "a" / "state"
    assert folder.load(cwd="a", migrations=Path("b")).migrations == folder.path / "a" / "b"
    assert folder.load(cwd="a", migrations="/b").migrations == Path("/b")


def test_a_file_that_is_named_counts_alone(folder):
    folder.file(FILE)
    other = folder.file("role = 'other'", "conf/other.toml")

    assert folder.load(config_file=other).role == "other"
    assert folder.load({"SQLMIGRATE_CONFIG": str(other)}).role == "other"
    assert folder.load(config_file=other).migrations == folder.path / "conf" / "sql"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.sqlmigrate]\nmigratons = 'x'", "pyproject.toml:2:1: unknown setting 'migratons'"),
        ("[tool.sqlmigrate]\n  'lock-timeot' = 1", "pyproject.toml:2:3: unknown setting 'lock-timeot'"),
        (
            "[tool.sqlmigrate]\nlock_timeout = 'soon'",
            "lock_timeout: 'soon' is not a duration such as 500ms, 2s or 10min",
        ),
        ("[tool.sqlmigrate]\nlock_timeout = true", "lock_timeout: True is not a duration"),
        ("[tool.sqlmigrate]\nlock_timeout = 1.5", "lock_timeout: 1.5 is not a duration"),
        ("[tool.sqlmigrate]\nembedded = 'perhaps'", "embedded: 'perhaps' is neither true nor false"),
        ("[tool.sqlmigrate]\nrole = 1", "role: a text is needed"),
        ("[tool.sqlmigrate]\nmigrations = 1", "migrations: a path is needed"),
        ("[tool.sqlmigrate]\nmigrations = ''", "migrations: a path is needed"),
        ("[tool.sqlmigrate]\nhistory_schema = ''", "history_schema: a schema name has 1 to 63 bytes"),
        (f"[tool.sqlmigrate]\nhistory_schema = '{'ü' * 32}'", "history_schema: a schema name has 1 to 63 bytes"),
        ("[tool.sqlmigrate]\nhistory_schema = 'pg_x'", "names that begin with pg_ belong to PostgreSQL"),
        ("[tool.sqlmigrate]\nenv = 'x'", "pyproject.toml:2:1: env holds environments"),
        ("[tool]\nsqlmigrate = 'x'", "[tool.sqlmigrate] must be a table"),
        ("tool = 'x'", "[tool] must be a table"),
        ("[tool.sqlmigrate\n", "pyproject.toml is not valid TOML"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_reason(folder, text, message):
    folder.file(text)

    assert message in str(folder.refusal())


def test_a_value_that_does_not_fit_says_where_it_came_from(folder):
    folder.file("[tool.sqlmigrate.env.x]\nprotected = 'maybe'")

    assert str(folder.refusal(env="x")).endswith("(pyproject.toml [env.x])")
    assert str(folder.refusal({"SQLMIGRATE_EMBEDDED": "2"})).endswith("(variable SQLMIGRATE_EMBEDDED)")
    assert str(folder.refusal(lock_timeout="x")).endswith("(option --lock-timeout)")


def test_a_home_that_does_not_exist_is_refused(folder):
    assert str(folder.refusal(migrations=Path("~nobody-of-this-name/sql"))).startswith("migrations: ")


def test_an_unknown_setting_comes_with_a_near_one(folder):
    folder.file("[tool.sqlmigrate]\nlock_timout = 1")
    assert folder.refusal().hint == "did you mean lock_timeout?"

    folder.file("[tool.sqlmigrate]\nxyz = 1")
    assert folder.refusal().hint.startswith("the settings are database_url, ")


def test_an_unknown_setting_in_an_environment_that_is_not_asked_for_is_not_a_trap(folder):
    folder.file("[tool.sqlmigrate.env.x]\nnonsense = 1\n")

    assert folder.load().env is None
    assert "nonsense" in str(folder.refusal(env="x"))


def test_an_environment_that_is_not_defined_is_refused_with_those_that_are(folder):
    folder.file(FILE)

    assert "environment prod is not defined" in str(folder.refusal(env="prod"))
    assert str(folder.refusal(env="prod")).endswith("defined: production")


def test_an_environment_needs_a_file(folder):
    assert "there is no configuration file" in str(folder.refusal({"SQLMIGRATE_ENV": "production"}))


def test_a_named_file_must_be_there_and_ours(folder):
    missing, other = folder.path / "x.toml", folder.file("[project]\n")

    assert str(folder.refusal(config_file=missing)) == f"the configuration file {missing} does not exist"
    assert str(folder.refusal(config_file=other)).endswith("has no [tool.sqlmigrate] table")


def test_a_file_that_is_not_utf_8_is_named(folder):
    (folder.path / "sqlmigrate.toml").write_bytes(b"role = '\xff'")

    assert "sqlmigrate.toml cannot be read" in str(folder.refusal())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", True),
        ("TRUE", True),
        ("yes", True),
        (" on ", True),
        ("0", False),
        ("False", False),
        ("no", False),
        ("off", False),
    ],
)
def test_a_switch_may_be_spelled_in_several_ways(folder, text, value):
    assert folder.load({"SQLMIGRATE_EMBEDDED": text}).embedded is value


def test_a_variable_that_is_set_but_empty_takes_the_database_away_but_no_other_setting(folder):
    folder.file("[tool.sqlmigrate]\ndatabase_url = 'postgresql://h/d'\nlock_timeout = '3s'\n")
    config = folder.load({"SQLMIGRATE_DATABASE_URL": "", "SQLMIGRATE_LOCK_TIMEOUT": ""})

    assert (config.database_url, config.lock_timeout) == ("", 3_000)


def test_the_working_directory_counts_where_none_is_given(folder, monkeypatch):
    folder.file(FILE)
    monkeypatch.chdir(folder.path)

    assert load({}).role == "file"
    assert Path.cwd() == folder.path == Path(os.fspath(load({}).project))


def test_a_working_directory_that_is_gone_is_reported(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(ConfigError, match="the working directory cannot be used"):
        load({})


@pytest.mark.parametrize("given", ["['table a.*', ' b ']", "'table a.*, b,'"])
def test_a_list_may_be_written_with_commas(folder, given):
    folder.file(f"drift_ignore = {given}", "sqlmigrate.toml")

    assert folder.load().drift_ignore == ("table a.*", "b")


def test_a_list_holds_texts(folder):
    folder.file("drift_ignore = [1]", "sqlmigrate.toml")

    with pytest.raises(ConfigError, match=r"drift_ignore: a list of texts is needed \(sqlmigrate.toml\)"):
        folder.load()


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("500MB", 500 << 20), ("2 GB", 2 << 30), ("64kB", 64 << 10), ("7", 7 << 20)]
)
def test_a_size_is_written_as_postgresql_writes_it(folder, text, size):
    assert folder.load(cache_size=text).cache_size == size


@pytest.mark.parametrize("text", ["much", "-1", "1.5GB", "2gb", "", True, "9" * 30])
def test_what_is_no_size_is_refused(folder, text):
    assert "no size" in folder.refusal(cache_size=text).message


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("1_000_000", 1_000_000), (25, 25), (" 7 ", 7)])
def test_a_number_is_written_as_toml_writes_it(folder, text, number):
    assert folder.load(large_rows=text).large_rows == number


@pytest.mark.parametrize("text", ["many", "-1", "1.5", "1e6", "", "_1", True, None, "9" * 30])
def test_what_is_no_number_is_refused(folder, text):
    folder.file(f"large_rows = {'true' if text is True else repr(text or '')}", "sqlmigrate.toml")

    assert "no whole number" in folder.refusal().message


def test_a_protected_environment_guards_whoever_waits_unless_it_says_otherwise(folder):
    folder.file("[env.a]\nprotected = true\n[env.b]\nprotected = true\nmax_block = 0\n[env.c]\n", "sqlmigrate.toml")
    a, b, c = (folder.load(env=name) for name in "abc")

    assert (a.max_waiters, a.max_block, a.source("max_block")) == (100, 5_000, "default where protected")
    assert (b.max_waiters, b.max_block, b.source("max_block")) == (100, 0, "sqlmigrate.toml [env.b]")
    assert (c.max_waiters, c.max_block, c.source("max_block")) == (0, 0, "default")


@pytest.mark.parametrize("name", ["sqlmigrate.toml", "pyproject.toml"])
def test_a_configuration_that_is_no_file_is_not_passed_over(folder, name):
    path = folder.path / name
    path.symlink_to("nowhere.toml")
    assert str(folder.refusal()) == f"{path} is a symbolic link that leads nowhere"

    path.unlink()
    os.mkfifo(path)
    assert str(folder.refusal()) == str(folder.refusal(config_file=path)) == f"{path} is not a file"
