"""Where a connection string leads, as libpq will find it, and what other drivers write that libpq does not know."""

from __future__ import annotations

import os
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from sqlmigrate.connection import parse_conninfo
from sqlmigrate.connection.address import meant, require_only_connects, resolved
from sqlmigrate.connection.conninfo import as_option
from sqlmigrate.errors import ConfigError
from support.command import program

SERVICES = """
[prod]
host=a.example,b.example
port=5432,5433
dbname=shop
user=deploy
password=hunter2
[bare]
dbname=other
"""
MEANT = {
    "postgresql://me@h1/d": "database d on h1:5432 as me",
    "postgresql://me@h1:1,h2:2/d": "database d on h1:1 or h2:2 as me",
    "host=h1,h2 port=7 user=me dbname=d": "database d on h1:7 or h2:7 as me",
    "hostaddr=10.0.0.1 user=me dbname=d": "database d on 10.0.0.1:5432 as me",
    "host=/run/pg,h2 user=me": "database me on socket /run/pg or h2:5432 as me",
    "user=me": "database me on the local socket:5432 as me",
    "service=prod": "database shop on a.example:5432 or b.example:5433 as deploy, service prod",
    "service=prod dbname=mine": "database mine on a.example:5432 or b.example:5433 as deploy, service prod",
    "postgresql://me@/?service=prod": "database shop on a.example:5432 or b.example:5433 as me, service prod",
    "service=nope": 'no database: it leads nowhere: definition of service "nope" not found',
    "host=a,b port=1,2,3": "no database: it leads nowhere: could not match 3 port numbers to 2 hosts",
}


@pytest.fixture(autouse=True)
def services(tmp_path, monkeypatch):
    file = tmp_path / "services.conf"
    file.write_text(SERVICES)
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    return file


@pytest.mark.parametrize(("text", "said"), MEANT.items())
def test_a_string_leads_where_libpq_would_connect(text, said):
    assert meant(text) == said


def test_variables_fill_what_the_string_leaves_open(monkeypatch):
    monkeypatch.setenv("PGSERVICE", "prod")
    monkeypatch.setenv("PGUSER", "other")

    assert meant("dbname=d") == "database d on a.example:5432 or b.example:5433 as deploy, service prod"


def test_a_service_leaves_the_rest_to_the_variables(monkeypatch):
    monkeypatch.setenv("PGHOST", "h")
    monkeypatch.setenv("PGPORT", "6")
    monkeypatch.setenv("PGUSER", "me")

    assert meant("service=bare") == "database other on h:6 as me, service bare"


def test_no_password_is_among_what_is_resolved():
    found = resolved("service=prod sslpassword=hunter2")

    assert found["host"] == "a.example,b.example"
    assert "hunter2" not in repr(found) + meant("service=prod password=hunter2")


