"""A network that vanishes, in every phase of a run: both sides give up in time, and say no more than they know.

All phases share one server, one link and one silence. It lasts as long as the promise, so it is lived through once.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fixtures.postgres import ROLE
from sqlmigrate.errors import Error, HalfWayError
from sqlmigrate.events import Event, RowsReturned, WaitingForRunLock
from sqlmigrate.fleet.inventory import Target
from sqlmigrate.fleet.model import Verdict
from sqlmigrate.runlock import lock_key
from sqlmigrate.server import PrivateServer, ensure_database, ephemeral, sandbox
from support import network
from support.command import Outcome, started
from support.fleets import Fleet
from support.network import CLIENT, SERVER, Network
from support.runner import Runner, ids
from support.seeds import SeedFiles
from support.sessions import SLEEPING, is_there, wait_for_row
from support.standby import wait_until_commits_wait
from support.waiting import LONG, stretched, wait_until

PROMISED = 30.0  # seconds, for the locks on the server and for the answer of the client
AT_SIGNAL = 8.0
NOT_KNOWN = "whether it was rolled back is not known"
THERE = """
SELECT count(*) FROM pg_stat_activity
WHERE client_addr = %s AND (state <> 'idle' OR pid IN (SELECT pid FROM pg_locks))
"""  # one that has waited for a lock until its own limit is given up later: it had something to say, and holds nothing
LEFT = "SELECT datname, application_name, state, wait_event FROM pg_stat_activity WHERE client_addr = %s"
IDLE = "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = %s"
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
DUMPING = f"{WAITING} AND application_name = 'pg_dump'"
ASLEEP = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'"
BUILDING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = %s AND query LIKE 'CREATE INDEX CONC%%' AND state = 'active'"
)
IN_COMMIT = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND wait_event = 'SyncRep'"

ASLEEP_LONG = "CREATE TABLE a ();\nSELECT pg_sleep(300);"
MUCH = "SELECT length('" + "x" * 1000 + "');\n"  # a thousand of them are more than the server's socket takes in
NETWORK = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
SEEN = "CREATE TABLE seen AS SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in NETWORK) + ";\n"
SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;
CREATE TABLE a (n text);
CREATE TRIGGER slow BEFORE INSERT ON a EXECUTE FUNCTION slow();
"""
ROWS = "COPY a FROM stdin;\n" + f"{'y' * 1000}\n" * 3000 + "\\.\n"


@dataclass
class Phase:
    """One run of ours in a database of its own; what it gave, and when."""

    name: str
    server: PrivateServer
    net: Network
    folder: Path
    stack: ExitStack
    silent: threading.Event
    host: str = ""
    outcome: Any = None
    signalled_at: float = 0.0
    ended_at: float = 0.0

    def __post_init__(self) -> None:
        self.folder.mkdir()
        ensure_database(self.server, name=self.name, owner=ROLE)
        self.host = self.net.client
        self.admin = self.session()
        self.near = Runner(self.server.conninfo(self.name, ROLE), self.folder)
        self.far = Runner(make_conninfo(self.near.conninfo, host=SERVER), self.folder)

    def session(self) -> psycopg.Connection[Any]:
        """Open a session that no network lies before."""
        return self.stack.enter_context(psycopg.connect(self.server.conninfo(self.name), autocommit=True))

    def is_at(self, query: str, *parameters: object) -> None:
        """Wait until a query of the server's activity finds what this phase waits for."""
        wait_for_row(self.admin, query, *(parameters or [self.name]))

    def sleeps(self) -> None:
        self.is_at(SLEEPING, "sqlmigrate: %")

    def work(self, work: Callable[[], Any]) -> None:
        """Do the work on the client's host, and keep what came of it."""
        with self.net.inside(self.host):
            try:
                self.outcome = work()
            except Error as error:
                self.outcome = error
        self.ended_at = time.monotonic()

    def program(self, *arguments: str | Path, interrupted: bool = False) -> None:
        """Run the command on the client's host; Ctrl-C comes when the silence has begun, if asked for."""
        command = (*arguments, "-d", self.far.conninfo, "-m", self.folder)
        with started(*command, preexec_fn=lambda: network.enter(self.net.client)) as process:
            if interrupted:
                assert self.silent.wait(LONG)
                wait_until(lambda: network.connects(process.pid))
                self.signalled_at = time.monotonic()
                process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=2 * LONG)  # others may be slow to begin, and then it is silent
            self.outcome = Outcome(process.returncode, stdout, stderr)
        self.ended_at = time.monotonic()


