"""File locks of a data directory: the kernel frees them when a process ends, so none is ever stale.

`start` is held while anything changes (start, stop, create, destroy), `use` is shared by all users of the server,
`watch` is held by the watchdog. Who needs two of them takes `start` first. Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLL_INTERVAL = 0.02
MODE = 0o600


@dataclass(frozen=True, slots=True)
class Locks:
    """The lock files of a data directory, and the marker that keeps its server running without users."""

    data_dir: Path

    @property
    def start(self) -> Path:
        """The lock for changes."""
        return self.data_dir.with_name(f"{self.data_dir.name}.start.lock")

    @property
    def use(self) -> Path:
        """The lock that users share."""
        return self.data_dir.with_name(f"{self.data_dir.name}.use.lock")

    @property
    def watch(self) -> Path:
        """The lock of the watchdog."""
        return self.data_dir.with_name(f"{self.data_dir.name}.watch.lock")

    @property
    def keep(self) -> Path:
        """The marker; it counts only while a server runs, so one that a reboot left behind does no harm."""
        return self.data_dir.with_name(f"{self.data_dir.name}.keep")

    def in_use(self) -> bool:
        """Tell whether somebody uses the server; meant for the holder of `start`."""
        try:
            with attempted(self.use, create=False) as exclusive:
                return not exclusive
        except FileNotFoundError:
            return False


@contextmanager
def exclusive(path: Path, seconds: float) -> Iterator[None]:
    """Hold a lock; give up after a time, since its holder may be stopped."""
    deadline = time.monotonic() + seconds
    while True:
        with attempted(path) as held:
            if held:
                yield
                return
        if time.monotonic() > deadline:
            raise ServerError(
                f"another process has been starting or stopping the private server for {seconds:.0f} s",
                hint=f"see who holds {path}",
            )
        time.sleep(POLL_INTERVAL)


@contextmanager
def attempted(path: Path, *, create: bool = True) -> Iterator[bool]:
    """Hold a lock if it is free, and say whether it was."""
    descriptor = open_lock(path, create=create)
    try:
        # A state directory that was deleted and made again has other files, which nobody else knows yet.
        yield lock(descriptor, fcntl.LOCK_EX) and is_current(descriptor, path)
    finally:
        os.close(descriptor)


def open_lock(path: Path, *, create: bool = True) -> int:
    """Open a lock file without locking it."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    return os.open(path, flags, MODE)


def lock(descriptor: int, kind: int) -> bool:
    """Try to lock an open file, as LOCK_SH or LOCK_EX; False when others stand in the way."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_current(descriptor: int, path: Path) -> bool:
    """Tell whether an open lock file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