ENDLESS = {
    "PGPASSFILE": "the passfile is a pipe",
    "PGSERVICEFILE": "the service file is a pipe",
    "passfile": "the passfile is a pipe",
    "/dev/zero": "the service file is a device",
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_file_that_libpq_would_read_for_ever_is_refused(tmp_path, kind):
    """libpq reads it where no signal reaches us, so the command is a process of its own."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    env = {"PGSERVICE": "prod", kind: str(pipe)} if kind.startswith("PG") else {"PGSERVICE": "prod"}
    if kind == "/dev/zero":
        env["PGSERVICEFILE"] = kind
    named = f"host=127.0.0.1 port=1 passfile={pipe}" if kind == "passfile" else "host=127.0.0.1 port=1"

    outcome = program("history", "-d", named, env=env, cwd=tmp_path)

    assert outcome.status == 2
    assert f"error: {ENDLESS[kind]}, not a file" in outcome.stderr


def test_an_empty_service_file_is_no_reason_to_refuse(monkeypatch):
    monkeypatch.setenv("PGSERVICEFILE", os.devnull)

    assert meant("service=prod") == 'no database: it leads nowhere: definition of service "prod" not found'


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o600, ", with a passfile"),
        (0o640, ", with a passfile that libpq ignores, since others may read it (chmod 600 helps)"),
        (None, ", with a passfile that does not exist"),
    ],
)
def test_a_passfile_that_somebody_names_is_said_with_whether_it_counts(tmp_path, monkeypatch, mode, said):
    file = tmp_path / "passwords"
    if mode is not None:
        file.write_text("*:*:*:*:hunter2\n")
        file.chmod(mode)
    monkeypatch.setenv("PGPASSFILE", str(file))

    assert meant("host=h user=me dbname=d") == f"database d on h:5432 as me{said}"
    monkeypatch.delenv("PGPASSFILE")
    assert meant(f"host=h user=me dbname=d passfile={file}") == f"database d on h:5432 as me{said}"


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("postgresql://u:hunter2@h/d?pgbouncer=true", "does not know: pgbouncer", "its session mode"),
        ("postgresql://u@h/d?sslmode=require&connection_limit=5", "does not know: connection_limit", "no pool here"),
        ("postgresql://u@h/d?schema=app", "does not know: schema", "the setting search_path"),
        ("postgresql://u@h/d?currentSchema=app", "does not know: currentSchema", "the setting search_path"),
        ("postgresql://u@h/d?ssl=1", "does not know: ssl", "sslmode=require"),
        ("postgresql://u@h/d?charset=utf8&serverVersion=15", "know: charset, serverVersion", "only other drivers know"),
        ("host=h pgbouncer=true", "does not know: pgbouncer", "its session mode"),
        ("postgresql://u:hunter2@h/d?sslmode=no-verify", "has sslmode=no-verify", "sslmode=require does the same"),
        ("host=h sslmode=strict", "has sslmode=strict", "verify-full"),
    ],
)
def test_what_only_other_drivers_know_is_named_with_what_to_do(url, message, hint):
    with pytest.raises(ConfigError) as caught:
        parse_conninfo(url, source="it")

    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("key", ["/proc/self/cwd/evil.so:x", "pkcs11:object=hunter2", "c:/key.pem", ":"])
def test_no_connection_string_has_a_library_loaded(key):
    for text in (f"host=h sslkey='{key}'", f"postgresql://u@h/d?sslkey={quote(key)}"):
        with pytest.raises(ConfigError, match="it has the sslkey of an OpenSSL engine") as caught:
            parse_conninfo(text, source="it")
        assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"
    assert parse_conninfo("host=h sslkey=/home/me/key.pem", source="it")["sslkey"] == "/home/me/key.pem"


@pytest.mark.parametrize("name", ["a\n::error file=x::forged", "a\r::error::x", "\x1b[2J", "a##vso[task.complete]x"])
def test_no_connection_string_has_libpq_print_a_line_that_looks_like_ours(name):
    with pytest.raises(ConfigError, match="it has a passfile whose name could forge a line"):
        parse_conninfo(f"host=h passfile='{name}'", source="it")
    assert parse_conninfo("host=h passfile='/home/mé/my #1.pgpass'", source="it")["passfile"] == "/home/mé/my #1.pgpass"


def test_no_connection_string_has_a_file_written_or_names_another_service_file():
    with pytest.raises(ConfigError, match="it has sslkeylogfile"):
        require_only_connects({"host": "h", "sslkeylogfile": "/home/me/.profile"}, source="it")
    with pytest.raises(ConfigError, match="it has servicefile"):
        require_only_connects({"service": "h", "servicefile": "pg_service.conf"}, source="it")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:x?hunter2=y@h/d?pgbouncer=true",
        "postgresql://u@h/d?a=b&hunter2@h",
        "postgresql://u@h/d?hunt%65r2=1",
        "host=h password=x hunter2=y",
    ],
)
def test_what_may_be_a_part_of_a_password_is_not_repeated(url):
    try:
        parse_conninfo(url, source="it")
    except ConfigError as error:
        assert "hunter2" not in f"{error.message} {error.hint}"  # noqa: PT017  most strings are fine


@given(
    st.dictionaries(
        st.sampled_from(["host", "port", "user", "dbname", "passfile", "service"]), st.text("ab,/:1 '\\", max_size=9)
    )
)
def test_no_string_of_known_parts_makes_an_exception(parts):
    text = " ".join(
        f"{name}='{value.replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}'"
        for name, value in parts.items()
    )

    assert meant(text).startswith(("database ", "no database: "))


@pytest.mark.parametrize("name", ["app", "host=/elsewhere", "postgresql://elsewhere/x", "a'b=c d\\", "=", "ü"])
def test_the_name_of_a_database_leads_nowhere_else_as_an_option(name):
    written = as_option(name)

    found = conninfo_to_dict(written) if written != name else {"dbname": name}
    assert found == {"dbname": name}
    assert written != name or not ("=" in name or "://" in name)