class Lab:
    """All phases; nothing got through from `began` on, and the server held nothing for us any more from `gone` on."""

    def __init__(self, server: PrivateServer, net: Network, folder: Path, stack: ExitStack) -> None:
        self.server, self.net, self.folder, self.stack = server, net, folder, stack
        self.silent = threading.Event()
        self.pool = stack.enter_context(ThreadPoolExecutor(40))
        self.phases: dict[str, Phase] = {}
        self.ready: list[Callable[[], object]] = []
        self.later: list[Callable[[], object]] = []
        self.began = self.gone = 0.0

    def phase(self, name: str, script: str = "", rollback: str | None = None) -> Phase:
        phase = Phase(name, self.server, self.net, self.folder / name, self.stack, self.silent)
        if script:
            phase.far.write("a", script, rollback)
        self.phases[name] = phase
        return phase

    def live_through_it(self) -> None:
        """Let the link vanish once everything is under way, and come back when the server has given us up."""
        try:
            for ready in self.ready:
                ready()
        except AssertionError as error:
            error.add_note(
                str({name: str(phase.outcome)[:300] for name, phase in self.phases.items() if phase.ended_at})
            )
            raise
        finally:
            self.net.down()
            self.began = time.monotonic()
            self.silent.set()
        running = [self.pool.submit(work) for work in self.later]
        admin = self.phases["running"].session()
        try:
            wait_until(lambda: admin.execute(THERE, [CLIENT]).fetchone() == (0,), timeout=45, interval=0.2)
            self.gone = time.monotonic()
            wait_until(lambda: not self.under_way(), timeout=45, interval=0.2)
        except AssertionError as error:
            error.add_note(f"under way: {self.under_way()}; left: {admin.execute(LEFT, [CLIENT]).fetchall()}")
            raise
        finally:
            self.net.up()
        for future in running:
            future.result(LONG)

    def under_way(self) -> list[str]:
        """Give the phases whose run has not ended."""
        return [phase.name for phase in self.phases.values() if not phase.ended_at]

    def outcome(self, name: str, within: float = PROMISED) -> Any:
        """Give what a phase said, which must have come in time after the silence or Ctrl-C began."""
        phase = self.phases[name]
        took = phase.ended_at - (phase.signalled_at or self.began)
        assert took < stretched(within), f"{took:.1f} s: {phase.outcome}"
        return phase.outcome

    def admin(self, name: str) -> psycopg.Connection[Any]:
        return self.phases[name].admin


def start_programs(lab: Lab) -> None:
    """The commands as people start them."""
    for name, signalled in (("running", False), ("stopped", True)):
        phase = lab.phase(name, ASLEEP_LONG)
        lab.pool.submit(phase.program, "apply", interrupted=signalled)
        lab.ready.append(phase.sleeps)
    phase = lab.phase("rollback", "CREATE TABLE a ();", "SELECT pg_sleep(300); DROP TABLE a;")
    phase.near.apply()
    lab.pool.submit(phase.program, "rollback", "--yes")
    lab.ready.append(phase.sleeps)
    for name, signalled in (("status", False), ("status_stopped", True)):
        phase = lab.phase(name, "CREATE TABLE a ();")
        phase.near.apply()
        lab.stack.enter_context(phase.session().transaction()).connection.execute("LOCK TABLE sqlmigrate.applied")
        lab.pool.submit(phase.program, "status", interrupted=signalled)
        lab.ready.append(lambda phase=phase: phase.is_at(WAITING))
    phase = lab.phase("seed")
    phase.admin.execute(f"SET ROLE {ROLE};{SLOW.format(seconds=300)}; ALTER TABLE a ADD UNIQUE (n)".encode())
    seeds = SeedFiles(phase.folder)
    seeds.file("rows", {"list": "rows", "table": "public.a", "conflict": ["n"]}, "rows:\n  - n: one\n")
    lab.pool.submit(phase.program, "seed", "--data", phase.folder)
    lab.ready.append(lambda phase=phase: phase.is_at(ASLEEP))
    for name, signalled in (("connecting", False), ("connecting_stopped", True)):
        phase = lab.phase(name, "CREATE TABLE a ();")
        lab.later.append(lambda phase=phase, signalled=signalled: phase.program("status", interrupted=signalled))


