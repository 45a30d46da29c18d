"""A run of several migrations is durable once, at its end: what a crash of the server takes back, and what it cannot.

The WAL writer is held still (SIGSTOP), so a COMMIT that leaves its flush to a later one is surely not on the disk, and
a crash surely takes it back: it is killed with SIGKILL, PostgreSQL throws away the shared memory and recovers.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fixtures.postgres import MEMORY
from sqlmigrate.engine import Result
from sqlmigrate.errors import Error, ExecutionError, Interrupted, LockBudgetSpent
from sqlmigrate.events import Backfilling, Event, MadeDurable, ScriptFinished
from sqlmigrate.server import PrivateServer, drop_database, ensure_database, shared
from sqlmigrate.server.postmaster import is_alive, running
from support.backfill import numbered, progress, script, times
from support.command import ended, started
from support.proxy import Proxy
from support.runner import Runner, ids
from support.sessions import beside, wait_for_blocked, wait_for_row
from support.standby import standby_of, wait_until_commits_wait
from support.waiting import LONG, wait_until

_WAL_WRITER = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"
_WAITS_FOR_STANDBY = (
    "SELECT pid, query LIKE '%%pg_logical_emit_message%%', query_start FROM pg_stat_activity "
    "WHERE wait_event = 'SyncRep' AND application_name LIKE 'sqlmigrate%%'"
)
_WAITS_FOR_ROW = (
    "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'sqlmigrate%%'"
)
_HAS = "SELECT pid FROM pg_stat_replication WHERE flush_lsn >= %s::pg_lsn"


@dataclass(frozen=True)
class Fragile:
    """A server whose WAL is written only where a COMMIT waits for it, and that can crash and recover by itself."""

    server: PrivateServer
    admin_conninfo: str

    def admin(self) -> psycopg.Connection:
        return psycopg.connect(self.admin_conninfo, autocommit=True)

    @contextmanager
    def without_wal_writer(self) -> Iterator[Callable[[], None]]:
        """Hold the WAL writer still for a block; gives what has the server crash and recover."""
        with self.admin() as admin:
            (writer,) = wait_for_row(admin, _WAL_WRITER)
        os.kill(writer, signal.SIGSTOP)

        def crash() -> None:
            with closing(self.admin()) as witness:
                os.kill(writer, signal.SIGKILL)  # continued, it could write what it has not until PostgreSQL ends it
                wait_until(lambda: is_lost(witness), timeout=30)
            wait_until(self.is_there, timeout=30)

        try:
            yield crash
        finally:
            with suppress(ProcessLookupError):
                os.kill(writer, signal.SIGCONT)

    def end(self) -> None:
        """Stop the server without warning."""
        found = running(self.server.data_dir)
        assert found is not None
        os.kill(found.pid, signal.SIGQUIT)
        wait_until(lambda: not is_alive(found.pid), timeout=30)

    def begin(self) -> None:
        """Start it again, as whoever uses it next does."""
        with shared(self.server.data_dir.parent):
            wait_until(self.is_there, timeout=60)

    @contextmanager
    def followed(self, how: str = "sync") -> Iterator[None]:
        """Let a standby follow for a block, and every COMMIT wait for it or not; the server may have ended in it."""
        try:
            with self.admin() as admin:
                if how == "sync":
                    self.configure("SET synchronous_standby_names = 'nobody'")
                    wait_until_commits_wait(self.admin_conninfo)
                    self.configure("SET synchronous_standby_names = '*'")
                wait_for_row(admin, "SELECT pid FROM pg_stat_replication WHERE sync_state = %s", how)
            yield
        finally:
            if not self.is_there():
                self.begin()
            self.configure("RESET synchronous_standby_names")

    def configure(self, command: str) -> None:
        with self.admin() as admin:
            admin.execute("SET synchronous_commit TO local")
            admin.execute(f"ALTER SYSTEM {command}")
            admin.execute("SELECT pg_reload_conf()")

    def is_there(self) -> bool:
        with suppress(psycopg.OperationalError), self.admin():
            return True
        return False


def is_lost(session: psycopg.Connection) -> bool:
    """Tell whether the server has ended a session."""
    with suppress(psycopg.OperationalError):
        session.execute("SELECT")
        return False
    return True


@pytest.fixture(scope="module")
def fragile(clean_environment, binaries) -> Iterator[Fragile]:
    folder = Path(tempfile.mkdtemp(prefix="sqlmigrate durable ", dir=MEMORY))
    folder.chmod(0o755)
    with shared(folder / "state", binaries.major) as server:
        with psycopg.connect(server.conninfo(), autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET fsync = off")  # the system lives on
            admin.execute("ALTER SYSTEM SET autovacuum = off")  # its COMMIT would write the WAL of others, too
            admin.execute("ALTER SYSTEM SET checkpoint_timeout = '1d'")
            admin.execute("ALTER SYSTEM SET bgwriter_lru_maxpages = 0")  # a page is written behind its WAL
            admin.execute("SELECT pg_reload_conf()")
        yield Fragile(server, server.conninfo())
    shutil.rmtree(folder)


@pytest.fixture
def runner(fragile, tmp_path, monkeypatch) -> Iterator[Runner]:
    monkeypatch.setattr("sqlmigrate.engine.transaction.durable.AT_MOST_SECONDS", 60.0)
    ensure_database(fragile.server, name="durable", owner="migrator")
    runner = Runner(fragile.server.conninfo("durable", "migrator"), tmp_path)
    runner.write("0", "CREATE TABLE busy ();")
    runner.apply()
    runner.events.clear()
    for name in "ab":
        runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")
    yield runner
    drop_database(fragile.server, "durable")


@contextmanager
def no_standby(fragile: Fragile) -> Iterator[Callable[[], None]]:
    """Let every COMMIT wait for a standby that is not there for a block; gives what ends that."""

    def comes() -> None:
        fragile.configure("RESET synchronous_standby_names")

    fragile.configure("SET synchronous_standby_names = 'nobody'")
    try:
        wait_until_commits_wait(fragile.admin_conninfo)
        yield comes
    finally:
        comes()


@contextmanager
def blocked(runner: Runner) -> Iterator[psycopg.Connection]:
    """Let the script c wait for a lock for a block; gives a session that looks on."""
    runner.write("c", "LOCK TABLE busy;", "SELECT 1;")
    with closing(psycopg.connect(runner.conninfo)) as blocker:
        blocker.execute("LOCK TABLE busy")
        with closing(psycopg.connect(runner.conninfo, autocommit=True)) as session:
            yield session


def tables(runner: Runner) -> list[str]:
    """Give which of the tables of the migrations are there: as the history says, or the test fails."""
    with psycopg.connect(runner.conninfo) as session:
        query = "SELECT relname::text FROM pg_class WHERE relname IN ('a', 'b', 'z') AND relkind = 'r' ORDER BY 1"
        found = [name for (name,) in session.execute(query)]
    assert [name for name in runner.applied() if name in ("a", "b", "z")] == found
    return found


def unsettled(runner: Runner) -> list[str]:
    """Give the migrations that were told as committed and not as durable."""
    made = {name for event in runner.told(MadeDurable) for name in event.migration_ids}
    told = [event for event in runner.told(ScriptFinished) if not event.durable]
    return [event.migration_id for event in told if event.migration_id not in made]


@pytest.mark.usefixtures("unwatched")  # a note of how far the run is, after a second, would write all WAL
def test_what_a_crash_takes_back_is_named_and_not_said_to_be_applied(runner, fragile):
    with (
        fragile.without_wal_writer() as crash,
        blocked(runner) as session,
        beside(lambda: runner.apply(lock_timeout=60_000)) as [run],
    ):
        wait_for_blocked(session)
        wait_until(lambda: unsettled(runner) == ["a", "b"])  # what the server has answered is told a moment later
        assert runner.applied() == ["0", "a", "b"]
        crash()
        with pytest.raises(
            ExecutionError, match=r"lost is what was committed before of (a and )?b: the server crashed"
        ) as caught:
            run.result(LONG)

    kept = [] if "of a and b" in caught.value.message else ["a"]  # some other session may have flushed the first
    assert (caught.value.migration_id, list(caught.value.done)) == ("c", kept)
    assert unsettled(runner) == ["a", "b"][len(kept) :]
    assert tables(runner) == kept
    runner.write("c", "SELECT 1;")
    assert ids(runner.apply()) == ["a", "b", "c"][len(kept) :]


def test_where_each_is_durable_a_crash_takes_nothing_back(runner, fragile):
    with (
        fragile.without_wal_writer() as crash,
        blocked(runner) as session,
        beside(lambda: runner.apply(lock_timeout=60_000, durable="each")) as [run],
    ):
        wait_for_blocked(session)
        assert unsettled(runner) == []
        crash()
        with pytest.raises(ExecutionError) as caught:
            run.result(LONG)

    assert caught.value.done == ("a", "b")
    assert "lost is" not in caught.value.message
    assert tables(runner) == ["a", "b"]


def test_while_the_server_cannot_be_asked_nothing_is_said_to_be_applied(runner, fragile):
    with blocked(runner) as session, beside(lambda: runner.apply(lock_timeout=60_000)) as [run]:
        wait_for_blocked(session)
        fragile.end()
        with pytest.raises(ExecutionError, match=r"whether the server has kept a and b.* is not known") as caught:
            run.result(LONG)

    assert caught.value.done == ()
    assert unsettled(runner) == ["a", "b"]
    fragile.begin()
    tables(runner)


def either(conninfo: str, *servers: PrivateServer) -> str:
    """Lead a connection to the one of these servers that can be written to."""
    hosts, ports = (",".join(str(getattr(server, name)) for server in servers) for name in ("host", "port"))
    return make_conninfo(conninfo, host=hosts, port=ports, target_session_attrs="read-write")


def test_what_a_promoted_standby_does_not_have_is_named(runner, fragile):
    server = fragile.server
    with (
        Proxy(server.host, server.port, tcp=True) as wal,
        standby_of(replace(server, host=wal.host, port=wal.port)) as standby,
    ):
        with fragile.followed():
            wal.swallow()
            here = runner.conninfo
            runner.write("c", "SELECT 1;")
            runner.conninfo = either(here, server, standby)
            with beside(runner.apply) as [run]:
                try:
                    with closing(fragile.admin()) as admin:
                        wait_for_row(admin, _WAITS_FOR_STANDBY)
                    assert unsettled(runner) == ["a", "b"]
                    with closing(psycopg.connect(standby.conninfo(), autocommit=True)) as promoting:
                        promoting.execute("SELECT pg_promote()")
                finally:
                    fragile.end()
                with pytest.raises(ExecutionError, match=r"it is not applied.*lost is .* of a and b") as caught:
                    run.result(LONG)

        assert (caught.value.migration_id, caught.value.done) == ("c", ())
        runner.conninfo = make_conninfo(here, host=standby.host, port=standby.port)
        assert tables(runner) == []


@pytest.mark.parametrize("durable", ["each", "end"])
def test_what_was_durable_is_named_if_the_promoted_standby_does_not_have_it(runner, fragile, durable, monkeypatch):
    """It follows asynchronously, so no COMMIT waits for it; the history of the new primary is what counts."""
    monkeypatch.setattr("sqlmigrate.engine.transaction.durable.AT_MOST_SECONDS", 0.0)  # every COMMIT flushes
    server, here = fragile.server, runner.conninfo
    with (
        Proxy(server.host, server.port, tcp=True) as wal,
        standby_of(replace(server, host=wal.host, port=wal.port)) as standby,
        Proxy(server.host, server.port, record=True) as way,
    ):
        with fragile.followed("async"), blocked(runner) as session:
            wal.swallow()
            runner.conninfo = either(here, replace(server, host=way.host, port=way.port), standby)
            with beside(lambda: runner.apply(lock_timeout=60_000, durable=durable)) as [run]:
                try:
                    wait_for_blocked(session)
                    wait_until(lambda: len(runner.told(ScriptFinished)) == 2)
                    assert unsettled(runner) == []
                    with closing(psycopg.connect(standby.conninfo(), autocommit=True)) as promoting:
                        promoting.execute("SELECT pg_promote()")
                finally:
                    fragile.end()
                with pytest.raises(ExecutionError) as caught:
                    run.result(LONG)

        runner.conninfo = make_conninfo(here, host=standby.host, port=standby.port)
        assert tables(runner) == []
        assert caught.value.done == ()
        assert "lost is what was committed before of a and b" in caught.value.message


SCRIPTS = {"each": "", "together": "", "outside": "-- transactional: false\n"}


def apply_alone(runner: Runner, kind: str) -> Callable[[], Result]:
    """Let only the migration z be pending; gives what applies it."""
    runner.apply()
    runner.events.clear()
    runner.write("z", f"{SCRIPTS[kind]}CREATE TABLE z ();")
    return lambda: runner.apply(single_transaction=kind == "together")


def cancel_until_flush(admin: psycopg.Connection) -> int:
    """Cancel each COMMIT that waits for a standby, up to what is to make up for them; gives the process of that.

    Each is canceled once: a second request would meet whatever the session does next. What a session does and what it
    waits for are not read in the same moment, so both must stay as they are for two looks.
    """
    before, canceled = None, None
    while True:
        now = wait_for_row(admin, _WAITS_FOR_STANDBY)
        pid, flushes, _ = now
        if now == before != canceled:
            if flushes:
                return pid
            admin.execute("SELECT pg_cancel_backend(%s)", [pid])
            canceled = now
        before = now


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_commit_that_no_longer_waits_for_its_standby_is_waited_for_once_more(runner, fragile, kind):
    """PostgreSQL only warns where somebody cancels the wait: the COMMIT has happened, and the standby has nothing."""
    apply = apply_alone(runner, kind)
    with no_standby(fragile) as comes, fragile.admin() as admin, beside(apply) as [run]:
        cancel_until_flush(admin)
        assert [event for event in runner.told(ScriptFinished) if event.durable] == []
        comes()
        assert ids(run.result(LONG)) == ["z"]

    assert unsettled(runner) == []


@pytest.mark.parametrize("kind", SCRIPTS)
def test_what_no_standby_has_is_not_said_to_be_applied(runner, fragile, kind, monkeypatch):
    monkeypatch.setattr("sqlmigrate.runlock.blockers._SETTLED_SECONDS", 1.0)
    apply = apply_alone(runner, kind)
    with no_standby(fragile), fragile.admin() as admin, beside(apply) as [run]:
        admin.execute("SELECT pg_cancel_backend(%s)", [cancel_until_flush(admin)])
        with pytest.raises(ExecutionError, match=r"^whether the server has kept z, [^;]* is not known$"):
            run.result(LONG)


@pytest.mark.parametrize("kind", ["each", "together"])
def test_what_is_applied_but_on_no_standby_is_named_if_its_session_is_ended(runner, fragile, kind, monkeypatch):
    """PostgreSQL ends the wait of a COMMIT with its session: it has happened, and the standby has nothing."""
    monkeypatch.setattr("sqlmigrate.runlock.blockers._SETTLED_SECONDS", 1.0)
    apply = apply_alone(runner, kind)
    with no_standby(fragile), fragile.admin() as admin, beside(apply) as [run]:
        pid, *_ = wait_for_row(admin, _WAITS_FOR_STANDBY)
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(ExecutionError, match=r"it is applied: .*; whether the server has kept z, .* is not known$"):
            run.result(LONG)


def test_scripts_that_share_a_transaction_are_named_if_ctrl_c_ends_the_wait_of_its_commit(runner, fragile):
    for name in "yz":
        runner.write(name, f"CREATE TABLE {name} ();")
    with no_standby(fragile), calling(runner, "apply", "--yes", "--single-transaction") as (process, admin):
        wait_for_row(admin, _WAITS_FOR_STANDBY)
        process.send_signal(signal.SIGINT)
        outcome = ended(process)

    assert outcome.status == 130
    assert "rolled back" not in outcome.stderr
    assert outcome.stderr.endswith(
        "whether the server has kept a, b, y and z, which it had committed before, is not known\n"
    )


ONLY_WRITE = {
    "mark": ("mark", "z"),
    "unmark": ("unmark", "0", "--yes"),
    "accept": ("accept", "0", "--reason", "mended"),
    "seed": ("seed",),
}
_SEED_SCHEMA = """
{"type": "object",
 "properties": {"rows": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}}},
 "x-sqlmigrate": {"table": "public.seeded", "list": "rows", "conflict": ["k"]}}
