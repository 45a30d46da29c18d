"""The file of variables: off by default, never over what is set, and no line of it in a message."""

from __future__ import annotations

import pytest

from sqlmigrate.config import load
from sqlmigrate.config.env_file import read_variables
from sqlmigrate.errors import ConfigError
from sqlmigrate.target import named

CONFIG = 'env_file = ".env"\nrole = "file"\n[env.live]\nrole = "section"\n[env.none]\nenv_file = ""\n'


@pytest.fixture
def project(tmp_path):
    """Give a function that writes both files and loads the settings."""

    def settings(text, *, config=CONFIG, environ=None, with_env_file=True, **options):
        (tmp_path / ".env").write_text(text)
        (tmp_path / "sqlmigrate.toml").write_text(config)
        env = options.pop("env", None)
        return load(options, env=env, environ=environ or {}, cwd=tmp_path, with_env_file=with_env_file)

    return settings


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("  export A = b c  # remark", "b c"),
        ("A=b#c", "b#c"),
        ("A= # remark", ""),
        ("A=#b", "#b"),
        ("A=b" + " " * 1_000_000 + "c", "b" + " " * 1_000_000 + "c"),
        ("A = 'b'" + " " * 1_000_000, "b"),
        ("A=$B and ${C}", "$B and ${C}"),
        ("A='b # $c \\n'", "b # $c \\n"),
        ('A="b \\"c\\" \\$d\\n\\\\" # remark', 'b "c" $d\n\\'),
        ("A=postgresql://me:p=1@localhost/x?sslmode=require", "postgresql://me:p=1@localhost/x?sslmode=require"),
    ],
)
def test_a_line_is_read_as_a_shell_would(tmp_path, line, value):
    (tmp_path / ".env").write_text(f"# remark\n\n{line}\n")

    assert read_variables(tmp_path / ".env") == {"A": value}


@pytest.mark.parametrize("line", ["secret", "=secret", "A B=secret", "A='secret", 'A="secret" more', "9A=secret"])
def test_a_line_that_is_none_is_an_error_that_does_not_tell_it(tmp_path, line):
    (tmp_path / ".env").write_text(f"A=b\n{line}\n")

    with pytest.raises(ConfigError, match=r"\.env:2: env_file: a line is NAME=value") as caught:
        read_variables(tmp_path / ".env")
    assert "secret" not in repr(caught.value)


def test_it_is_read_only_where_the_configuration_names_it(project):
    text = "SQLMIGRATE_LOCK_TIMEOUT=7s\n"

    assert project(text).lock_timeout == 7_000
    assert project(text).source("lock_timeout") == "variable SQLMIGRATE_LOCK_TIMEOUT of env_file"
    assert project(text, config="").lock_timeout == 2_000
    assert project(text, with_env_file=False).lock_timeout == 2_000
    assert project(text, env="none").lock_timeout == 2_000


def test_above_the_project_it_must_be_the_users_own(project, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "sqlmigrate.toml").write_text('env_file = "../.env"\n')
    project("SQLMIGRATE_ROLE=dotenv\n").env_file.chmod(0o600)
    assert load({}, environ={}, cwd=inner, with_env_file=True).role == "dotenv"

    (tmp_path / ".env").chmod(0o666)
    with pytest.raises(ConfigError, match="is not read: anybody may write to it"):
        load({}, environ={}, cwd=inner, with_env_file=True)
    assert load({}, environ={"SQLMIGRATE_ENV_FILE": "../.env"}, cwd=inner, with_env_file=True).role == "dotenv"
    assert project("SQLMIGRATE_ROLE=dotenv\n").role == "dotenv"  # in its own folder it is taken as it is


def test_it_is_never_over_what_is_set(project):
    text = "SQLMIGRATE_ROLE=dotenv\nDATABASE_URL=postgresql:///dotenv\nPGHOST=dotenv\n"

    assert project(text).role == "dotenv"
    assert project(text, env="live").role == "section"
    assert project(text, role="option").role == "option"
    assert project(text, environ={"SQLMIGRATE_ROLE": "outside"}).role == "outside"
    assert project(text, environ={"PGHOST": "", "DATABASE_URL": ""}).variables == {"SQLMIGRATE_ROLE": "dotenv"}


def test_only_what_means_something_here_is_taken(project):
    text = "PATH=/x\nLD_PRELOAD=x\nSQLMIGRATE_PG_BINDIR=/x\nSQLMIGRATE_ENV=live\nPGUSER=me\nLIVE=postgresql:///x\n"
    config = 'env_file = ".env"\ndatabase_url_env = "LIVE"\n'

    found = project(text, config=config)

    assert found.variables == {"PGUSER": "me", "LIVE": "postgresql:///x"}
    assert named(found, found.variables).source == "variable LIVE of env_file"
    control = project(text, config='env_file = ".env"\ncontrol_database_url_env = "LIVE"\n')
    assert control.variables == found.variables


def test_a_file_that_is_not_there_is_no_error_and_one_that_cannot_be_read_is(tmp_path):
    assert read_variables(tmp_path / ".env") == {}
    with pytest.raises(ConfigError, match="cannot be read"):
        read_variables(tmp_path)
    (tmp_path / "latin").write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_variables(tmp_path / "latin")


def test_it_starts_no_program(project):
    found = project("SQLMIGRATE_TARGETS_COMMAND=steal\nSQLMIGRATE_TARGETS=t.yaml\n")

    assert (found.targets_command, found.targets.name) == ((), "t.yaml")
    assert "SQLMIGRATE_TARGETS_COMMAND" not in found.variables


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("PGSSLKEY=/proc/self/cwd/evil.so:secret", "PGSSLKEY names an OpenSSL engine"),
        ("PGSERVICEFILE=pg_service.conf", "PGSERVICEFILE names a file that may have libpq load a library"),
        ("PGSYSCONFDIR=.", "PGSYSCONFDIR names a file"),
    ],
)
def test_it_has_no_library_loaded(project, line, message):
    with pytest.raises(ConfigError, match=rf"\.env: env_file: {message}") as caught:
        project(f"PGUSER=me\n{line}\n")
    assert "secret" not in repr(caught.value)
    name, _, value = line.partition("=")
    assert project(f"PGUSER=me\n{line}\n", environ={name: value}).variables == {"PGUSER": "me"}


def test_variables_that_have_libpq_load_texts_or_print_secrets_are_not_taken(project):
    found = project("PGLOCALEDIR=/x\nPGOAUTHDEBUG=UNSAFE\nPGOAUTHCAFILE=/x\nPGOPTIONS=-cx.y=z\nPGSSLKEY=key.pem\n")

    assert found.variables == {"PGOPTIONS": "-cx.y=z", "PGSSLKEY": "key.pem"}


@pytest.mark.parametrize("value", ['"a\\n::error::forged"', "a##vso[task.complete]"])
def test_it_has_libpq_print_no_line_that_looks_like_ours(project, value):
    with pytest.raises(ConfigError, match="PGPASSFILE has a name that could forge a line"):
        project(f"PGPASSFILE={value}\n")