def start_runs(lab: Lab) -> None:
    """Runs that wait for something of the server when nothing comes any more."""
    phase = lab.phase("waiting", "CREATE TABLE a ();")
    phase.admin.execute("SELECT pg_advisory_lock(%s)", [lock_key("sqlmigrate")])
    lab.pool.submit(phase.work, phase.far.apply)
    lab.ready.append(lambda phase=phase: wait_until(lambda: phase.far.told(WaitingForRunLock)))

    phase = lab.phase("index", "-- transactional: false\nCREATE INDEX CONCURRENTLY a_n ON a (n);")
    phase.admin.execute(f"SET ROLE {ROLE}; CREATE TABLE a (n integer)")
    lab.stack.enter_context(phase.session().transaction()).connection.execute("LOCK TABLE a IN ROW EXCLUSIVE MODE")
    lab.pool.submit(phase.work, phase.far.apply)
    lab.ready.append(lambda phase=phase: phase.is_at(BUILDING))

    phase = lab.phase("behind_discard", f"-- transactional: false\nDISCARD ALL;\n{SEEN}")
    lab.pool.submit(phase.work, phase.far.apply)
    lab.ready.append(lambda phase=phase: wait_until(lambda: phase.ended_at))

    for name, script in (("much", ASLEEP_LONG + MUCH * 1000), ("rows", SLOW.format(seconds=300) + ROWS)):
        phase = lab.phase(name, script)
        lab.pool.submit(phase.work, phase.far.apply)
        lab.ready.append(phase.sleeps)


def start_target(lab: Lab) -> None:
    """A target of a fleet, which is asked once more what became of its scripts."""
    phase = lab.phase("target", ASLEEP_LONG)
    fleet = Fleet(phase.folder, {"far": Target("far", url=phase.far.conninfo)})
    lab.pool.submit(phase.work, lambda: fleet.bring("far"))
    lab.ready.append(phase.sleeps)


def start_busy_ones(lab: Lab) -> None:
    """Runs on the server's own host, over TCP: nothing vanishes there, but the server takes its time."""
    for name, script in (
        ("busy", SEEN + ASLEEP_LONG.replace("300", "25") + MUCH * 1000),
        ("busy_rows", SLOW.format(seconds=25) + ROWS),
    ):
        phase = lab.phase(name, script)
        phase.host = lab.net.server
        lab.pool.submit(phase.work, phase.far.apply)
        lab.ready.append(phase.sleeps)


def start_commits(lab: Lab) -> None:
    """Runs whose COMMIT gets lost on its way, or its answer."""
    held = lab.phase("commit", "CREATE TABLE a ();\nSELECT 1 AS one;")

    def hold(event: Event) -> None:
        held.far.events.append(event)
        if isinstance(event, RowsReturned):
            assert lab.silent.wait(LONG)

    def is_before_commit() -> None:
        wait_until(lambda: held.far.told(RowsReturned))  # before the script, too, the transaction is idle for a moment
        held.is_at(IDLE)

    held.far.observe = hold
    lab.pool.submit(held.work, held.far.apply)
    lab.ready.append(is_before_commit)

    phase = lab.phase("answer", "SET synchronous_commit TO on;\nCREATE TABLE a ();")
    _set_standby(phase, "nobody")
    wait_until_commits_wait(lab.server.conninfo())
    lab.pool.submit(phase.work, phase.far.apply)
    lab.ready.append(lambda phase=phase: phase.is_at(IN_COMMIT))
    lab.later.append(lambda phase=phase: _set_standby(phase, ""))


def start_dump(lab: Lab) -> None:
    """A dump that waits for the lock of a table: only for ten seconds, so it begins once all others are ready."""
    phase = lab.phase("dump", "CREATE TABLE a ();")
    phase.near.apply()
    phase.far.write("b", "CREATE TABLE b ();", "DROP TABLE b;")
    lab.stack.enter_context(phase.session().transaction()).connection.execute("LOCK TABLE a")
    lab.ready.append(lambda: lab.pool.submit(phase.program, "roundtrip", "--base", "dump"))
    lab.ready.append(lambda: phase.is_at(DUMPING))


def _set_standby(phase: Phase, name: str) -> None:
    session = phase.session()
    session.execute(f"ALTER SYSTEM SET synchronous_standby_names TO '{name}'")
    session.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    if reason := network.why_not():
        pytest.skip(reason)
    with network.network() as made:
        yield made


