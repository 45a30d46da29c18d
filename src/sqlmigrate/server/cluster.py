"""Creating a data directory and starting the server in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlmigrate.errors import ServerError
from sqlmigrate.server import postmaster
from sqlmigrate.server.account import account_name, without_pg_variables
from sqlmigrate.server.model import PORT, SUPERUSER, PrivateServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlmigrate.server.account import Account, Command
    from sqlmigrate.server.binaries import Binaries

START_SECONDS = 120.0
_LOOK_INTERVAL = 0.002  # most servers are ready after 0.03 s
LOG_LINES = 15
LOG_BYTES = 1_000_000
LOG_MODE = 0o600
INCLUDE = (
    """printf "\\n# Written anew by sqlmigrate at each start:\\ninclude '../%s'\\n" "$2" >>"$1/postgresql.conf" """
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data directory with what is needed to run it; the settings file and the log lie beside it.

    `superuser` is the role to connect as.
    """

    data_dir: Path
    binaries: Binaries
    account: Account
    superuser: str = SUPERUSER

    @property
    def conf(self) -> Path:
        """The settings file, which `postgresql.conf` includes."""
        return self.data_dir.with_name(f"{self.data_dir.name}.conf")

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.data_dir.with_name(f"{self.data_dir.name}.log")

    @property
    def command(self) -> Command:
        """The command that runs the server in the foreground."""
        return [self.binaries.bindir / "postgres", "-D", self.data_dir]

    def server(self, host: str) -> PrivateServer:
        """Return the value that stands for the running server."""
        return PrivateServer(host=host, binaries=self.binaries, data_dir=self.data_dir, log=self.log)


def create(cluster: Cluster, *, sync: bool = True) -> None:
    """Create the data directory under another name and rename it, so that one with the right name is complete."""
    parent, name = cluster.data_dir.parent, cluster.data_dir.name
    unfinished = Path(tempfile.mkdtemp(prefix=f"{name}.init-", dir=parent))
    try:
        if cluster.account.switch:
            os.chown(unfinished, cluster.account.uid, cluster.account.gid)
        _initdb(cluster, unfinished, sync=sync)
        # As the server's account: root does not write where another account could plant a link.
        append: Command = ["/bin/sh", "-c", INCLUDE, "sh", unfinished, cluster.conf.name]
        subprocess.run(append, check=True, **cluster.account.subprocess_options())
        unfinished.rename(cluster.data_dir)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def hand_over(directory: Path, account: Account) -> None:
    """Hand over a data directory, which only we could reach until now, to the server's account, from within."""
    if not account.switch:
        return
    for _, _, files, folder in os.fwalk(directory, topdown=False, follow_symlinks=False):
        for name in files:
            os.chown(name, account.uid, account.gid, dir_fd=folder, follow_symlinks=False)
        os.fchown(folder, account.uid, account.gid)


def remove_unfinished(data_dir: Path) -> None:
    """Remove what an interrupted `create` left behind; its initdb may still write, so some may stay until next time."""
    for left_behind in data_dir.parent.glob(f"{data_dir.name}.init-*"):
        shutil.rmtree(left_behind, ignore_errors=True)


def check_owner(cluster: Cluster) -> None:
    """Refuse a data directory that the server could not use, before the server says so in its own words."""
    found = cluster.data_dir.stat()
    if not cluster.account.owns(found):
        raise ServerError(
            f"data directory {cluster.data_dir} belongs to {account_name(found.st_uid)}, "
            f"but the server runs under {cluster.account.name}",
            hint="use it as the user who created it, or remove it with its databases",
        )
    if cluster.account.switch or os.access(cluster.data_dir, os.R_OK | os.X_OK):
        return
    raise ServerError(f"data directory {cluster.data_dir} cannot be read")


