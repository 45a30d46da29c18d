"""Scripts come apart into exactly the statements that psql sends of them, as the server's log shows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import psycopg
import pytest

from sqlmigrate.server import Binaries, PrivateServer, ephemeral, find_program
from sqlmigrate.sql.gap import skip_gap
from sqlmigrate.sql.script import read_script
from support.corpus import rich_schema
from support.corpus_scripts import SCRIPTS
from support.splitting import CASES
from support.waiting import wait_until

PREFIX = "@@%a@%e@"
ENTRY = re.compile(
    r"^@@(?P<name>[^@\n]*)@(?P<state>\w+)@(?P<severity>\w+):  (?P<text>.*?)(?=^@@|\Z)", re.MULTILINE | re.DOTALL
)
SYNTAX_ERROR = "42601"
# psql reads line by line and misses this; the server does not
KNOWN = {"an E string goes on in the next line", "an E string goes on behind comments"}


@pytest.fixture(scope="module")
def logging_server(clean_environment: None, binaries: Binaries) -> Iterator[PrivateServer]:
    """A server of its own that logs every statement."""
    with ephemeral(binaries.major, in_memory=True) as server:
        with psycopg.connect(server.conninfo(), autocommit=True) as session:
            settings = {"log_statement": "all", "log_line_prefix": PREFIX, "log_min_messages": "warning"}
            settings |= {"log_min_error_statement": "error", "log_error_verbosity": "terse"}
            for name, value in settings.items():
                session.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            session.execute("SELECT pg_reload_conf()")
            session.execute("CREATE ROLE migrator")
        yield server


@pytest.fixture
def psql(logging_server: PrivateServer, request: pytest.FixtureRequest):
    """Run a file with psql in a database of its own, and give the statements that it sent."""
    program = find_program("psql", logging_server.binaries)
    assert program is not None
    name = f"psql_{abs(hash(request.node.name))}"
    with psycopg.connect(logging_server.conninfo(), autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}")

    def run(path: Path) -> list[str]:
        start = logging_server.log.stat().st_size
        command = [program, "-X", "-q", "-f", path, logging_server.conninfo(name)]
        environment = {"PGAPPNAME": name, "PGCLIENTENCODING": "UTF8"}
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
        assert "invalid command" not in done.stderr, done.stderr
        with psycopg.connect(logging_server.conninfo(name), application_name=name, autocommit=True) as session:
            session.execute("SELECT 'the end of the log'")
        return _sent(logging_server.log, start, name)

    yield run
    with psycopg.connect(logging_server.conninfo(), autocommit=True) as session:
        session.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _sent(log: Path, start: int, name: str) -> list[str]:
    """Read from a server's log which statements came in under a name."""

    def finished() -> str | None:
        with log.open("rb") as file:
            file.seek(start)
            text = file.read().decode()
        return text if "statement: SELECT 'the end of the log'" in text else None

    text = wait_until(finished)
    found: list[str] = []
    refused = False
    for entry in ENTRY.finditer(text):
        if entry["name"] != name:
            continue
        words = entry["text"].replace("\n\t", "\n").removesuffix("\n")
        if entry["severity"] == "LOG" and words.startswith("statement: "):
            found.append(words.removeprefix("statement: "))
        elif entry["severity"] == "STATEMENT" and refused:
            found.append(words)  # what does not parse is logged only with its error
        refused = entry["severity"] == "ERROR" and entry["state"] == SYNTAX_ERROR
    end = next(at for at, statement in enumerate(found) if statement.startswith("SELECT 'the end of the log'"))
    bare = (statement[skip_gap(statement, 0) :].rstrip() for statement in found[:end])
    return [statement for statement in bare if statement.strip(";")]


def as_ours(sent: list[str], found: list[str]) -> list[str]:
    """Take off what psql sends besides a statement, its semicolon; psql also leaves empty lines out."""
    bare = [statement.removesuffix(";").rstrip() for statement in sent]
    pairs = zip_longest(sent, bare, found, fillvalue="")
    return [mine if _lines(mine) in {_lines(one), _lines(other)} else one for one, other, mine in pairs]


def _lines(statement: str) -> str:
    return re.sub(r"\n+", "\n", statement)


def ours(path: Path) -> list[str]:
    script, problems = read_script(path)
    assert problems == []
    return [statement.text for statement in script.statements()]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_split_as_psql_splits_it(psql, tmp_path, name):
    path = tmp_path / "script.sql"
    path.write_bytes(SCRIPTS[name].encode())

    assert as_ours(psql(path), ours(path)) == ours(path)


def test_all_cases_of_the_splitter_are_what_psql_does(psql, tmp_path):
    """Each in a file of its own."""
    different = []
    for number, case in enumerate(CASES):
        path = tmp_path / f"{number}.sql"
        path.write_bytes(case.script.encode())
        sent, found = psql(path), ours(path)
        if as_ours(sent, found) != found:
            different.append((case.name, sent, found))

    assert [case for case in different if case[0] not in KNOWN] == []
    assert {name for name, _, _ in different} == KNOWN


@pytest.mark.parametrize(
    "options", [(), ("--inserts",), ("--clean", "--if-exists", "--column-inserts", "--quote-all-identifiers")], ids=str
)
def test_a_dump_is_split_as_psql_splits_it(psql, logging_server, tmp_path, options):
    with psycopg.connect(logging_server.conninfo(), autocommit=True) as session:
        session.execute("CREATE DATABASE rich")
    try:
        with psycopg.connect(logging_server.conninfo("rich"), autocommit=True) as session:
            session.execute(rich_schema())
        path = tmp_path / "dump.sql"
        program = find_program("pg_dump", logging_server.binaries)
        subprocess.run([program, *options, "-f", path, logging_server.conninfo("rich")], check=True)
    finally:
        with psycopg.connect(logging_server.conninfo(), autocommit=True) as session:
            session.execute("DROP DATABASE rich WITH (FORCE)")

    sent = psql(path)

    assert len(sent) > 100
    assert as_ours(sent, ours(path)) == ours(path)
