"""Where one script ends and the next begins: its COMMIT goes out with the next one, which hangs on its outcome."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sqlmigrate.errors import ExecutionError
from sqlmigrate.events import Event, LockRetry, ScriptFinished, ScriptStarted
from support.proxy import TO_SERVER, Message, Proxy, Then
from support.runner import Runner, ids
from support.sessions import beside, is_there
from support.waiting import LONG, wait_until

OUTSIDE = "-- transactional: false\n"


@pytest.fixture
def proxy(database) -> Iterator[Proxy]:
    with Proxy(database.server.host, database.server.port) as proxy:
        yield proxy


@pytest.fixture
def through_proxy(runner, proxy) -> Runner:
    runner.conninfo = make_conninfo(runner.conninfo, host=proxy.host, port=proxy.port)
    return runner


def begun_and_ended(runner: Runner) -> list[tuple[str, str]]:
    """Give which scripts were told to begin and to end, in the order of the words."""
    told = [event for event in runner.events if isinstance(event, ScriptStarted | ScriptFinished)]
    return [(type(event).__name__.removeprefix("Script"), event.migration_id) for event in told]


def in_turn(*names: str) -> list[tuple[str, str]]:
    return [(word, name) for name in names for word in ("Started", "Finished")]


@pytest.mark.usefixtures("unwatched", "answered_end")
def test_one_more_script_costs_one_more_round_trip(through_proxy, proxy):
    """With this delay all of a script is on its way long before the first answer comes."""
    for number in range(2):
        through_proxy.write(f"{number:02}", "SELECT 1;")
    through_proxy.apply()
    proxy.delay = 0.05
    counts = dict.fromkeys((1, 6), 1_000)
    for attempt in range(5):
        for more in counts:
            for number in range(more):
                name = f"{attempt}{more}{number:02}"
                through_proxy.write(name, f"CREATE TABLE t{name} ();\nSELECT 1;\nSELECT 2;")
            before = proxy.round_trips
            assert len(ids(through_proxy.apply())) == more
            counts[more] = min(counts[more], proxy.round_trips - before)
        if counts[6] - counts[1] == 5:  # what holds the run up between two words costs one more, and nothing one less
            return
    raise AssertionError(counts)


@pytest.mark.usefixtures("unwatched", "answered_end")
def test_a_script_outside_a_transaction_costs_few_round_trips(through_proxy, proxy, conn):
    """Its session, a look before, the journal, the statement with a look behind it, and its end: five with its COMMIT.

    Each statement more costs three. A busy machine may add one to a script.
    """
    conn.execute("".join(f"CREATE TABLE t{number} (a int);" for number in range(8)))
    through_proxy.write("0", "SELECT 1;")
    through_proxy.apply()
    proxy.delay = 0.02
    counts = []
    for more in (1, 3):
        for number in range(more):
            table = f"t{more + number}"
            through_proxy.write(
                f"{more}{number}",
                f"{OUTSIDE}CREATE INDEX CONCURRENTLY {table}_i ON {table} (a);\n"
                f"DROP INDEX CONCURRENTLY {table}_i;\nVACUUM {table};",
            )
        before = proxy.round_trips
        assert len(ids(through_proxy.apply())) == more
        counts.append(proxy.round_trips - before)

    assert counts[1] - counts[0] <= 2 * 12


def test_scripts_are_told_to_begin_and_to_end_in_turn(runner):
    for name in "abc":
        runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")

    assert ids(runner.apply()) == ["a", "b", "c"]
    runner.rollback(everything=True)

    assert begun_and_ended(runner) == in_turn("a", "b", "c", "c", "b", "a")


KINDS = {
    "small": "CREATE TABLE {0} ();",
    "empty": "-- nothing",
    "outside": OUTSIDE + "CREATE TABLE {0} ();\nVACUUM {0};",
    "isolated": "-- sqlmigrate: isolation=serializable\nCREATE TABLE {0} ();",
    "of a role": "-- sqlmigrate: role=migrator\nCREATE TABLE {0} ();",
    "with data": "CREATE TABLE {0} (n integer);\nCOPY {0} FROM stdin;\n1\n\\.\n",
    "large": "CREATE TABLE {0} ();\n" + "-- a long remark\n" * 300_000,
}


@pytest.mark.parametrize("kind", KINDS)
def test_scripts_of_every_kind_follow_each_other(runner, kind):
    for name, text in {"a": KINDS["small"], "b": KINDS[kind], "c": KINDS[kind], "d": KINDS["small"]}.items():
        (runner.directory / f"{name}.sql").write_text(text.format(name))

    assert ids(runner.apply()) == ["a", "b", "c", "d"]

    assert begun_and_ended(runner) == in_turn("a", "b", "c", "d")
    assert runner.applied() == ["a", "b", "c", "d"]


def test_a_script_is_there_for_all_while_the_next_one_waits(runner, conn, database, short_pauses):
    conn.execute("CREATE TABLE busy ()")
    runner.write("a", "CREATE TABLE a ();")
    runner.write("b", "LOCK TABLE busy;")
    blocker = database.holding("LOCK TABLE busy")
    with beside(lambda: runner.apply(lock_timeout=1_000)) as [run]:
        wait_until(lambda: runner.told(ScriptFinished))
        assert is_there(conn, "a")
        assert runner.applied() == ["a"]
        wait_until(lambda: runner.told(LockRetry))
        assert runner.told(LockRetry)[0].migration_id == "b"
        blocker.rollback()
        assert ids(run.result(LONG)) == ["a", "b"]

    assert begun_and_ended(runner) == in_turn("a", "b")


def test_a_script_that_fails_takes_the_one_before_it_not_along(runner, conn):
    runner.write("a", "CREATE TABLE a ();")
    runner.write("b", "CREATE TABLE b ();\nSELECT nonsense;")

    with pytest.raises(ExecutionError, match="nonsense") as caught:
        runner.apply()

    assert caught.value.migration_id == "b"
    assert caught.value.done == ("a",)
    assert runner.applied() == ["a"]
    assert begun_and_ended(runner) == [*in_turn("a"), ("Started", "b")]


def first_commit(messages: list[Message]) -> Message:
    """Find the message with the first COMMIT: it alone is followed by a request to answer at once."""
    sent = [item for item in messages if item.session == 1 and item.direction == TO_SERVER]
    flush = next(at for at, item in enumerate(sent) if item.kind == "H")
    return next(item for item in reversed(sent[:flush]) if item.kind == "P")


def test_a_script_that_is_refused_at_commit_keeps_the_next_one_from_running(through_proxy, proxy, conn, database):
    """Another transaction comes in between at the last moment, which PostgreSQL finds only at COMMIT."""
    conn.execute("CREATE TABLE one (n integer); CREATE TABLE two (n integer); CREATE SEQUENCE seen")
    conn.execute("INSERT INTO one VALUES (1); INSERT INTO two VALUES (1)")
    update = "-- sqlmigrate: isolation=serializable\nUPDATE one SET n = (SELECT sum(n) FROM two);"
    through_proxy.write("a", update, "SELECT 1;")
    through_proxy.write("b", "SELECT nextval('seen');", "SELECT 1;")
    through_proxy.apply()
    through_proxy.rollback(everything=True)
    proxy.reset()
    proxy.record = True
    through_proxy.apply()
    commit = first_commit(proxy.trace)
    through_proxy.rollback(everything=True)
    other = database.connect(autocommit=False)
    other.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    other.execute("SELECT sum(n) FROM one")

    def come_between(_: Message) -> Then:
        other.execute("UPDATE two SET n = 7")
        other.commit()
        return Then.GO_ON

    proxy.reset()
    proxy.at(1, TO_SERVER, commit.number, come_between)
    with pytest.raises(ExecutionError, match=r"could not serialize access .*\(found at COMMIT\)") as caught:
        through_proxy.apply()

    assert (caught.value.migration_id, caught.value.done) == ("a", ())
    assert through_proxy.applied() == []
    assert conn.execute("SELECT n FROM one").fetchone() == (1,)
    assert conn.execute("SELECT last_value FROM seen").fetchone() == (2,)
    assert ids(through_proxy.apply()) == ["a", "b"]
    assert conn.execute("SELECT n FROM one").fetchone() == (7,)


def test_who_listens_may_stop_a_run_between_two_scripts(runner, conn):
    for name in "ab":
        runner.write(name, f"CREATE TABLE {name} ();")

    def observe(event: Event) -> None:
        if type(event) is ScriptFinished:
            raise LookupError

    runner.observe = observe
    with pytest.raises(LookupError):
        runner.apply()

    wait_until(lambda: runner.applied() == ["a"])
    assert not is_there(conn, "b")


DEFERRED = """
CREATE TABLE {0} (n integer);
CREATE FUNCTION {0}_late() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO seen VALUES (current_user, current_setting('search_path')); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON {0} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {0}_late();
INSERT INTO {0} VALUES (1);
"""
WAYS = {"in a transaction": "", "outside": OUTSIDE, "in a block of its own": OUTSIDE}


@pytest.fixture
def worker_role(conn, admin, new_role) -> str:
    role = new_role("NOLOGIN", "worker_role")
    admin.execute(f"GRANT {role} TO migrator")
    admin.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {role}")
    conn.execute("CREATE TABLE seen (role text, path text); GRANT INSERT ON seen TO worker_role")
    return role


@pytest.mark.parametrize("way", WAYS)
def test_deferred_triggers_run_as_the_role_of_the_script(runner, conn, worker_role, way):
    """As with psql; only the history is written by the login role."""
    text = DEFERRED.format("late")
    if way == "in a block of its own":
        text = f"BEGIN;{text}COMMIT;"
    head = WAYS[way] + f"-- sqlmigrate: role={worker_role} search_path=public\n"
    runner.write("a", head + text)

    runner.apply()

    assert conn.execute("TABLE seen").fetchall() == [(worker_role, "public")]
    assert conn.execute("SELECT login_role FROM sqlmigrate.log").fetchall() == [("migrator",)]


def test_scripts_in_one_transaction_may_leave_to_the_next_what_is_deferred(runner, conn):
    runner.write("a", "CREATE TABLE a (n integer PRIMARY KEY, p integer REFERENCES a DEFERRABLE INITIALLY DEFERRED);")
    runner.write("b", "INSERT INTO a VALUES (1, 2);")
    runner.write("c", "INSERT INTO a VALUES (2, 1);")

    assert ids(runner.apply(single_transaction=True)) == ["a", "b", "c"]

    assert conn.execute("TABLE a").fetchall() == [(1, 2), (2, 1)]


@pytest.mark.parametrize("names", ["a", "ab"])
def test_a_lock_that_commit_itself_waits_for_is_waited_for_again(runner, conn, admin, database, names, short_pauses):
    """NOTIFY takes one lock for the whole server inside COMMIT; a standby that never answers holds it for long."""
    for name in names:
        runner.write(name, f"CREATE TABLE {name} ();\nNOTIFY news, '{name}';")
    runner.write("0", "SELECT 1;")
    runner.apply(steps=1)
    admin.execute("ALTER ROLE migrator SET synchronous_commit = off")
    holder = database.connect_superuser()
    holder.execute("SET synchronous_commit = on")
    retried = threading.Event()
    switch(admin, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    try:
        with beside(
            lambda: commit_until(holder, retried),
            lambda: waits_for_standby(admin) and runner.apply(lock_timeout=100, lock_budget=60_000),
        ) as [held, run]:
            wait_until(lambda: runner.told(LockRetry))
            retried.set()
            switch(admin, "ALTER SYSTEM RESET synchronous_standby_names")
            held.result(LONG)
            assert ids(run.result(LONG)) == list(names)
    finally:
        switch(admin, "ALTER SYSTEM RESET synchronous_standby_names")
        admin.execute("ALTER ROLE migrator RESET synchronous_commit")

    assert runner.told(LockRetry)[0].migration_id == "a"
    assert begun_and_ended(runner)[2:] == in_turn(*names)
    assert all(is_there(conn, name) for name in names)


def switch(admin: psycopg.Connection, command: str) -> None:
    """Set something of the server, and wait until it counts."""
    admin.execute(command)
    admin.execute("SELECT pg_reload_conf()")
    wanted = "nobody" if "RESET" not in command else ""
    wait_until(lambda: admin.execute("SHOW synchronous_standby_names").fetchone() == (wanted,))


def commit_until(session: psycopg.Connection, end: threading.Event) -> None:
    """Commit until one COMMIT waits for a standby: PostgreSQL's checkpointer decides that, a moment after SHOW does."""
    while not end.is_set():
        session.execute("BEGIN; CREATE TABLE held (); DROP TABLE held; NOTIFY news, 'held'; COMMIT")


def waits_for_standby(admin: psycopg.Connection) -> bool:
    with psycopg.connect(admin.info.dsn, autocommit=True) as session:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        return bool(wait_until(lambda: session.execute(query).fetchone() == (1,)))
