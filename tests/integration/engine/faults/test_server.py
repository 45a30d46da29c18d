"""The server is stopped with `-m immediate` at every kind of message: after its recovery history and schema agree."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fixtures.postgres import MEMORY
from sqlmigrate.engine import Result
from sqlmigrate.errors import Error, ExecutionError
from sqlmigrate.server import PrivateServer, drop_database, ensure_database, shared
from sqlmigrate.server.account import server_account
from sqlmigrate.server.cluster import Cluster, launch
from sqlmigrate.server.postmaster import is_alive, running
from support.backfill import numbered, progress, script, times
from support.faults import EVERY, Trial, decisive_places, of_interest, sample, try_each
from support.proxy import BEFORE, TO_CLIENT, Message, Proxy, Then
from support.runner import Runner
from support.scenarios import FEW, SCENARIOS
from support.sessions import beside, is_there, wait_for_blocked
from support.waiting import LONG, wait_until

pytestmark = pytest.mark.timeout(3600 if EVERY else 900)


@dataclass(frozen=True)
class Crashing:
    """A server of its own, which keeps what it has committed; it can be stopped without warning and started again."""

    server: PrivateServer

    def crash(self) -> int:
        """Do what `pg_ctl stop -m immediate` does, without waiting; gives the process id of what has to end."""
        found = running(self.server.data_dir)
        assert found is not None
        os.kill(found.pid, signal.SIGQUIT)
        return found.pid

    def recover(self, pid: int) -> None:
        """Wait until the server is gone, and start it again."""
        wait_until(lambda: not is_alive(pid), timeout=30, interval=0.005)
        launch(Cluster(self.server.data_dir, self.server.binaries, server_account()), Path(self.server.host))


@pytest.fixture(scope="module")
def crashing(clean_environment, binaries) -> Iterator[Crashing]:
    folder = Path(tempfile.mkdtemp(prefix="sqlmigrate crash ", dir=MEMORY))
    folder.chmod(0o755)
    with shared(folder / "state", binaries.major) as server:
        ensure_database(server, name="crash", owner="migrator")
        with psycopg.connect(server.conninfo(), autocommit=True) as admin:
            # the system lives on, so what it was given is safe; recovery would sync every file first
            admin.execute("ALTER SYSTEM SET fsync = off")
        yield Crashing(server)
    shutil.rmtree(folder)


@pytest.fixture
def crash_trial(unwatched, pinging_beside, crashing, tmp_path, request) -> Iterator[Trial]:
    """A scenario on the server that can crash, with a proxy in between."""
    conninfo = crashing.server.conninfo("crash", "migrator")
    with Proxy(crashing.server.host, crashing.server.port) as proxy:
        crash_trial = Trial(request.param, conninfo, proxy, tmp_path, psycopg.connect(conninfo, autocommit=True))
        yield crash_trial
        crash_trial.admin.close()


@pytest.mark.parametrize("crash_trial", SCENARIOS if EVERY else FEW, indirect=True, ids=str)
def test_a_crash_of_the_server_leaves_nothing_half_done(crash_trial, crashing):
    pids: list[int] = []

    def crash(_: Message) -> Then:
        pids.append(crashing.crash())
        return Then.CUT  # a session that the server has not taken yet would keep it from ending

    def run(crash_trial: Trial) -> Result | BaseException:
        crashes = len(pids)
        told = crash_trial.run()
        wait_until(lambda: len(pids) > crashes)  # its last word may still be on its way
        crash_trial.admin.close()
        crashing.recover(pids[-1])
        crash_trial.admin = psycopg.connect(crash_trial.conninfo, autocommit=True)
        return told

    share = 0.4 if crash_trial.scenario.parts else 1.0
    chosen = [(item, BEFORE) for item in sample(of_interest(crash_trial), share)]
    faults = decisive_places(crash_trial.messages) if EVERY else chosen

    assert try_each(crash_trial, faults, crash, run) > 10


def test_another_cluster_is_not_asked_what_became_of_a_commit(crashing, database, tmp_path):
    """An address may be given to another server in mid-run; what that one does not know has not been rolled back."""
    ensure_database(crashing.server, name=database.name, owner="migrator")

    def elsewhere(_: Message) -> Then:
        proxy.lead_to(crashing.server.host, crashing.server.port)
        return Then.CUT

    with Proxy(database.server.host, database.server.port, record=True) as proxy, database.connect() as witness:
        runner = Runner(make_conninfo(database.conninfo, host=proxy.host, port=proxy.port), tmp_path)
        for name in ("first", "second"):
            proxy.reset()
            runner.write(name, f"CREATE TABLE {name} ();")
            runner.apply()
        last = max(item.number for item in proxy.trace if (item.session, item.direction) == (1, TO_CLIENT))
        proxy.reset()
        runner.write("third", "CREATE TABLE third ();")
        proxy.at(1, TO_CLIENT, last - 3, elsewhere)  # when it is committed, and nobody has said so
        with pytest.raises(ExecutionError, match=r"lost at COMMIT; whether it happened is not known"):
            runner.apply()

        assert is_there(witness, "third")


def test_another_database_of_the_same_name_is_not_asked_what_became_of_a_commit(database, tmp_path):
    """A database may be put in the place of ours in mid-run, as when a backup is restored."""
    name, old, here = database.name, f"{database.name}_old", database.server.conninfo()

    def replaced(_: Message) -> Then:
        with psycopg.connect(here, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            wait_until(lambda: renamed(admin))
        ensure_database(database.server, name=name, owner="migrator")
        return Then.CUT

    def renamed(admin: psycopg.Connection) -> bool:
        with suppress(psycopg.errors.ObjectInUse):
            admin.execute(f"ALTER DATABASE {name} RENAME TO {old}")
            return True
        return False

    with Proxy(database.server.host, database.server.port, record=True) as proxy:
        runner = Runner(make_conninfo(database.conninfo, host=proxy.host, port=proxy.port), tmp_path)
        for migration in ("first", "second"):
            proxy.reset()
            runner.write(migration, f"CREATE TABLE {migration} ();")
            runner.apply()
        last = max(item.number for item in proxy.trace if (item.session, item.direction) == (1, TO_CLIENT))
        proxy.reset()
        runner.write("third", "CREATE TABLE third ();")
        proxy.at(1, TO_CLIENT, last - 3, replaced)  # when it is committed, and nobody has said so
        try:
            with pytest.raises(ExecutionError, match=r"lost at COMMIT; whether it happened is not known"):
                runner.apply()
            with psycopg.connect(database.server.conninfo(old)) as witness:
                assert is_there(witness, "third")
        finally:
            drop_database(database.server, old)


def test_a_crash_in_a_batch_takes_that_one_alone_back(pinging_beside, crashing, tmp_path):
    """What was committed before is there, and its progress with it; the next run goes on behind."""
    conninfo = crashing.server.conninfo("crash", "migrator")
    runner = Runner(conninfo, tmp_path)
    with closing(psycopg.connect(conninfo, autocommit=True)) as session, closing(psycopg.connect(conninfo)) as holder:
        session.execute("DROP SCHEMA IF EXISTS sqlmigrate CASCADE")
        numbered(session, 9)
        holder.execute("SELECT FROM t WHERE id = 15 FOR UPDATE")
        runner.write("batches", script())
        with beside(lambda: runner.apply(lock_timeout=600_000)) as (run,):
            try:
                wait_for_blocked(session)
            finally:
                pid = crashing.crash()
            with pytest.raises(Error):
                run.result(LONG)
    crashing.recover(pid)

    with psycopg.connect(conninfo, autocommit=True) as session:
        assert times(session) == {0: 5, 1: 4}
        assert progress(session) == ("running", ["12"], 4)
        runner.apply()
        assert times(session) == {1: 9}
        session.execute("DROP TABLE t")
