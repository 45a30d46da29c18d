"""Bubblewrap around a throwaway server: no network, and no files but those that it needs.

There is no namespace for processes: the watchdog ends a server by the number in its `postmaster.pid`. See
https://github.com/containers/bubblewrap.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.server.account import Account
    from sqlmigrate.server.binaries import Binaries

PROGRAM = "bwrap"
TRIAL_SECONDS = 30.0
# The abstract sockets of others are out of reach without the network, and their shared memory without theirs.
_UNSHARED = ("--unshare-user", "--unshare-net", "--unshare-ipc", "--unshare-uts")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
# Names of accounts, the linker's cache, locales, time zones, and what Debian links its PostgreSQL to.
_ETC = (
    "hosts",  # up to PostgreSQL 14 the statistics collector talks to itself at localhost
    "passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "localtime",
    "timezone", "alternatives", "ssl/openssl.cnf", "postgresql-common",
)  # fmt: skip
_INSTALLATION = ("bin", "lib", "lib64", "share")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What is put before a server's command, and in words whether that shuts it in; `command` is empty without one."""

    command: tuple[str, ...]
    says: str


def around(binaries: Binaries, account: Account, base: Path, readable: Iterable[Path] = ()) -> Sandbox:
    """Give the sandbox for a server whose data and socket are below `base`, or none with the reason.

    Files below `readable` can be read there too, where the account reaches them outside.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        return Sandbox((), f"no sandbox: {PROGRAM} (bubblewrap) is not installed")
    start = (program, *_start(binaries))
    if reason := _refused((*start, "--", str(binaries.bindir / "postgres"), "-V"), account):
        return Sandbox((), f"no sandbox: {PROGRAM} does not work here ({reason})")
    folders = [argument for path in readable if account.reaches(path) for argument in _read_only(path)]
    return Sandbox((*start, *folders, "--bind", str(base), str(base), "--"), "bubblewrap: no network, no home")


@cache
def _refused(trial: tuple[str, ...], account: Account) -> str | None:
    """Try the sandbox, once in a process, and give the reason where it does not work."""
    try:
        done = subprocess.run(
            trial, check=False, capture_output=True, text=True, timeout=TRIAL_SECONDS, **account.subprocess_options()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()
    return lines[0].removeprefix(f"{PROGRAM}: ")


def _start(binaries: Binaries) -> Iterator[str]:
    """Give the arguments that every server has in common; of /proc, other namespaces of users can be listed only."""
    yield from _UNSHARED
    yield from (argument for name in _SYSTEM for argument in _as_it_is(Path(name)))
    yield from (argument for name in _ETC for argument in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}"))
    yield from ("--ro-bind", "/proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")  # noqa: S108  a new one
    yield from (argument for path in _programs(binaries) for argument in _read_only(path))
    yield from ("--chdir", "/")


def _as_it_is(path: Path) -> Iterator[str]:
    if path.is_symlink():
        yield from ("--symlink", str(path.readlink()), str(path))
    elif path.is_dir():
        yield from _read_only(path)


def _programs(binaries: Binaries) -> Iterator[Path]:
    """Give the folders of an installation that lies elsewhere; a wheel keeps libraries beside its own folder."""
    for bindir in dict.fromkeys([binaries.bindir, binaries.bindir.resolve()]):
        if not bindir.is_relative_to("/usr"):
            prefix = bindir.parent
            beside = prefix.parent.with_name(f"{prefix.parent.name}.libs")
            yield from (path for path in (*(prefix / name for name in _INSTALLATION), beside) if path.is_dir())


def _read_only(path: Path) -> tuple[str, ...]:
    return ("--ro-bind", str(path), str(path))