def write_settings(cluster: Cluster, host: Path, extra: Mapping[str, str]) -> None:
    """Write the settings file; `host` is the directory for the socket and has a plain name."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(host),
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        # Migrations may create publications; a lower level makes the server warn about each.
        "wal_level": "logical",
        **extra,
    }
    lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
    cluster.conf.write_text("".join(lines), encoding="utf-8")
    cluster.conf.chmod(0o644)


def launch(cluster: Cluster, host: Path) -> PrivateServer:
    """Start the server so that it outlives us, and wait until it accepts connections."""
    if cluster.log.exists() and cluster.log.stat().st_size > LOG_BYTES:
        cluster.log.unlink()
    postmaster.bury(cluster.data_dir)
    for left_behind in host.iterdir():
        # No server runs here, and the directory is this one's alone; a zombie's lock file would stop the new one.
        if left_behind.is_dir() and not left_behind.is_symlink():
            shutil.rmtree(left_behind, ignore_errors=True)  # a superuser's script made it; it is in nobody's way
        else:
            left_behind.unlink()
    with suppress(OSError):  # it is written anew, but PostgreSQL would wait for a pipe that a script has left there
        (cluster.data_dir / "postmaster.opts").unlink()
    with open_log(cluster.log) as log:
        start = log.tell()
        pid = spawn_detached(cluster.command, cluster.account.subprocess_options() | {"stderr": log})
    return wait_until_ready(cluster, host, log_start=start, alive=lambda: postmaster.is_alive(pid))


def open_log(path: Path) -> BinaryIO:
    """Open a server's log to append to it; nobody else may read it, since statements and their data stand there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, LOG_MODE)
    os.fchmod(descriptor, LOG_MODE)  # an earlier version may have made it
    log = os.fdopen(descriptor, "ab")
    log.seek(0, os.SEEK_END)
    return log


def spawn_detached(command: Command, options: Mapping[str, Any]) -> int:
    """Start a program in a session of its own that is no child of ours; its output goes to `stderr` of the options."""
    # A shell between us and the program leaves init to reap it. Arguments are passed, never pasted into the text.
    shell: Command = ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *command]
    done = subprocess.run(shell, check=True, stdout=subprocess.PIPE, start_new_session=True, **options)
    return int(done.stdout)


def wait_until_ready(
    cluster: Cluster,
    host: Path,
    *,
    alive: Callable[[], bool],
    ready: Callable[[Path], bool] = postmaster.is_ready,
    log_start: int = 0,
) -> PrivateServer:
    """Wait until a server that is starting accepts connections, or say from its log why it does not."""
    wait_for_it(cluster, alive=alive, ready=ready, log_start=log_start)
    return connected(cluster, host)


def wait_for_it(
    cluster: Cluster, *, alive: Callable[[], bool], ready: Callable[[Path], bool], log_start: int = 0
) -> None:
    """Do as `wait_until_ready`, without a session."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        still_there = alive()
        if ready(cluster.data_dir):
            return
        if not still_there or time.monotonic() > deadline:
            verb = "did not become ready in time" if still_there else "did not start"
            raise ServerError(
                f"the private PostgreSQL {cluster.binaries.version} {verb}: {_log_tail(cluster.log, log_start)}",
                hint=f"its log is {cluster.log}",
            )
        time.sleep(_LOOK_INTERVAL)


def connected(cluster: Cluster, host: Path) -> PrivateServer:
    """Open a session once, and give the server with the version that it reports itself."""
    import psycopg  # noqa: PLC0415 -- the watchdog does without psycopg

    server = cluster.server(str(host))
    try:
        with (
            without_pg_variables(),
            psycopg.connect(server.conninfo(user=cluster.superuser), connect_timeout=10) as session,
        ):
            version = session.info.parameter_status("server_version") or cluster.binaries.version
    except psycopg.Error as error:
        raise ServerError(
            f"the private server in {cluster.data_dir} runs but cannot be used: {error}",
            hint=f"stop it with 'sqlmigrate db stop'; its log is {cluster.log}",
        ) from error
    return replace(server, binaries=replace(cluster.binaries, version=version.split()[0]))


def _initdb(cluster: Cluster, directory: Path, *, sync: bool) -> None:
    arguments: list[str | Path] = [
        "-D",
        directory,
        "-U",
        SUPERUSER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        *([] if sync else ["-N"]),
    ]
    failure = ""
    for locale in _locales(cluster.binaries.major):
        command: Command = [cluster.binaries.bindir / "initdb", *arguments, *locale]
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            **cluster.account.subprocess_options(),
        )
        if done.returncode == 0:
            return
        failure = done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}"
        if "locale" not in failure:
            break
    raise ServerError(
        f"initdb of PostgreSQL {cluster.binaries.version} could not create {cluster.data_dir}: {failure}",
        hint=f"the programs are those in {cluster.binaries.bindir} ({cluster.binaries.source})",
    )


def _locales(major: int) -> list[list[str]]:
    if major >= 17:  # noqa: PLR2004 -- the first with the builtin provider, which needs no locale of the system
        return [["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
    # C.UTF-8 knows upper and lower case beyond ASCII; macOS and old systems lack it.
    return [["--locale=C.UTF-8"], ["--locale=C"]]


def _log_tail(log: Path, start: int) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(start)
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError as error:
        return f"its log cannot be read ({error.strerror})"
    return "\n".join(["its log ends with", *lines[-LOG_LINES:]]) if lines else "its log is empty"
