"""No variable, argument or file of the surroundings makes a command end as a bug."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from psycopg import pq

from sqlmigrate.cli.app import COMMANDS
from sqlmigrate.config import SETTINGS, variable

LIBPQ = sorted({item.envvar.decode() for item in pq.Conninfo.get_defaults() if item.envvar} - {"PGCONNECT_TIMEOUT"})
OURS = [*map(variable, SETTINGS), "SQLMIGRATE_ENV", "SQLMIGRATE_CONFIG", "DATABASE_URL"]
SYSTEM = ["USER", "LOGNAME", "HOME", "LANG", "LC_ALL", "COLUMNS", "LINES", "TERM", "XDG_STATE_HOME", "CI", "NO_COLOR"]
VALUES = [
    "\udcff\udcfe",
    "",
    " ",
    "x",
    "-1",
    "9" * 30,
    "~nobody/x",
    "host=",
    "postgresql://[",
    "a\nb",
    "\x1b[31m",
    "%s{}",
]
BAD = ["\udcff\udcfe", "9" * 30]
CALLS = [
    ("validate",),
    ("config",),
    ("config", "--json"),
    ("status", "-d", "host=127.0.0.1 port=1 connect_timeout=2"),
    ("seed", "check"),
]


@pytest.mark.parametrize("name", [*LIBPQ, *OURS, *SYSTEM])
def test_no_variable_ends_a_command_as_a_bug(project, sqlmigrate, monkeypatch, name):
    project.tables("1_a")
    for value in VALUES if name in OURS else BAD:
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            for call in CALLS[1:4]:
                outcome = sqlmigrate(*call)
                assert outcome.status in {0, 1, 2}, (call, value, outcome)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in {"db", "fleet", "init"}])
def test_no_argument_that_is_not_utf_8_ends_a_command_as_a_bug(project, sqlmigrate, command):
    project.tables("1_a")
    options = [
        (),
        *(
            ("--to",),
            ("--role",),
            ("--reason",),
            ("--env",),
            ("--config",),
            ("--migrations",),
            ("--output",),
            ("--data",),
        ),
        *(("--yes-i-mean",), ("--lock-timeout",), ("--shadow-url",), ("--database-url",), ("--stats",), ("--ignore",)),
    ]
    for option in options:
        outcome = sqlmigrate(command, *option, "\udcff\udcfe", *(("-d", "host=127.0.0.1 port=1") if not option else ()))
        assert outcome.status in {0, 1, 2}, (option, outcome)
        assert "bug" not in outcome.stderr


@pytest.mark.parametrize(
    "name", ["\udcff.sql", "a\nb.sql", "\udcff.yaml", "\udcff.schema.json", "-.sql", " .sql", "é.sql"]
)
def test_no_file_name_ends_a_command_as_a_bug(project, sqlmigrate, name):
    data = project.root / "data"
    data.mkdir()
    for folder in (project.directory, data):
        (folder / name).write_text("SELECT 1;\n", encoding="utf-8")
    for call in CALLS:
        assert sqlmigrate(*call).status in {0, 1, 2}, call


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link to itself", "a link to nothing", "a device"])
@pytest.mark.parametrize("name", ["sqlmigrate.toml", "sql/1_a.sql", "data/a.yaml", "data/a.schema.json", "sql", "data"])
def test_nothing_that_is_not_a_file_ends_a_command_as_a_bug(project, sqlmigrate, kind, name):
    path = project.root / name
    if path.exists():
        path.rmdir()
    path.parent.mkdir(exist_ok=True)
    make(path, kind)
    if name.endswith(".yaml"):
        path.with_name("a.schema.json").write_text("{}", encoding="utf-8")
    if name.endswith(".json"):
        path.with_name("a.yaml").write_text("rows: []", encoding="utf-8")
    for call in CALLS:
        assert sqlmigrate(*call).status in {0, 1, 2}, call


def make(path: Path, kind: str) -> None:
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"a link to itself": path.name, "a link to nothing": "none", "a device": "/dev/null"}[kind])


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ('shadow_url = "URL"\n', ("review",)),
        ('shadow_url = "URL"\n', ("roundtrip",)),
        ('shadow_url = "URL"\n', ("dump",)),
        ('database_url = "URL"\n', ("review",)),
        ('database_url = "URL"\n', ("status",)),
        ('targets = "targets.jsonl"\n', ("fleet", "status")),
        ('control_database_url = "URL"\ntargets_query = "SELECT 1"\n', ("fleet", "status")),
        ('env_file = ".env"\n', ("status",)),
    ],
)
def test_no_file_of_a_checkout_has_a_library_loaded(project, sqlmigrate, text, call):
    url = "host=127.0.0.1 port=1 sslmode=require sslkey=/proc/self/cwd/evil.so:x"
    project.tables("1_a")
    project.config(text.replace("URL", url))
    (project.root / "targets.jsonl").write_text(f'{{"name": "a", "url": "{url}"}}\n')
    (project.root / ".env").write_text("PGHOST=127.0.0.1\nPGPORT=1\nPGSSLKEY=/proc/self/cwd/evil.so:x\n")

    outcome = sqlmigrate(*call)

    assert outcome.status == 2
    assert "OpenSSL engine, for which libpq would load a library" in outcome.stdout + outcome.stderr
