"""A fleet on many machines: a scheduler and three workers as processes, any of which may be killed.

usage: tools/fleet_machines.py [NUMBER OF TARGETS]

Certificates are made as docs/many-machines.md says. Where network namespaces can be made (root, and the program ip),
one worker is in one, from which it reaches the scheduler and half of the targets, and nothing else. While the run goes
on, workers are killed at random; then the histories of the targets are read.
"""

from __future__ import annotations

import os
import random
import re
import select
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sqlmigrate import server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.server import PrivateServer

ROOT = Path(__file__).parents[1]
OWNER = "migrator"
HOME, APART = "198.51.100.1", "198.51.100.2"  # of TEST-NET-2, which is nobody's (RFC 5737)
_OPENSSL = re.compile(r"^```sh\n(openssl .*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS = 120


@dataclass
class Worker:
    """A worker of a region, and the file with what it prints."""

    region: str
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def at_work(self) -> bool:
        """Whether it has found its scheduler."""
        return "at work for" in self.output.read_text(encoding="utf-8")


@dataclass
class Demo:
    """A folder with the project, and what has been started in it; `inside` begins the call of one that is apart."""

    root: Path
    host: str
    urls: dict[str, str]  # by region
    inside: list[str]
    port: int = 18_786
    workers: list[Worker] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Return where the scheduler is."""
        return f"tls://{self.host}:{self.port}"

    def start(
        self, side: str, *words: str, output: Path, inside: list[str] | None = None, **more: str
    ) -> subprocess.Popen[bytes]:
        """Start a process of the fleet."""
        command = [*(inside or []), sys.executable, "-m", "sqlmigrate", "fleet", side, *words]
        with output.open("wb") as file:
            return subprocess.Popen(command, cwd=self.root, env=self.env(side, **more), stdout=file, stderr=file)

    def worker(self, region: str) -> None:
        """Start a worker of a region; those of eu are apart where that can be."""
        words = ["--scheduler", self.address, "--resources", f"region={region}", "--concurrency", "8"]
        inside = self.inside if region == "eu" else []
        known = {f"{region.upper()}_URL": self.urls[region]}
        output = self.root / f"worker{time.monotonic_ns()}"
        self.workers.append(Worker(region, self.start("worker", *words, output=output, inside=inside, **known), output))

    def env(self, side: str, **more: str) -> dict[str, str]:
        """Return the environment of a process: its certificate, and only for workers where the targets are."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SQLMIGRATE_")}
        files = {"CA": "ca.pem", "CERT": f"{side}.pem", "KEY": f"{side}.key"}
        ours = {f"SQLMIGRATE_SCHEDULER_{name}": str(self.root / "certificates" / file) for name, file in files.items()}
        return environ | ours | {"SQLMIGRATE_STATE_DIR": str(self.root / "state"), "TMPDIR": str(self.root), **more}

    def kill_one(self) -> None:
        """Kill a worker with SIGKILL, and start another one of its kind; not before all have come up again."""
        if not all(worker.at_work for worker in self.workers):
            return
        killed = self.workers.pop(random.randrange(len(self.workers)))  # noqa: S311  whoever it hits
        killed.process.kill()
        killed.process.wait()
        say(f"  (killed a worker of {killed.region})\n")
        self.worker(killed.region)


def main(count: int) -> int:
    """Show it, in a folder and with databases that are gone afterwards; 1 if a target is not what it should be."""
    with tempfile.TemporaryDirectory(prefix="sqlmigrate machines ") as folder, ExitStack() as stack:
        running = stack.enter_context(server.ephemeral(settings={"max_connections": "200"}))
        names = [f"tenant{number:03}" for number in range(1, count + 1)]
        url = made(running, names)
        inside = stack.enter_context(apart())
        host = HOME if inside else "127.0.0.1"
        urls = {"us": stack.enter_context(relay("127.0.0.1", url)), "eu": stack.enter_context(relay(host, url))}
        demo = Demo(write(Path(folder), names), host, urls, inside)
        stack.callback(lambda: stop([worker.process for worker in demo.workers]))
        scheduler = demo.start("scheduler", "--listen", demo.address, output=demo.root / "scheduler")
        stack.callback(stop, [scheduler])
        for region in ("us", "us", "eu"):
            demo.worker(region)
        wait_for_workers(demo)
        say(f"\n$ sqlmigrate fleet apply --scheduler {demo.address}\n\n")
        outcome = killing(demo, "apply", "--wave", "canary=5", "--wave", "rest", "--per-cluster", "0")
        while outcome:
            say("\n$ sqlmigrate fleet resume last\n\n")
            outcome = killing(demo, "resume", "last", "--per-cluster", "0")
        return judged(url, names)


def killing(demo: Demo, *words: str) -> int:
    """Run a command of the coordinator, and kill workers meanwhile."""
    run = subprocess.Popen(
        [sys.executable, "-m", "sqlmigrate", "fleet", *words, "--scheduler", demo.address],
        cwd=demo.root,
        env=demo.env("coordinator"),
    )
    while run.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            run.wait(random.uniform(0.5, 2))  # noqa: S311  same
        if run.poll() is None:
            demo.kill_one()
    return run.returncode


