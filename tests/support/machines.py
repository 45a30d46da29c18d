"""A fleet's scheduler and workers as processes of their own, which stand for machines, with certificates of their own.

Only workers know where the targets are: the variable that the list names is in their environment alone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import sql

from fixtures.postgres import ROLE
from sqlmigrate.server import PrivateServer, drop_database, ensure_database
from support.command import environment
from support.places import ROOT
from support.waiting import LONG, wait_until

URL = "TENANTS_URL"
_PAGE = ROOT / "docs" / "many-machines.md"
_MADE = re.compile(r"^```sh\n(openssl .*?)^```$", re.MULTILINE | re.DOTALL)


def certificates(folder: Path) -> Path:
    """Make an authority, and a certificate for each side, as the page says: NAME.pem with NAME.key."""
    folder.mkdir()
    [script] = _MADE.findall(_PAGE.read_text(encoding="utf-8"))
    subprocess.run(["sh", "-ec", script], cwd=folder, check=True, capture_output=True, timeout=LONG)
    return folder


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Process:
    """A process, and the file with everything that it prints."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str, times: int = 1) -> None:
        def there() -> bool:
            assert self.process.poll() is None or self.said.count(text) >= times, f"it has ended: {self.said}"
            return self.said.count(text) >= times

        wait_until(there, timeout=LONG)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(LONG)


@dataclass
class Machines:
    """A project with its targets, a scheduler and workers; `server` has the one database of all tenants."""

    root: Path
    server: PrivateServer
    database: str
    port: int = 0  # that of the first scheduler, which chooses it; the next ones come back to it
    scheduler: Process | None = None
    workers: list[Process] = field(default_factory=list)
    ever: list[Process] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """The folder of the runs; what is below the project's .git might be a part of the repository."""
        return self.root.with_name(f"{self.root.name}-state")

    @property
    def address(self) -> str:
        return f"tls://127.0.0.1:{self.port}"

    def connect(self, **options: Any) -> Any:
        import psycopg  # noqa: PLC0415  as its users do

        return psycopg.connect(self.server.conninfo(self.database, ROLE), **({"autocommit": True} | options))

    def env(self, side: str, **more: str) -> dict[str, str]:
        files = self.root / "certificates"
        return {
            "SQLMIGRATE_STATE_DIR": str(self.state),
            "TMPDIR": str(self.root / "tmp"),  # who is killed clears nothing away
            "SQLMIGRATE_SCHEDULER_CA": str(files / "ca.pem"),
            "SQLMIGRATE_SCHEDULER_CERT": str(files / f"{side}.pem"),
            "SQLMIGRATE_SCHEDULER_KEY": str(files / f"{side}.key"),
            **more,
        }

    def start_scheduler(self) -> Process:
        self.scheduler = self._start("scheduler", "--listen", self.address, env=self.env("scheduler"))
        self.scheduler.wait_for("scheduler at tls://127.0.0.1:")
        self.port = int(self.scheduler.said.rpartition(":")[2])
        return self.scheduler

    def start_worker(self, *words: str, ready: bool = True, program: str | None = None, **more: str) -> Process:
        env = {URL: self.server.url(self.database, ROLE)} | more
        given = ["worker", "--scheduler", self.address, "--concurrency", "8", *words]
        found = self._start(*given, env=self.env("worker", **env), program=program)
        self.workers.append(found)
        if ready:
            found.wait_for("at work for")
        return found

    def kill_worker(self, number: int = 0) -> None:
        self.workers.pop(number).kill()

    def apply(self, *words: str) -> tuple[str, ...]:
        return ("fleet", "apply", "--scheduler", self.address, "--per-cluster", "0", "--json", *words)

    def project(self, targets: list[str], script: str, tags: str = "") -> None:
        """Make a schema for each target, and let the project have one migration."""
        with self.connect() as session:
            for name in targets:
                session.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)))
        rows = [f"{name},{URL},{name},{tags}" for name in targets]
        (self.root / "tenants.csv").write_text("\n".join(["name,url_env,schema,tags", *rows, ""]))
        folder = self.root / "sql"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "1_a.sql").write_text(script)
        (folder / "1_a.rollback.sql").write_text("DROP TABLE a;\n")

    def history(self, name: str) -> list[tuple[str, str]]:
        """Give what the log of a target says : operations that were committed, and under which run."""
        query = sql.SQL("SELECT operation, run_id::text FROM {}.log ORDER BY seq")
        with self.connect() as session:
            if session.execute("SELECT to_regclass(%s)", [f"{name}_sqlmigrate.log"]).fetchone() == (None,):
                return []
            return session.execute(query.format(sql.Identifier(f"{name}_sqlmigrate"))).fetchall()

    def _start(self, *words: str, env: dict[str, str], program: str | None = None) -> Process:
        output = self.root / f"output{len(self.ever)}"
        python = ["-c", program] if program else ["-m", "sqlmigrate"]
        with output.open("wb") as file:
            started = subprocess.Popen(
                [sys.executable, *python, "fleet", *words],
                cwd=self.root, env=environment(env), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        self.ever.append(Process(started, output))
        return self.ever[-1]

    def stop(self) -> None:
        for process in self.ever:
            if process.process.poll() is None:
                process.signal(signal.SIGCONT)
                process.kill()


@contextmanager
def machines(root: Path, server: PrivateServer) -> Iterator[Machines]:
    """Give a project with certificates, a database, a scheduler and three workers; all end with the block."""
    (root / ".git").mkdir()
    (root / "tmp").mkdir()
    certificates(root / "certificates")
    (root / "sqlmigrate.toml").write_text('targets = "tenants.csv"\n')
    name = f"machines_{os.getpid()}"
    ensure_database(server, name=name, owner=ROLE)
    made = Machines(root, server, name)
    made.project(["first"], "CREATE TABLE a ();\n")
    try:
        made.start_scheduler()
        for _ in range(3):
            made.start_worker(ready=False)
        for worker in made.workers:
            worker.wait_for("at work for")
        yield made
    finally:
        made.stop()
        drop_database(server, name)
