"""A throw-away server that lives as long as one process."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from sqlmigrate.errors import ServerError
from sqlmigrate.server import cluster as clusters
from sqlmigrate.server import postmaster, sandbox, watchdog
from sqlmigrate.server.account import program_environment, server_account, without_pg_variables
from sqlmigrate.server.binaries import find_binaries
from sqlmigrate.server.model import SUPERUSER
from sqlmigrate.server.places import SOCKET_PARENT, make_guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlmigrate.server.account import Account
    from sqlmigrate.server.binaries import Binaries
    from sqlmigrate.server.model import PrivateServer

T = TypeVar("T")
STOP_SECONDS = 30.0
_EVERYBODY = "local all all trust\nlocal replication all trust\n"  # what initdb writes
_FIRST_WITH_PATTERNS = 16  # in pg_hba.conf
_REMOVING: list[subprocess.Popen[bytes]] = []
"""Watchdogs that remove what a server has left, until somebody looks whether they are done."""
MEMORY = Path("/dev/shm")  # noqa: S108 -- our folder in it is made by mkdtemp
MEMORY_MIN = 1 << 30
_STOP = 'cat >/dev/null; read -r pid <postmaster.pid && kill -INT "$pid"'  # a backend works in the data directory
# Nothing of a throw-away server has to survive a crash.
UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(slots=True)
class Throwaway:
    """A throwaway server; `server` is another one each time that it was started."""

    server: PrivateServer
    _cluster: clusters.Cluster
    _box: sandbox.Sandbox
    _process: subprocess.Popen[bytes] | None = None
    _life: ExitStack = field(default_factory=ExitStack)
    _thread: int = field(default_factory=threading.get_ident)

    @property
    def may_pause(self) -> bool:
        """Whether we may stop and start it: bubblewrap ends with the thread that started it."""
        return self._thread == threading.get_ident()

    def has_room(self, more: int = 0) -> bool:
        """Tell whether there is plenty of room where its files are, with so many bytes more."""
        return _has_room(self._cluster.data_dir.parent, more)

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        log = self._life.enter_context(clusters.open_log(self._cluster.log))
        begun = log.tell()
        process = self._process = self._life.enter_context(_running(self._box, self._cluster, log))
        ready = postmaster.says_ready if self._box.program else postmaster.is_ready
        clusters.wait_for_it(self._cluster, alive=lambda: process.poll() is None, ready=ready, log_start=begun)
        self.server = replace(self.server, sandbox=process.pid if self._box.program else None)

    def look(self) -> None:
        """Open the first session, and find out which version it is."""
        found = clusters.connected(self._cluster, Path(self.server.host))
        self.server = replace(self.server, binaries=found.binaries, user=self._cluster.superuser)

    def paused(self, superuser_conninfo: str, use: Callable[[Path, Account], T]) -> T:
        """Stop the server cleanly, let something use its data directory, and start it again.

        Sessions are ended. Raises ServerError where it does not stop. It is for those whom `may_pause` lets do it.
        """
        process = self._process
        if process is None:  # pragma: no cover  it is started before it is handed out
            raise ServerError("the throwaway server does not run")
        if self._box.program:
            _ask_to_stop(superuser_conninfo)
        else:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(postmaster.FAST_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise ServerError("the throwaway server does not stop") from None
        self._life.close()
        try:
            return use(self._cluster.data_dir, self._cluster.account)
        finally:
            self.start()

    def close(self) -> None:
        """End the server with all that runs in it."""
        self._life.close()


def new_data(cluster: clusters.Cluster) -> str:
    """Make a new data directory, and give its superuser."""
    clusters.create(cluster, sync=False)
    return SUPERUSER


@contextmanager
def ephemeral(
    major: int | None = None,
    *,
    binaries: Binaries | None = None,
    settings: Mapping[str, str] | None = None,
    in_memory: bool = False,
    readable: Iterable[Path] = (),
) -> Iterator[PrivateServer]:
    """Run a throw-away server on a private socket; see `throwaway_server`."""
    found = binaries or find_binaries(major)
    with throwaway_server(found, settings=settings, in_memory=in_memory, readable=readable) as running:
        yield running.server


@contextmanager
def throwaway_server(
    binaries: Binaries,
    *,
    settings: Mapping[str, str] | None = None,
    in_memory: bool = False,
    readable: Iterable[Path] = (),
    fill: Callable[[clusters.Cluster], str] = new_data,
    wait: bool = True,
) -> Iterator[Throwaway]:
    """Run a throw-away server on a private socket; it is gone with us, even after `kill -9`.

    `settings` go into the server's settings file, and `in_memory` keeps the data in memory where there is room. It runs
    in a sandbox where there is one, in which it sees the folders of `readable` too; its `isolation` says what holds.
    While it runs, the user's `PG*` variables are out of our environment. `fill` makes the data directory, and gives the
    name of its superuser. Behind the block its files are gone, or without `wait` soon: there may be thousands.
    """
    account = server_account()
    with ExitStack() as stack:
        stack.enter_context(without_pg_variables())
        box = sandbox.around(binaries, account, readable)
        base = Path(tempfile.mkdtemp(prefix="sqlm-", dir=_memory() if in_memory else SOCKET_PARENT))
        stack.enter_context(_watched("sandbox" if box.program else "pipe", base, wait=wait))
        base.chmod(0o711 if account.switch else 0o700)
        host = _socket(base)
        make_guarded(host, 0o700, account)
        cluster = clusters.Cluster(base / "data", binaries, account)
        rules = _rules(cluster.data_dir)
        rules.write_text(_EVERYBODY, encoding="utf-8")
        rules.chmod(0o644)
        clusters.write_settings(cluster, host, {**UNSAFE, "hba_file": str(rules), **(settings or {})})
        cluster = replace(cluster, superuser=fill(cluster))
        server = replace(cluster.server(str(host)), isolation=f"{box.says}; {_runs_as(account)}")
        running = Throwaway(server, cluster, box)
        stack.callback(running.close)
        running.start()
        running.look()
        yield running


def kill(server: PrivateServer) -> None:
    """End a throw-away server at once, with whatever runs there; its data goes with the block that it lives in."""
    if server.sandbox is None:
        postmaster.kill(server.data_dir)
    else:
        with suppress(ProcessLookupError):
            os.kill(server.sandbox, signal.SIGKILL)


def let_in(server: PrivateServer, names: Iterable[str]) -> None:
    """Let only these roles of a throw-away server in without a password, once it reads its settings anew.

    Whatever SQL can open a connection could come back as superuser otherwise: the server would not know it from us.
    Raises ServerError for a name that pg_hba.conf would read as something else, so that nobody could come in, or all.
    """
    names = list(names)
    # a line break ends a rule, and a slash begins a regular expression, in quotes too
    slash = server.binaries.major >= _FIRST_WITH_PATTERNS
    if strange := [name for name in names if "\n" in name or (slash and name.startswith("/"))]:
        raise ServerError(
            f"the role {strange[0]!r} cannot own a throwaway database: pg_hba.conf does not take its name as it is",
            hint="use a role whose name has no line break and does not begin with a slash",
        )
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    _rules(server.data_dir).write_text(f"local all {quoted} trust\nlocal all all scram-sha-256\n", encoding="utf-8")


def _ask_to_stop(superuser_conninfo: str) -> None:
    """Have a server in a sandbox, where its process has another number than outside, stopped from within."""
    import psycopg  # noqa: PLC0415  the watchdog does without psycopg

    with suppress(psycopg.OperationalError), psycopg.connect(superuser_conninfo, autocommit=True) as session:
        session.execute(f"COPY (SELECT) TO PROGRAM '{_STOP}'".encode())


def _socket(base: Path) -> Path:
    return base / "socket"


def _rules(data_dir: Path) -> Path:
    return data_dir.with_name(f"{data_dir.name}.hba")


def _runs_as(account: Account) -> str:
    return f"account {account.name}" if account.switch else f"your own account, {account.name}"


def roomy_memory() -> Path | None:
    """Return Linux's folder in memory, where a database is copied ten times faster than on a busy disk, if it has room.

    A container has 64 MB by default.
    """
    return MEMORY if _has_room(MEMORY) and os.access(MEMORY, os.W_OK | os.X_OK) else None


def _has_room(folder: Path, more: int = 0) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= MEMORY_MIN + more


def _memory() -> Path:
    return roomy_memory() or SOCKET_PARENT


@contextmanager
def _watched(kind: str, base: Path, *, wait: bool) -> Iterator[None]:
    """Have a folder removed behind a block, or where we do not `wait` for it, by the watchdog, as if we were killed."""
    _REMOVING[:] = [dog for dog in _REMOVING if dog.poll() is None]
    dog = subprocess.Popen(
        watchdog.command(kind, base),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=program_environment(),
        start_new_session=True,
    )
    try:
        yield
    finally:
        if wait or dog.poll() is not None:
            dog.kill()
            dog.communicate()
            shutil.rmtree(base, ignore_errors=True)
        elif dog.stdin is not None:
            dog.stdin.close()
            _REMOVING.append(dog)


@contextmanager
def _running(box: sandbox.Sandbox, cluster: clusters.Cluster, log: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server in its sandbox, if there is one; at the end, nothing that it has started in there is left."""
    over, lasts = os.pipe()
    with ExitStack() as stack:
        stack.callback(os.close, over)
        try:
            base = cluster.data_dir.parent
            command = box.command(cluster.command, base, [cluster.data_dir, _socket(base)], lasts)
            process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True,
                pass_fds=(lasts,) if box.program else (), **cluster.account.subprocess_options(),
            )  # fmt: skip
        finally:
            os.close(lasts)
        if box.program:
            stack.callback(_end_sandbox, process, over)
        else:
            stack.callback(_end, process, cluster)
        yield process


def _end_sandbox(process: subprocess.Popen[bytes], over: int) -> None:
    """End a sandbox with all that runs in it, and wait for that: `over` is the other end of what it holds open."""
    process.kill()
    process.wait()
    ended = select.poll()
    ended.register(over)
    ended.poll(STOP_SECONDS * 1000)


def _end(process: subprocess.Popen[bytes], cluster: clusters.Cluster) -> None:
    """End the server, whatever stands between; one that has not written its `postmaster.pid` has no sessions yet."""
    if process.poll() is not None:
        return
    if postmaster.running(cluster.data_dir) and postmaster.kill(cluster.data_dir):
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
