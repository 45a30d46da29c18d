"""A fleet whose targets others work on: a real scheduler, three workers, real certificates, and what may be killed."""

from __future__ import annotations

import json
import random
import signal
import threading
from pathlib import Path

import pytest

from support.command import ended, started
from support.machines import machines
from support.waiting import LONG, wait_until

MANY = [f"m{number:03}" for number in range(200)]
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture(scope="module")
def crew(tmp_path_factory, pg_server):
    with machines(tmp_path_factory.mktemp("machines"), pg_server) as made:
        yield made


@pytest.fixture
def fleet(crew):
    """The same; what a test has killed is there again, and no trace of Dask's was printed."""
    if crew.scheduler.process.poll() is not None:
        crew.start_scheduler()
    while len(crew.workers) < 3:
        crew.start_worker()
    yield crew
    assert not [process.said for process in crew.ever if "Traceback" in process.said]


def run(fleet, *words, side="coordinator", **more):
    with started(*words, env=fleet.env(side, **more), cwd=fleet.root) as process:
        return ended(process)


def states(outcome):
    return {entry["target"]: entry["state"] for entry in outcome.document["targets"]}


def finished(fleet, names):
    """Go on with the last run until all is done, and tell by the histories that each migration was applied once."""
    for _ in range(5):
        outcome = run(fleet, "fleet", "resume", "last", "--scheduler", fleet.address, "--per-cluster", "0", "--json")
        if outcome.status == 0:
            break
    assert states(outcome) == dict.fromkeys(names, "done"), outcome
    run_id = outcome.document["run_id"]
    assert {name: fleet.history(name) for name in names} == {name: [("apply", run_id)] for name in names}
    return outcome


def blocked(fleet):
    """Let a migration of all targets wait for a lock, and give the session that holds it."""
    session = fleet.connect(autocommit=False)
    session.execute("SELECT pg_advisory_xact_lock(77)")
    return session


BLOCKED = "CREATE TABLE a ();\nSELECT pg_advisory_xact_lock_shared(77);\n"


def waiting(fleet, count=1):
    with fleet.connect() as session:
        wait_until(lambda: session.execute(WAITING).fetchone()[0] >= count, timeout=LONG)


def test_workers_that_are_killed_at_random_leave_each_migration_applied_once(fleet):
    fleet.project(MANY, "CREATE TABLE a ();\n")
    over = threading.Event()

    def killing():
        while not over.wait(random.uniform(0.2, 1.0)):
            ready = [worker for worker in fleet.workers if "at work for" in worker.said]
            if len(ready) > 1:  # or nobody would be left on a slow machine
                fleet.kill_worker(fleet.workers.index(random.choice(ready)))
                fleet.start_worker(ready=False)

    with started(*fleet.apply("--concurrency", "24"), env=fleet.env("coordinator"), cwd=fleet.root) as process:
        killer = threading.Thread(target=killing)
        wait_until(lambda: fleet.history(MANY[0]), timeout=LONG)
        killer.start()
        outcome = ended(process)
        over.set()
        killer.join()

    assert outcome.document["counts"].keys() <= {"done", "failed"}, outcome
    for worker in fleet.workers:
        worker.wait_for("at work for")
    assert len(fleet.ever) > 5
    finished(fleet, MANY)
    entries = [json.loads(line) for line in ledger(fleet).read_text().splitlines()]
    workers = {entry["worker"] for entry in entries if entry.get("state") == "done"}
    assert len(workers) >= 3
    assert all(worker.partition(":")[2].isdigit() for worker in workers)


def ledger(fleet):
    return max((fleet.state / "fleet").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)


def test_with_no_worker_left_the_run_ends_in_words_and_resume_finishes(fleet):
    names = ["nobody1", "nobody2"]
    fleet.project(names, BLOCKED)
    with blocked(fleet) as session, started(*fleet.apply(), env=fleet.env("coordinator"), cwd=fleet.root) as process:
        waiting(fleet, 2)
        while fleet.workers:
            fleet.kill_worker()
        outcome = ended(process)
        session.rollback()

    assert outcome.status == 1
    assert (outcome.document["stopped"], states(outcome)) == ("no worker is left", dict.fromkeys(names, "interrupted"))
    assert "fleet resume" in run(fleet, "fleet", "report", "last").stdout
    fleet.start_worker()
    finished(fleet, names)


def test_with_the_scheduler_lost_the_run_ends_in_words_and_workers_find_the_next_one(fleet):
    names = ["hub1", "hub2"]
    fleet.project(names, BLOCKED)
    before = [worker.said.count("at work for") for worker in fleet.workers]
    with blocked(fleet) as session, started(*fleet.apply(), env=fleet.env("coordinator"), cwd=fleet.root) as process:
        waiting(fleet, 2)
        fleet.scheduler.kill()
        outcome = ended(process)
        session.rollback()

    assert outcome.status == 1
    assert outcome.document["stopped"] == "the scheduler is lost"
    assert states(outcome) == dict.fromkeys(names, "interrupted")
    refused = run(fleet, *fleet.apply())
    assert refused.status == 1
    assert f"no scheduler answers at {fleet.address}: Connection refused" in refused.stderr
    fleet.start_scheduler()
    for worker, times in zip(fleet.workers, before, strict=True):
        worker.wait_for("at work for", times + 1)
    finished(fleet, names)