@pytest.fixture(scope="module")
def far_server(net, clean_environment, binaries) -> Iterator[PrivateServer]:
    """A server on the other host; its socket is in reach, whatever becomes of the network."""
    rules = Path(f"/tmp/{net.server}.hba")
    rules.write_text("local all all trust\nhost all all 192.0.2.0/24 trust\n", encoding="utf-8")
    settings = {"listen_addresses": SERVER, "hba_file": str(rules)}
    with ExitStack() as stack:
        stack.callback(rules.unlink)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(sandbox, "PROGRAM", "none")  # a sandbox would take the network away
        with net.inside(net.server):
            server = stack.enter_context(ephemeral(binaries.major, settings=settings, in_memory=True))
        yield server


@pytest.fixture(scope="module")
def lab(far_server, net, tmp_path_factory) -> Iterator[Lab]:
    with ExitStack() as stack:
        made = Lab(far_server, net, tmp_path_factory.mktemp("silence"), stack)
        for start in (start_programs, start_runs, start_target, start_busy_ones, start_commits, start_dump):
            start(made)
        made.live_through_it()
        yield made


def test_the_server_gives_up_every_session_of_ours_with_its_locks(lab):
    assert lab.gone - lab.began < stretched(PROMISED)


@pytest.mark.parametrize("name", ["running", "rollback"])
def test_a_command_says_in_time_that_it_does_not_know(lab, name):
    outcome = lab.outcome(name)

    assert outcome.status == 1
    assert NOT_KNOWN in outcome.stderr
    assert "nothing of this" not in outcome.stderr
    assert is_there(lab.admin(name), "a") is (name == "rollback")


@pytest.mark.parametrize("name", ["much", "rows"])
def test_a_run_that_sends_more_than_the_server_takes_is_ended_too(lab, name):
    error = lab.outcome(name)

    assert "the connection was lost while the script ran" in str(error)
    assert NOT_KNOWN in error.hint
    assert error.kept
    assert not is_there(lab.admin(name), "a")


@pytest.mark.parametrize(("name", "happened"), [("commit", False), ("answer", True)])
def test_a_commit_that_gets_lost_is_not_known(lab, name, happened):
    error = lab.outcome(name)

    assert "the connection was lost at COMMIT" in str(error)
    assert "is not known" in str(error)
    assert error.kept
    assert is_there(lab.admin(name), "a") is happened
    assert lab.phases[name].near.applied() == (["a"] if happened else [])


def test_a_script_outside_a_transaction_says_where_to_look(lab):
    error = lab.outcome("index")

    assert isinstance(error, HalfWayError)
    assert "`sqlmigrate status` shows" in error.hint


def test_whoever_waits_for_the_run_lock_is_informed(lab):
    assert "the connection to PostgreSQL was lost" in str(lab.outcome("waiting"))


@pytest.mark.parametrize("name", ["status", "connecting", "seed"])
def test_other_commands_end_in_time(lab, name):
    outcome = lab.outcome(name)

    assert outcome.status == 1
    assert ("cannot connect" if name == "connecting" else "was lost") in outcome.stderr
    assert "nothing was written" not in outcome.stderr


def test_a_target_of_a_fleet_is_given_up_in_time(lab):
    outcome = lab.outcome("target")

    assert outcome.verdict is Verdict.FAILED
    assert NOT_KNOWN in outcome.failure.hint


def test_a_dump_ends_in_time(lab):
    """It is `pg_dump` that waits, and has a lock of each table."""
    outcome = lab.outcome("dump")

    assert outcome.status == 1
    assert "pg_dump of the target failed" in outcome.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [("stopped", NOT_KNOWN), ("status_stopped", "nothing was changed"), ("connecting_stopped", "nothing was changed")],
)
def test_ctrl_c_ends_a_command_whose_network_is_silent(lab, name, words):
    """One that only reads has changed nothing, whatever became of its transaction."""
    outcome = lab.outcome(name, within=AT_SIGNAL + 0.5)

    assert outcome.status == 130
    assert words in outcome.stderr
    assert "was rolled back;" not in outcome.stderr


@pytest.mark.parametrize("name", ["busy", "busy_rows"])
def test_a_server_that_is_only_busy_is_waited_for(lab, name):
    result = lab.outcome(name, within=60)

    assert not isinstance(result, Error), result
    assert ids(result) == ["a"]


@pytest.mark.parametrize("name", ["busy", "behind_discard"])
def test_a_script_runs_under_the_limits_of_the_network(lab, name):
    assert lab.admin(name).execute("SELECT * FROM seen").fetchall() == [("10", "5", "2", "20000")]
