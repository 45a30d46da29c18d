"""The account that a private server runs under, and the environment that its programs see."""

from __future__ import annotations

import os
import pwd
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlmigrate.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    Command: TypeAlias = Sequence[str | Path]

ROOT_ACCOUNTS = ("postgres", "nobody")
# What PostgreSQL's programs need of an environment: to find programs, libraries, locales and time zones.
_NEEDED = frozenset({"PATH", "LANG", "LANGUAGE", "LOCPATH", "TZ", "TZDIR", "LD_LIBRARY_PATH"})
# What a client of the user's own server needs beside it: where his passwords, certificates and tickets are.
_CLIENT = frozenset({"HOME", "USER", "LOGNAME", "KRB5CCNAME", "KRB5_CONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR"})


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the operating system; `switch` says that we are root and become it for the server's programs."""

    name: str
    uid: int
    gid: int
    switch: bool = False

    def subprocess_options(self) -> dict[str, Any]:
        """Return the options for `subprocess` that make a program run as this account, away from our terminal."""
        options: dict[str, Any] = {"cwd": "/", "stdin": subprocess.DEVNULL, "env": program_environment()}
        if self.switch:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def reaches(self, directory: Path) -> bool:
        """Tell whether the account can enter a directory; as root the account itself tries it."""
        if not self.switch:
            return os.access(directory, os.X_OK)
        probe: Command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", directory]
        return subprocess.run(probe, check=False, capture_output=True, **self.subprocess_options()).returncode == 0

    def owns(self, status: os.stat_result) -> bool:
        """Tell whether a file with this status belongs to the account."""
        return status.st_uid == self.uid


def server_account() -> Account:
    """Choose the account: our own, or as root (which PostgreSQL refuses) the first of `ROOT_ACCOUNTS`."""
    uid = os.geteuid()
    if uid != 0:
        return Account(account_name(uid), uid, os.getegid())
    for name in ROOT_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, switch=True)
    raise ServerError(
        "PostgreSQL refuses to run as root, and neither account postgres nor nobody exists",
        hint="run sqlmigrate as an ordinary user, or name a database with DATABASE_URL",
    )


def program_environment() -> dict[str, str]:
    """Return what a program of PostgreSQL needs of our environment, in the C locale (its messages are not translated).

    Nothing else of it: whoever can run SQL as superuser there can read the environment of the server.
    """
    kept = {name: value for name, value in os.environ.items() if name in _NEEDED or name.startswith("LC_")}
    return kept | {"LC_ALL": "C"}


def client_environment() -> dict[str, str]:
    """Return what a client such as `pg_dump` needs of our environment to reach a server of the user's."""
    kept = {name: value for name, value in os.environ.items() if name in _CLIENT or name.startswith("PG")}
    return program_environment() | kept


@contextmanager
def without_pg_variables() -> Iterator[None]:
    """Take the `PG*` variables out of our own environment: libpq reads them on each connect.

    `PGSERVICE` or `PGHOSTADDR` would send a session that is meant for a private server to another one.
    """
    taken = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    for name in taken:
        del os.environ[name]
    try:
        yield
    finally:
        for name, value in taken.items():
            os.environ.setdefault(name, value)


def account_name(uid: int) -> str:
    """Return the name of an account, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