"""


@pytest.fixture(params=ONLY_WRITE)
def only_writes(request, runner) -> tuple[str | Path, ...]:
    """Return the words of a command that writes rows of ours or of seed data, and runs no script."""
    with psycopg.connect(runner.conninfo, autocommit=True) as session:
        session.execute("CREATE TABLE seeded (k text PRIMARY KEY)")
    runner.write("0", "CREATE TABLE busy (); -- edited")
    runner.write("z", "CREATE TABLE z ();")
    data = runner.directory / "data"
    data.mkdir()
    (data / "rows.schema.json").write_text(_SEED_SCHEMA, encoding="utf-8")
    (data / "rows.yaml").write_text("rows:\n  - k: a\n", encoding="utf-8")
    words = ONLY_WRITE[request.param]
    return (*words, "--data", data) if request.param == "seed" else words


@contextmanager
def calling(runner: Runner, *words: str | Path) -> Iterator[tuple[subprocess.Popen[str], psycopg.Connection]]:
    """Start a command beside a session that looks on."""
    migrations = () if words[0] == "seed" else ("-m", runner.directory)
    command = (*words, "-d", runner.conninfo, *migrations)
    with psycopg.connect(runner.conninfo, user="postgres", autocommit=True) as admin, started(*command) as process:
        yield process, admin


def cancel_the_commit(admin: psycopg.Connection) -> int:
    """Cancel the one COMMIT that waits for a standby; gives the process that is to make up for it, and waits as well.

    No second one is canceled: that could hit what comes behind the first.
    """
    pid, *_ = wait_for_row(admin, _WAITS_FOR_STANDBY)
    admin.execute("SELECT pg_cancel_backend(%s)", [pid])
    return wait_for_row(admin, f"{_WAITS_FOR_STANDBY} AND query LIKE '%%pg_logical_emit_message%%'")[0]


def test_whatever_is_written_is_waited_for_once_more_if_its_commit_no_longer_waits(runner, fragile, only_writes):
    with no_standby(fragile) as comes, calling(runner, *only_writes) as (process, admin):
        cancel_the_commit(admin)
        comes()
        outcome = ended(process)

    assert (outcome.status, "error" in outcome.stderr) == (0, False)


@pytest.mark.parametrize(
    ("end", "status"), [("SELECT pg_cancel_backend(%s)", 1), ("SELECT pg_terminate_backend(%s)", 1), (None, 130)]
)
def test_whatever_is_written_and_is_on_no_standby_is_said_to_be_committed_and_not_more(
    runner, fragile, only_writes, end, status
):
    with no_standby(fragile), calling(runner, *only_writes) as (process, admin):
        if end is None:
            wait_for_row(admin, _WAITS_FOR_STANDBY)
            process.send_signal(signal.SIGINT)
        else:
            pid = cancel_the_commit(admin) if "cancel" in end else wait_for_row(admin, _WAITS_FOR_STANDBY)[0]
            admin.execute(end, [pid])
        outcome = ended(process)

    assert (outcome.status, outcome.stdout) == (status, "")
    assert "what was written is committed, but whether a synchronous standby has it is not known" in outcome.stderr
    assert "rolled back" not in outcome.stderr


@pytest.mark.parametrize(("how", "told"), [("async", 4), ("sync", 2)])
def test_batches_go_on_at_a_promoted_standby_from_where_that_stands(runner, fragile, how, told):
    """It lacks all batches behind the second one: with "sync" the third waits for it, and nobody is told of it."""
    server, here = fragile.server, runner.conninfo
    runner.apply()
    with closing(psycopg.connect(here, autocommit=True)) as session:
        numbered(session, 9)
    runner.write("c", script())
    tell = runner.observe

    def observe(event: Event) -> None:
        tell(event)
        if isinstance(event, Backfilling) and event.batches == 2:
            with fragile.admin() as admin:
                (now,) = wait_for_row(admin, "SELECT pg_current_wal_flush_lsn()::text")
                wait_for_row(admin, _HAS, now)
            wal.swallow()

    runner.observe = observe
    with (
        Proxy(server.host, server.port, tcp=True) as wal,
        standby_of(replace(server, host=wal.host, port=wal.port)) as standby,
    ):
        with (
            fragile.followed(how),
            closing(fragile.admin()) as admin,
            closing(psycopg.connect(here)) as holder,
        ):
            holder.execute("SELECT FROM t WHERE id = 27 FOR UPDATE")
            runner.conninfo = either(here, server, standby)
            with beside(lambda: runner.apply(lock_timeout=600_000)) as [run]:
                try:
                    wait_until(lambda: wal.silent, timeout=LONG)
                    wait_for_row(admin, _WAITS_FOR_STANDBY if how == "sync" else _WAITS_FOR_ROW)
                    with closing(psycopg.connect(standby.conninfo(), autocommit=True)) as promoting:
                        promoting.execute("SELECT pg_promote()")
                finally:
                    fragile.end()
                with pytest.raises(ExecutionError, match="the connection was lost"):
                    run.result(LONG)

        assert [event.batches for event in runner.told(Backfilling)] == list(range(1, told + 1))
        runner.conninfo = make_conninfo(here, host=standby.host, port=standby.port)
        with closing(psycopg.connect(runner.conninfo, autocommit=True)) as session:
            assert times(session) == {0: 5, 1: 4}
            assert progress(session) == ("running", ["12"], 4)
            runner.apply()
            assert times(session) == {1: 9}


def fails(runner: Runner) -> None:
    runner.write("z", "SELECT nonsense;")
    with pytest.raises(ExecutionError, match="nonsense") as caught:
        runner.apply()
    assert caught.value.done == ("a", "b")


def spends_its_lock_budget(runner: Runner) -> None:
    with blocked(runner), pytest.raises(LockBudgetSpent) as caught:
        runner.apply(lock_timeout=50, lock_budget=1)
    assert caught.value.done == ("a", "b")


def succeeds(runner: Runner) -> None:
    runner.write("z", "CREATE TABLE z ();")
    assert ids(runner.apply()) == ["a", "b", "z"]


def sets_it_off_itself(runner: Runner) -> None:
    runner.write("z", "SET synchronous_commit = off;\nCREATE TABLE z ();")
    assert ids(runner.apply()) == ["a", "b", "z"]


def sets_it_off_unseen(runner: Runner) -> None:
    runner.write("z", "SELECT set_config('synchronous_' || 'commit', 'off', false);\nCREATE TABLE z ();")
    assert ids(runner.apply()) == ["a", "b", "z"]


def comes_to_one_outside(runner: Runner) -> None:
    runner.write("c", "-- transactional: false\nSELECT nonsense;")
    with pytest.raises(Error, match="nonsense"):
        runner.apply()


def cannot_be_read_on(runner: Runner) -> None:
    class Changed(LookupError):
        pass

    def observe(event: Event) -> None:
        runner.events.append(event)
        if isinstance(event, ScriptFinished) and event.migration_id == "b":
            raise Changed

    runner.write("c", "SELECT 1;")
    runner.observe = observe
    with pytest.raises(Changed):
        runner.apply()


def is_interrupted(runner: Runner) -> None:
    def observe(event: Event) -> None:
        runner.events.append(event)
        if isinstance(event, ScriptFinished) and event.migration_id == "b":
            raise KeyboardInterrupt

    runner.write("c", "SELECT 1;")
    runner.observe = observe
    with pytest.raises(KeyboardInterrupt) as caught:
        runner.apply()
    assert not isinstance(caught.value, Interrupted)


def loses_its_session(runner: Runner) -> None:
    with blocked(runner) as session, beside(lambda: runner.apply(lock_timeout=60_000)) as [run]:
        session.execute("SELECT pg_terminate_backend(%s)", [wait_for_blocked(session)])
        with pytest.raises(ExecutionError, match="terminating") as caught:
            run.result(LONG)
    assert caught.value.done == ("a", "b")


ENDS = (
    succeeds, fails, spends_its_lock_budget, sets_it_off_itself, sets_it_off_unseen, comes_to_one_outside,
    cannot_be_read_on, is_interrupted, loses_its_session,
)  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_however_a_run_ends_no_crash_takes_it_back(runner, fragile, end):
    with fragile.without_wal_writer() as crash:
        end(runner)
        assert unsettled(runner) == []
        assert [event.migration_id for event in runner.told(ScriptFinished) if not event.durable][:2] in (
            ["a", "b"],
            ["a"],
        )
        done = runner.applied()
        crash()

    assert runner.applied() == done
    assert tables(runner)[:2] == ["a", "b"]
