"""Bubblewrap around a throwaway server: no network, no files but those that it needs, no process that outlives it.

What runs in it has numbers of its own, so what the server writes into its `postmaster.pid` means nothing outside. It
is ended as a whole, by killing `bwrap`, and goes with us where we are killed. See
https://github.com/containers/bubblewrap.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.files import program_on_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.server.account import Account
    from sqlmigrate.server.binaries import Binaries

PROGRAM = "bwrap"
TRIAL_SECONDS = 30.0
# The abstract sockets of others are out of reach without the network, and their shared memory without theirs.
_UNSHARED = ("--unshare-user", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-pid", "--die-with-parent")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
# Names of accounts, the linker's cache, locales, time zones, and what Debian links its PostgreSQL to.
_ETC = (
    "hosts",  # up to PostgreSQL 14 the statistics collector talks to itself at localhost
    "passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "localtime",
    "timezone", "alternatives", "ssl/openssl.cnf", "postgresql-common",
)  # fmt: skip
# The token that CI checks out with, and the data of the project's private servers.
_HIDDEN = (".git", ".sqlmigrate")
_INSTALLATION = ("bin", "lib", "lib64", "share")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A `bwrap` with its options, and in words whether it shuts a server in; `program` is empty without one."""

    program: tuple[str, ...]
    says: str

    def command(
        self, inside: Iterable[str | Path], base: Path, writable: Iterable[Path], lasts: int
    ) -> list[str | Path]:
        """Return the command that runs another one, which sees `base` and writes to the folders of `writable` in it.

        What lies beside them we read and write outside of the sandbox, so nobody in it may put a link there. The open
        file `lasts` is held until all that runs in the sandbox has ended.
        """
        if not self.program:
            return [*inside]
        folders = [argument for path in writable for argument in ("--bind", path, path)]
        return [*self.program, *_read_only(base), *folders, "--sync-fd", str(lasts), "--", *inside]


def around(binaries: Binaries, account: Account, readable: Iterable[Path] = ()) -> Sandbox:
    """Return the sandbox for a server, or none with the reason.

    Files below `readable` can be read there too, where the account reaches them outside; not those of `_HIDDEN`.
    """
    program = program_on_path(PROGRAM)
    if program is None:
        return Sandbox((), f"no sandbox: {PROGRAM} (bubblewrap) is not installed")
    start = (str(program), *_start(binaries))
    if reason := _refused((*start, "--", str(binaries.bindir / "postgres"), "-V"), account):
        return Sandbox((), f"no sandbox: {PROGRAM} does not work here ({reason})")
    folders = [argument for path in readable if account.reaches(path) for argument in _shown(path)]
    return Sandbox((*start, *folders), "bubblewrap: no network, no home")


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
    """Yield the arguments that every server has in common; of /proc, other namespaces of users can be listed only."""
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
    """Yield the folders of an installation that lies elsewhere; a wheel keeps libraries beside its own folder."""
    for bindir in dict.fromkeys([binaries.bindir, binaries.bindir.resolve()]):
        if not bindir.is_relative_to("/usr"):
            prefix = bindir.parent
            beside = prefix.parent.with_name(f"{prefix.parent.name}.libs")
            yield from (path for path in (*(prefix / name for name in _INSTALLATION), beside) if path.is_dir())


def _shown(path: Path) -> Iterator[str]:
    yield from _read_only(path)
    for hidden in (path / name for name in _HIDDEN):
        if hidden.is_dir():
            yield from ("--tmpfs", str(hidden.resolve()))


def _read_only(path: Path) -> tuple[str, ...]:
    return ("--ro-bind", str(path), str(path))