def test_a_coordinator_that_is_killed_leaves_what_resume_finishes(fleet):
    names = [f"head{number}" for number in range(6)]
    fleet.project(names, BLOCKED)
    with blocked(fleet) as session:
        with started(*fleet.apply("--concurrency", "2"), env=fleet.env("coordinator"), cwd=fleet.root) as process:
            waiting(fleet, 2)
            process.kill()
        session.rollback()

    finished(fleet, names)


def test_a_worker_that_hangs_is_given_up_and_its_target_is_named(fleet):
    names = ["still1"]
    fleet.project(names, BLOCKED)
    with blocked(fleet) as session:
        words = fleet.apply("--lock-budget", "5s", "--wait-lock", "1s")
        with started(*words, env=fleet.env("coordinator"), cwd=fleet.root) as process:
            waiting(fleet)
            for worker in fleet.workers:
                worker.signal(signal.SIGSTOP)
            outcome = ended(process)
        session.rollback()
        for worker in fleet.workers:
            worker.signal(signal.SIGCONT)

    assert outcome.status == 1
    assert outcome.document["stopped"] == "no worker is left"
    finished(fleet, names)


def test_what_does_not_fit_is_said_before_the_first_target(fleet):
    fleet.project(["one", "two"], "CREATE TABLE a ();\n", tags="region=mars")
    unmet = run(fleet, *fleet.apply())
    assert unmet.status == 2
    assert "one, two: no worker has region=mars" in unmet.stderr

    fleet.project(["one", "two"], "CREATE TABLE a ();\n", tags="region=mars canary")
    strange = fleet.start_worker("--resources", "region=mars", TENANTS_URL=" ")
    unknown = run(fleet, *fleet.apply())
    assert unknown.status == 2
    assert "cannot work on one: the variable TENANTS_URL, which is to hold its URL, is not set" in unknown.stderr
    fleet.workers.remove(strange)
    strange.kill()

    program = "import sqlmigrate, sys; sqlmigrate.__version__ = '9.9'; from sqlmigrate.__main__ import run; sys.exit(run())"
    with started(*fleet.apply(), program=program, env=fleet.env("coordinator"), cwd=fleet.root) as process:
        older = ended(process)
    assert older.status == 2
    assert "the scheduler has sqlmigrate 0.1.0, and here is 9.9" in older.stderr

    (fleet.root / "certificates" / "coordinator.key").chmod(0o644)
    open_key = run(fleet, *fleet.apply())
    (fleet.root / "certificates" / "coordinator.key").chmod(0o600)
    assert (open_key.status, "every user of this machine may read" in open_key.stderr) == (2, True)
    assert [fleet.history(name) for name in ("one", "two")] == [[], []]


ATTACK = """
import ssl, sys
from pathlib import Path
from distributed import Client, Security, WorkerPlugin
from distributed.diagnostics.plugin import SchedulerPlugin
address, ca, cert, key, mark = sys.argv[1:]
safe = Security(
    require_encryption=True, tls_ca_file=ca, tls_min_version=ssl.TLSVersion.TLSv1_3, tls_client_cert=cert,
    tls_client_key=key,
)
class Plugin(WorkerPlugin):
    def setup(self, worker):
        Path(mark).touch()
class OfScheduler(SchedulerPlugin):
    def start(self, scheduler):
        Path(mark).touch()
module = Path(mark).with_suffix(".py")
module.write_text(f"open({mark!r}, 'w')")
client = Client(address, security=safe, timeout=30)
def tried(call):
    try:
        return call()
    except BaseException as error:
        print(type(error).__name__)
tried(lambda: client.submit(Path(mark).touch, pure=False).result(timeout=5))
tried(lambda: client.run(Path(mark).touch))
tried(lambda: client.run_on_scheduler(Path(mark).touch))
tried(lambda: client.upload_file(str(module)))
tried(lambda: client.register_plugin(Plugin()))
tried(lambda: client.register_plugin(OfScheduler()))
tried(lambda: client.dump_cluster_state(mark))
print("tried", flush=True)
import os
os._exit(0)
"""


def test_whoever_has_a_certificate_runs_nothing_but_our_tasks(fleet):
    mark = fleet.root / "mark"
    files = fleet.root / "certificates"
    words = [fleet.address, *(str(files / name) for name in ("ca.pem", "coordinator.pem", "coordinator.key")), str(mark)]
    with started(*words, program=ATTACK) as process:
        said, _ = process.communicate(timeout=LONG)

    assert said.count("\n") >= 7, said
    assert said.endswith("tried\n")
    assert not mark.exists()
    assert not list(Path(fleet.root).glob("mark*gz"))
    fleet.project(["after"], "CREATE TABLE a ();\n")
    assert states(run(fleet, *fleet.apply())) == {"after": "done"}
