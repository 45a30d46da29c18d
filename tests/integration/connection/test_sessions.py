"""Sessions: opened, looked at, refused where they cannot do the work, and without a password in any message."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sqlmigrate import connection
from sqlmigrate.connection.silence import CLIENT
from sqlmigrate.errors import ConnectionFailed
from support.standby import standby_of
from support.waiting import LONG, wait_until

PASSWORDS = [
    "p@ss:w/rd",
    "100%25 %s %(x)s",
    'it\'s "quoted"',
    " spa ce ",
    "back\\slash'",
    "ü€😀",
    "password=secret",
    "a#b?c&d=e;f",
]


def url(server, password: str, *, database: str = "postgres", port: int | None = None) -> str:
    where = f"host={quote(server.host, safe='')}&port={port or server.port}"
    return f"postgresql://guarded:{quote(password, safe='')}@/{database}?{where}"


def key_value(server, password: str, *, database: str = "postgres", port: int | None = None) -> str:
    return make_conninfo(host=server.host, port=port or server.port, user="guarded", password=password, dbname=database)


@pytest.fixture(scope="module")
def guarded(pg_server) -> Iterator[Callable[[str], None]]:
    """A role that has to give a password; call it to change that."""
    with psycopg.connect(pg_server.conninfo(), autocommit=True) as session:
        hba = Path(*session.execute("SHOW hba_file").fetchone())
        before = hba.read_text()

        def set_password(password: str) -> None:
            session.execute(sql.SQL("ALTER ROLE guarded PASSWORD {}").format(password))

        def is_asked() -> bool:
            try:
                psycopg.connect(pg_server.conninfo(user="guarded")).close()
            except psycopg.OperationalError:
                return True
            return False

        session.execute("CREATE ROLE guarded LOGIN PASSWORD 'first'")
        hba.write_text(f"local all guarded scram-sha-256\n{before}")
        session.execute("SELECT pg_reload_conf()")
        wait_until(is_asked)
        yield set_password
        hba.write_text(before)
        session.execute("SELECT pg_reload_conf()")
        session.execute("DROP ROLE guarded")


def refusal(conninfo: str) -> str:
    with pytest.raises(ConnectionFailed) as caught:
        connection.connect(conninfo)
    assert str(caught.value).startswith("cannot connect to PostgreSQL: ")
    assert caught.value.__suppress_context__
    return f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("form", [url, key_value])
def test_any_password_is_taken_and_none_is_shown(pg_server, guarded, form):
    for password in PASSWORDS:
        guarded(password)
        with connection.session(form(pg_server, password)) as session:
            assert session.execute("SELECT session_user").fetchone() == ("guarded",)
        wrong = f"{password}x"
        for conninfo in (
            form(pg_server, wrong),
            form(pg_server, wrong, port=1),
            form(pg_server, password, database="nonsense"),
        ):
            message = refusal(conninfo)
            assert password.strip() not in message
            assert quote(password, safe="") not in message


def test_a_wrong_password_is_reported_in_the_servers_words(pg_server, guarded):
    guarded("right")

    assert 'password authentication failed for user "guarded"' in refusal(url(pg_server, "this is wrong"))


def test_an_unknown_database_is_reported(pg_server, guarded):
    guarded("right one")

    assert 'database "nonsense" does not exist' in refusal(url(pg_server, "right one", database="nonsense"))


@pytest.mark.parametrize(
    "conninfo",
    [
        "host=/nonexistent dbname=x",
        "host=127.0.0.1 port=1 user=x dbname=x",
        "postgresql://somebody:s3cr3t-w0rd@nowhere.invalid:5432/x",
        "service=nonsense",
    ],
)
def test_a_server_that_is_not_there_is_reported(conninfo):
    assert "s3cr3t-w0rd" not in refusal(conninfo)


def test_a_session_is_in_autocommit_in_utf8_and_says_who_it_is(database):
    with connection.session(database.conninfo, application_name="a test") as session:
        assert session.autocommit
        assert session.info.encoding == "utf-8"
        assert session.execute("SHOW application_name").fetchone() == ("a test",)
        assert session.prepare_threshold is None
    assert session.closed


def test_a_session_is_closed_after_an_error_too(database):
    with pytest.raises(psycopg.errors.UndefinedColumn), connection.session(database.conninfo) as session:
        session.execute("SELECT nonsense")

    assert session.closed


def test_the_encoding_of_the_surroundings_does_not_matter(database, monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with connection.session(database.conninfo) as session:
        assert session.execute("SELECT '€😀'").fetchone() == ("€😀",)


def test_vanished_hosts_are_noticed_unless_the_user_knows_better(database):
    with connection.session(database.conninfo) as session:
        parameters = session.info.get_parameters()
        assert {name: parameters[name] for name in CLIENT} == CLIENT
    own = dict.fromkeys(CLIENT, "7")
    with connection.session(make_conninfo(database.conninfo, **own)) as session:
        parameters = session.info.get_parameters()
        assert {name: parameters[name] for name in CLIENT} == own


def test_the_variable_for_the_timeout_counts(database, monkeypatch):
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "9")
    with connection.session(database.conninfo) as session:
        assert session.info.get_parameters()["connect_timeout"] == "9"


def test_the_probe_tells_where_we_are(database):
    with connection.session(database.conninfo) as session:
        info = connection.probe(session)

    assert (info.database, info.role, info.major) == (database.name, "migrator", database.server.major)
    assert (info.standby, info.read_only, info.pooled) == (False, False, False)
    assert info.host == f"socket {database.server.host}"
    assert info.version == database.server.version
    connection.require_writable(info)


def test_a_role_that_is_set_to_read_only_is_refused(database, admin):
    admin.execute("ALTER ROLE migrator IN DATABASE test_1 SET default_transaction_read_only TO on")
    with connection.session(database.conninfo) as session:
        info = connection.probe(session)

    with pytest.raises(ConnectionFailed, match="is read only") as caught:
        connection.require_writable(info)
    assert "disk is full" in caught.value.hint
    assert caught.value.hint.endswith("default_transaction_read_only of the role or of the database")


def test_a_run_on_a_read_only_database_is_refused_before_anything_runs(runner, admin, conn):
    admin.execute("ALTER DATABASE test_1 SET default_transaction_read_only TO on")
    runner.write("a", "SELECT 1;", "SELECT 1;")

    for run in (runner.apply, runner.rollback, lambda: runner.mark("a"), lambda: runner.unmark("a")):
        with pytest.raises(ConnectionFailed, match="database test_1 is read only"):
            run()
    assert runner.applied() == []


def test_a_standby_is_refused_before_anything_runs_and_can_be_read(runner, database, pg_server):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    runner.apply()
    with standby_of(pg_server) as standby:
        runner.conninfo = standby.conninfo(database.name, "migrator")
        assert runner.applied() == ["a"]
        for run in (runner.apply, runner.rollback, lambda: runner.mark("a"), lambda: runner.unmark("a")):
            with pytest.raises(ConnectionFailed, match="on a standby, which cannot be written to") as caught:
                run()
            assert caught.value.hint == "connect to the primary server"


def test_a_settled_session_may_be_idle_and_is_watched(database, admin, conn):
    for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        admin.execute(f"ALTER ROLE migrator IN DATABASE test_1 SET {name} TO '9s'")
    with connection.session(database.conninfo) as session:
        connection.settle(session)
        names = ("idle_session_timeout", "idle_in_transaction_session_timeout", "client_connection_check_interval")
        found = [session.execute(f"SHOW {name}").fetchone()[0] for name in names]

    assert found == ["0", "15min", "1s"]


def test_no_limit_of_the_login_ends_a_session_of_ours_that_only_reads(database, admin, new_role):
    """Each limit of this server in which a session may do nothing, whatever later versions call theirs."""
    role = new_role("LOGIN", "impatient")
    limits = "SELECT name FROM pg_settings WHERE name ~ '^idle.*timeout$' AND context = 'user'"
    names = [name for (name,) in admin.execute(limits).fetchall()]
    for name in names:
        admin.execute(sql.SQL("ALTER ROLE {} SET {} TO '9s'").format(sql.Identifier(role), sql.Identifier(name)))

    with connection.session(make_conninfo(database.conninfo, user=role)) as session:
        found = {session.execute(f"SHOW {name}").fetchone()[0] for name in names}

    assert len(names) > 1
    assert found == {"0", "15min"}


def test_limits_are_set_in_milliseconds(conn):
    connection.limit(conn, lock_timeout=1_500, statement_timeout=0)

    assert conn.execute("SHOW lock_timeout").fetchone() == ("1500ms",)
    assert conn.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_a_role_is_taken_on_whatever_its_name(conn, admin, new_role):
    name = new_role("NOLOGIN", 'A "role", named so')
    admin.execute(sql.SQL("GRANT {} TO migrator").format(sql.Identifier(name)))

    connection.set_role(conn, name)

    assert conn.execute("SELECT current_user").fetchone() == (name,)


@pytest.mark.parametrize("role", ["postgres", "nobody_of_that_name"])
def test_a_role_that_cannot_be_taken_on_is_reported(conn, role):
    with pytest.raises(ConnectionFailed, match=f"cannot work as role {role}: "):
        connection.set_role(conn, role)


def test_a_server_message_keeps_what_people_read(conn):
    with pytest.raises(psycopg.Error) as caught:
        conn.execute("DO $$ BEGIN RAISE EXCEPTION 'm' USING DETAIL = 'd', HINT = 'h', ERRCODE = 'P0042'; END $$")

    message = connection.server_message(caught.value.diag)

    assert (message.message, message.detail, message.hint) == ("m", "d", "h")
    assert (message.severity, message.sqlstate) == ("ERROR", "P0042")
    assert "line 1 at RAISE" in message.context


def test_our_own_sql_has_no_time_limit_of_the_login(database, admin, new_role):
    """Each limit of this server that ends statements or transactions, whatever later versions call theirs."""
    role = new_role("LOGIN", "hurried")
    limits = "SELECT name FROM pg_settings WHERE name ~ '^(statement|transaction)_timeout$'"
    names = [name for (name,) in admin.execute(limits).fetchall()]
    for name in names:
        admin.execute(sql.SQL("ALTER ROLE {} SET {} TO '1s'").format(sql.Identifier(role), sql.Identifier(name)))

    with connection.session(make_conninfo(database.conninfo, user=role)) as ours, ours.transaction():
        ours.execute("SELECT pg_catalog.pg_sleep(1.2)")

    assert "statement_timeout" in names


def test_a_host_that_says_nothing_is_not_asked_again_whether_it_is_starting(tmp_path):
    """It would cost two seconds more, in which nothing ends us."""
    asked = []

    def hang_up(listener: socket.socket) -> None:
        with suppress(OSError):  # it is closed at the end
            while True:
                asked.append(listener.accept()[0])
                asked[-1].close()

    with socket.create_server(f"{tmp_path}/.s.PGSQL.5432", family=socket.AF_UNIX) as listener:
        thread = threading.Thread(target=hang_up, args=(listener,))
        thread.start()
        with pytest.raises(ConnectionFailed) as caught:
            connection.connect(f"host={tmp_path} port=5432")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(LONG)

    assert caught.value.hint is None
    assert len(asked) == 1
