"""A fleet whose targets others work on: a real scheduler, three workers, real certificates, and what may be killed."""

from __future__ import annotations

import json
import random
import signal
import threading

import pytest

from support.command import ended, started
from support.machines import machines
from support.proxy import Wire
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


def finished(fleet, names, outcome=None):
    """Go on with the last run until all is done, and tell by the histories that each migration was applied once."""
    for _ in range(5):
        if outcome is not None and outcome.status == 0:
            break
        outcome = run(fleet, "fleet", "resume", "last", "--scheduler", fleet.address, "--per-cluster", "0", "--json")
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


def ledger(fleet):
    return max((fleet.state / "fleet").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)


def test_workers_that_are_killed_at_random_leave_each_migration_applied_once(fleet):
    fleet.project(MANY, "CREATE TABLE a ();\n")
    over = threading.Event()

    def killing():
        while True:
            ready = [worker for worker in fleet.workers if "at work for" in worker.said]
            if len(ready) > 1:  # or nobody would be left on a slow machine
                fleet.kill_worker(fleet.workers.index(random.choice(ready)))
                fleet.start_worker(ready=False)
            if over.wait(random.uniform(0.2, 1.0)):
                return

    with started(*fleet.apply("--concurrency", "24"), env=fleet.env("coordinator"), cwd=fleet.root) as process:
        killer = threading.Thread(target=killing)
        wait_until(lambda: fleet.history(MANY[0]), timeout=LONG)
        killer.start()
        outcome = ended(process)
        over.set()
        killer.join()

    assert outcome.document["counts"].keys() <= {"done", "failed", "left"}, outcome  # slow ones, four times in a row
    for worker in fleet.workers:
        worker.wait_for("at work for")
    assert len(fleet.ever) > 4  # somebody was killed
    finished(fleet, MANY, outcome)
    entries = [json.loads(line) for line in ledger(fleet).read_text().splitlines()]
    workers = {entry["worker"] for entry in entries if entry.get("state") == "done"}
    assert len(workers) > 1
    assert all(worker.partition(":")[2].isdigit() for worker in workers)


def under_way(fleet, count):
    """Wait until orders have been given out so many times in the last run."""
    wait_until(lambda: ledger(fleet).read_text().count('"state": "running"') >= count, timeout=LONG)


def test_coordinator_workers_and_scheduler_are_lost_one_after_the_other_and_resume_finishes(fleet):
    names = ["lost1", "lost2"]
    fleet.project(names, BLOCKED)
    resume = ("fleet", "resume", "last", "--scheduler", fleet.address, "--json")
    env = fleet.env("coordinator")
    impatient = env | {"SQLMIGRATE_SCHEDULER_PATIENCE": "7s"}
    with blocked(fleet) as session:
        with started(*fleet.apply(), env=env, cwd=fleet.root) as process:
            waiting(fleet, 2)
            process.kill()
        with started(*resume, env=impatient, cwd=fleet.root) as process:
            under_way(fleet, 4)
            for worker in fleet.workers:
                worker.signal(signal.SIGSTOP)
            unmanned = ended(process)
        for worker in fleet.workers:
            worker.signal(signal.SIGCONT)
        before = [worker.said.count("at work for") for worker in fleet.workers]
        with started(*resume, env=env, cwd=fleet.root) as process:
            under_way(fleet, 6)
            fleet.scheduler.kill()
            lost = ended(process)
        session.rollback()

    assert (unmanned.status, unmanned.document["stopped"]) == (1, "no worker is left")
    assert (lost.status, lost.document["stopped"]) == (1, "the scheduler is lost")
    assert states(unmanned) == states(lost) == dict.fromkeys(names, "interrupted")
    assert f"not done: lost1, lost2; `sqlmigrate fleet resume {lost.document['run_id'][:8]}` goes on" in (
        run(fleet, "fleet", "report", "last").stdout
    )
    refused = run(fleet, *fleet.apply())
    assert (refused.status, f"no scheduler answers at {fleet.address}: Connection refused" in refused.stderr) == (
        1,
        True,
    )
    fleet.start_scheduler()
    for worker, times in zip(fleet.workers, before, strict=True):
        worker.wait_for("at work for", times + 1)
    finished(fleet, names)