def judged(url: str, names: list[str]) -> int:
    """Say by the histories whether each migration was applied once in each target."""
    with psycopg.connect(url) as session:
        counts = [session.execute(f'SELECT count(*) FROM "{name}_sqlmigrate".log').fetchone() for name in names]  # noqa: S608
    right = sum(found == (2,) for found in counts)
    say(f"\nby their histories, {right} of {len(names)} targets have each of the two migrations applied once\n")
    return 0 if right == len(names) else 1


def made(running: PrivateServer, names: list[str]) -> str:
    """Make a database with a schema for each target, and give its URL."""
    server.ensure_database(running, name="tenants", owner=OWNER)
    url = running.url("tenants", OWNER)
    with psycopg.connect(url, autocommit=True) as session:
        for name in names:
            session.execute(f'CREATE SCHEMA "{name}"')
    return url


def write(root: Path, names: list[str]) -> Path:
    """Write the project: every other target is in another region; and the certificates, as the page says."""
    regions = [("us", "eu")[number % 2] for number in range(len(names))]
    rows = [f"{name},{region.upper()}_URL,{name},region={region}" for name, region in zip(names, regions, strict=True)]
    (root / "tenants.csv").write_text("\n".join(["name,url_env,schema,tags", *rows, ""]), encoding="utf-8")
    (root / "sqlmigrate.toml").write_text('targets = "tenants.csv"\nscheduler_patience = "20s"\n', encoding="utf-8")
    (root / "sql").mkdir()
    for name, script, undo in (
        ("1_orders", "CREATE TABLE orders (id bigint PRIMARY KEY);\n", "DROP TABLE orders;\n"),
        ("2_total", "ALTER TABLE orders ADD total numeric;\n", "ALTER TABLE orders DROP total;\n"),
    ):
        (root / "sql" / f"{name}.sql").write_text(script, encoding="utf-8")
        (root / "sql" / f"{name}.rollback.sql").write_text(undo, encoding="utf-8")
    (root / "certificates").mkdir()
    [script] = _OPENSSL.findall((ROOT / "docs" / "many-machines.md").read_text(encoding="utf-8"))
    subprocess.run(["sh", "-ec", script], cwd=root / "certificates", check=True, capture_output=True)  # noqa: S607
    return root


@contextmanager
def apart() -> Iterator[list[str]]:
    """Give what begins a call in a network namespace with a link to us alone; nothing where none can be made."""
    name = f"sqlm-{os.getpid()}"
    link = ["link", "add", f"{name}h", "type", "veth", "peer", "name", "link0", "netns", name]
    steps = [
        ["netns", "add", name],
        link,
        ["address", "add", f"{HOME}/30", "dev", f"{name}h"],
        ["link", "set", f"{name}h", "up"],
        ["-n", name, "address", "add", f"{APART}/30", "dev", "link0"],
        ["-n", name, "link", "set", "link0", "up"],
        ["-n", name, "link", "set", "lo", "up"],
    ]
    program = shutil.which("ip")
    if program is None or os.geteuid() or is_near(program, HOME):
        say("no network namespace (it needs root, the program ip and a free network): all workers reach everything\n")
        yield []
        return
    try:
        for step in steps:
            subprocess.run([program, *step], check=True, capture_output=True)
        yield [program, "netns", "exec", name]
    except subprocess.CalledProcessError:
        say("no network namespace can be made here: all workers reach everything\n")
        yield []
    finally:
        subprocess.run([program, "netns", "delete", name], check=False, capture_output=True)


@contextmanager
def relay(host: str, url: str) -> Iterator[str]:
    """Let a server that listens on a socket be reached by TCP at an address, and give its URL there."""
    known = conninfo_to_dict(url)

    class Between(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as inner:
                inner.connect(f"{known['host']}/.s.PGSQL.{known.get('port', 5432)}")
                pairs = {self.request: inner, inner: self.request}
                while all(pump(source, pairs[source]) for source in select.select(list(pairs), [], [])[0]):
                    pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server((host, 0), Between) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield make_conninfo(url, host=host, port=listening.server_address[1])
        listening.shutdown()


def pump(source: socket.socket, sink: socket.socket) -> bool:
    """Hand on what is there; False at the end."""
    with suppress(OSError):
        if data := source.recv(1 << 16):
            sink.sendall(data)
            return True
    return False


def is_near(program: str, address: str) -> bool:
    """Tell whether this machine has a link to the network of an address: then it is not ours to give away."""
    done = subprocess.run([program, "-o", "route", "get", address], check=False, capture_output=True, encoding="utf-8")
    return done.returncode == 0 and " via " not in done.stdout


def wait_for_workers(demo: Demo) -> None:
    """Wait until all workers have found the scheduler."""
    end = time.monotonic() + _SECONDS
    while not all(worker.at_work for worker in demo.workers):
        if time.monotonic() > end or any(worker.process.poll() is not None for worker in demo.workers):
            raise SystemExit("".join(worker.output.read_text(encoding="utf-8") for worker in demo.workers))
        time.sleep(0.2)


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End what was started."""
    for process in processes:
        process.kill()
        process.wait()


def say(text: str) -> None:
    """Print a text at once, so that it stands before what a command prints."""
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was made goes with us
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 200))
