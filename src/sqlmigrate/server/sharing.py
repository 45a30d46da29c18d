"""A persistent server that several processes share; the last one out stops it."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.errors import ServerError
from sqlmigrate.server import cluster as clusters
from sqlmigrate.server import locks, postmaster, watchdog
from sqlmigrate.server.account import program_environment, server_account, without_pg_variables
from sqlmigrate.server.binaries import Binaries, find_binaries
from sqlmigrate.server.cluster import Cluster
from sqlmigrate.server.locks import Locks
from sqlmigrate.server.places import make_state_dir, remove_socket_dir, socket_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.server.account import Account
    from sqlmigrate.server.model import PrivateServer

LOCK_SECONDS = 180.0
LEAVE_SECONDS = 10.0
_GLANCE_SECONDS = 0.5  # a watchdog that looks takes a lock for a moment, and uses nothing

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """One data directory: `kept` by `start`, `in_use` by a process of ours, `server` when it accepts connections."""

    data_dir: Path
    major: int
    running: bool
    kept: bool
    in_use: bool
    server: PrivateServer | None = None


@contextmanager
def shared(
    state: Path, major: int | None = None, *, settings: Mapping[str, str] | None = None
) -> Iterator[PrivateServer]:
    """Use the server of a state directory: started if need be, stopped by the last user unless `start` keeps it.

    `settings` go into its settings file where it is started.

    Meanwhile the user's `PG*` variables are out of our environment. The use ends with our process, so a program
    that works on the server has to be a child of it and not take its place (`exec`).
    """
    with without_pg_variables(), ExitStack() as stack:
        cluster = _cluster(state, major)
        with locks.exclusive(Locks(cluster.data_dir).start, LOCK_SECONDS):
            use = locks.open_lock(Locks(cluster.data_dir).use)
            stack.callback(os.close, use)
            # Blocks for a moment at most: who holds `use` alone holds `start` too, or just looks.
            fcntl.flock(use, fcntl.LOCK_SH)
            server = _ensure_running(cluster, settings or {})
        stack.callback(_leave, cluster, use)
        yield server


def start(state: Path, major: int | None = None) -> PrivateServer:
    """Start the server of a state directory, or take the running one, and keep it until `stop`."""
    with without_pg_variables():
        cluster = _cluster(state, major)
        ours = Locks(cluster.data_dir)
        with locks.exclusive(ours.start, LOCK_SECONDS):
            server = _ensure_running(cluster, {})
            ours.keep.touch()
            return server


def stop(state: Path) -> tuple[Status, ...]:
    """Stop the servers of a state directory, and give what is there then; one in use stops with its last user."""
    for data_dir in _data_dirs(state):
        ours = Locks(data_dir)
        with locks.exclusive(ours.start, LOCK_SECONDS):
            ours.keep.unlink(missing_ok=True)
            if not ours.in_use():
                _stop(data_dir)
    return status(state)


def status(state: Path) -> tuple[Status, ...]:
    """Return the state of each data directory, highest major version first; nothing is changed."""
    with without_pg_variables():
        account = server_account()
        return tuple(_status(data_dir, account) for data_dir in _data_dirs(state))


def destroy(state: Path, major: int | None = None) -> tuple[Path, ...]:
    """Stop the servers of a state directory (or the one of a major version) and delete their data."""
    destroyed = []
    for data_dir in _data_dirs(state):
        if major is not None and _major(data_dir) != major:
            continue
        ours = Locks(data_dir)
        with locks.exclusive(ours.start, LOCK_SECONDS):
            if ours.in_use():
                raise ServerError(
                    f"the private server in {data_dir} is in use by another process, nothing was deleted",
                    hint="let that process end first",
                )
            _stop(data_dir)
            _delete(data_dir)
        destroyed.append(data_dir)
    return tuple(destroyed)


def _cluster(state: Path, major: int | None) -> Cluster:
    account = server_account()
    binaries = find_binaries(major)
    return Cluster(make_state_dir(state, account) / f"d{binaries.major}", binaries, account)


def _ensure_running(cluster: Cluster, settings: Mapping[str, str]) -> PrivateServer:
    """Create, start or find the server; for the holder of `start`."""
    # First of all, so that a server is watched at each moment of its life.
    _ensure_watchdog(cluster.data_dir)
    clusters.remove_unfinished(cluster.data_dir)
    notes: tuple[str, ...] = ()
    if not cluster.data_dir.exists():
        notes = _notes_on_new(cluster)
        clusters.create(cluster)
    clusters.check_owner(cluster)
    host = socket_dir(cluster.data_dir, cluster.account)
    if postmaster.running(cluster.data_dir) is None:
        Locks(cluster.data_dir).keep.unlink(missing_ok=True)
        clusters.write_settings(cluster, host, settings)
        server = clusters.launch(cluster, host)
    else:
        server = clusters.wait_until_ready(
            cluster, host, alive=lambda: postmaster.running(cluster.data_dir) is not None
        )
    return replace(server, notes=notes)


def _ensure_watchdog(data_dir: Path) -> None:
    """Start a watchdog unless there is one; it inherits the lock that says so."""
    descriptor = locks.open_lock(Locks(data_dir).watch)
    try:
        if locks.lock(descriptor, fcntl.LOCK_EX):
            command = watchdog.command("users", data_dir, str(descriptor))
            options = {"cwd": "/", "stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            clusters.spawn_detached(command, options | {"env": program_environment(), "pass_fds": (descriptor,)})
    finally:
        os.close(descriptor)


def _leave(cluster: Cluster, use: int) -> None:
    """Stop the server if we are its last user and nothing keeps it."""
    ours = Locks(cluster.data_dir)
    try:
        with locks.exclusive(ours.start, LEAVE_SECONDS):
            if locks.lock(use, fcntl.LOCK_EX) and not ours.keep.exists():
                _stop(cluster.data_dir)
    except (ServerError, OSError) as error:
        # The work is done and its result counts; the watchdog stops the server.
        logger.warning("the private server was left to its watchdog: %s", error)


def _stop(data_dir: Path) -> None:
    if not postmaster.stop(data_dir):
        raise ServerError(
            f"the private server in {data_dir} does not stop",
            hint=f"its log is {data_dir.with_name(f'{data_dir.name}.log')}",
        )
    remove_socket_dir(data_dir)


def _delete(data_dir: Path) -> None:
    # Renamed first: a directory that is only half deleted must not look like a whole one.
    doomed = data_dir.with_name(f"{data_dir.name}.init-deleted")
    data_dir.rename(doomed)
    shutil.rmtree(doomed)
    for suffix in ("conf", "log", "keep"):
        data_dir.with_name(f"{data_dir.name}.{suffix}").unlink(missing_ok=True)


def _status(data_dir: Path, account: Account) -> Status:
    ours = Locks(data_dir)
    found = postmaster.running(data_dir)
    server = None
    if found is not None and found.ready:
        cluster = Cluster(data_dir, _binaries_of_running(data_dir), account)
        server = clusters.connected(cluster, Path(found.socket_dir))
    return Status(
        data_dir=data_dir,
        major=_major(data_dir),
        running=found is not None,
        kept=found is not None and ours.keep.exists(),
        in_use=_is_in_use(ours),
        server=server,
    )


def _is_in_use(ours: Locks) -> bool:
    """Tell whether somebody uses the server, or is starting or stopping it."""
    try:
        with locks.exclusive(ours.start, _GLANCE_SECONDS):
            return ours.in_use()
    except ServerError:
        return True


def _binaries_of_running(data_dir: Path) -> Binaries:
    """Read from what the server wrote down which programs it runs from: others may be found first by now."""
    command = (data_dir / "postmaster.opts").read_text(encoding="utf-8", errors="surrogateescape")
    program = Path(command.split(' "-D"', 1)[0])
    return Binaries(program.parent, str(_major(data_dir)), _major(data_dir), "the running server")


def _data_dirs(state: Path) -> list[Path]:
    found = [path for path in state.resolve().glob("d*") if path.name[1:].isdecimal() and path.is_dir()]
    return sorted(found, key=_major, reverse=True)


def _major(data_dir: Path) -> int:
    return int(data_dir.name[1:])


def _notes_on_new(cluster: Cluster) -> tuple[str, ...]:
    others = [path for path in _data_dirs(cluster.data_dir.parent) if path != cluster.data_dir]
    if not others:
        return ()
    names = ", ".join(f"{path} (PostgreSQL {_major(path)})" for path in others)
    note = (
        f"new, empty databases were created for PostgreSQL {cluster.binaries.major} in {cluster.data_dir}; "
        f"those in {names} stay there and are not seen by this server"
    )
    return (note,)