def test_a_network_that_is_cut_leaves_what_resume_finishes(fleet):
    """Nothing is refused and nothing closed: each side only hears no more of the other one."""
    names = ["cut1", "cut2"]
    fleet.project(names, BLOCKED)
    env = fleet.env("coordinator", SQLMIGRATE_SCHEDULER_PATIENCE="7s")
    with Wire("127.0.0.1", fleet.port, tcp=True) as wire, blocked(fleet) as session:
        words = fleet.apply("--scheduler", f"tls://127.0.0.1:{wire.port}")
        with started(*words, env=env, cwd=fleet.root) as process:
            waiting(fleet, 2)
            wire.swallow()
            cut = ended(process)
        session.rollback()

    assert (cut.status, cut.document["stopped"]) == (1, "the scheduler is lost")
    assert states(cut) == dict.fromkeys(names, "interrupted")
    finished(fleet, names)


def test_what_does_not_fit_is_said_before_the_first_target(fleet):
    fleet.project(["one", "two"], "CREATE TABLE a ();\n", tags="region=mars")
    unmet = run(fleet, *fleet.apply())
    assert unmet.status == 2
    assert "one, two: no worker has region=mars" in unmet.stderr

    fleet.project(["one", "two"], "CREATE TABLE a ();\n", tags="region=mars canary")
    strange = fleet.start_worker("--resources", "region=mars", TENANTS_URL=" ")
    unknown = run(fleet, *fleet.apply())
    fleet.workers.remove(strange)
    strange.kill()
    assert unknown.status == 2
    assert "cannot work on one, two: the variable TENANTS_URL, which is to hold its URL, is not set" in unknown.stderr

    fleet.project(["one", "two"], "CREATE TABLE a ();\n")
    for words, name in (([], "search_path"), (["--role", "pg_read_all_data"], "role")):
        other = run(fleet, *fleet.apply(*words), **({} if words else {"SQLMIGRATE_SEARCH_PATH": "pg_temp"}))
        assert other.status == 2
        assert other.stderr.count(f"has another {name} than is set here") == len(fleet.workers)
        assert "each worker's own setting" in " ".join(other.stderr.split())

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
print("tried", flush=True)
import os
os._exit(0)
"""


def test_whoever_has_a_certificate_runs_nothing_but_our_tasks(fleet):
    mark = fleet.root / "mark"
    files = fleet.root / "certificates"
    words = [
        fleet.address,
        *(str(files / name) for name in ("ca.pem", "coordinator.pem", "coordinator.key")),
        str(mark),
    ]
    with started(*words, program=ATTACK) as process:
        said, _ = process.communicate(timeout=LONG)

    assert said.endswith("tried\n")
    assert not mark.exists()
    fleet.project(["after"], "CREATE TABLE a ();\n")
    assert states(run(fleet, *fleet.apply())) == {"after": "done"}


IMPOSTOR = """
import asyncio, os, ssl, sys
from distributed import Scheduler, Security
from distributed.protocol.serialize import ToPickle
ca, cert, key, mark = sys.argv[1:]
safe = Security(
    require_encryption=True, tls_ca_file=ca, tls_min_version=ssl.TLSVersion.TLSv1_3, tls_scheduler_cert=cert,
    tls_scheduler_key=key,
)
class Named:
    def __reduce__(self):
        return os.mkdir, (mark,)
class Impostor(Scheduler):
    def identity(self, n_workers=-1):
        return {**super().identity(n_workers), "more": ToPickle(Named())}
async def serve():
    made = await Impostor(host="127.0.0.1", port=0, protocol="tls", security=safe, dashboard=False)
    print(made.address, flush=True)
    await asyncio.sleep(600)
asyncio.run(serve())
"""


def test_a_scheduler_runs_nothing_in_the_coordinator_from_its_first_answer_on(fleet):
    mark = fleet.root / "named"
    files = fleet.root / "certificates"
    fleet.project(["spared"], "CREATE TABLE a ();\n")
    words = [*(str(files / name) for name in ("ca.pem", "worker.pem", "worker.key")), str(mark)]
    with started(*words, program=IMPOSTOR) as impostor:
        address = impostor.stdout.readline().strip()
        refused = run(fleet, "fleet", "apply", "--scheduler", address)
        impostor.kill()

    assert not mark.exists()
    assert refused.status == 1
    assert f"error: the scheduler at {address} does not answer: Refused" in refused.stderr
