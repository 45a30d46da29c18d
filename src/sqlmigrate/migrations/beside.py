"""Read many migrations in a process of its own, while this one loads what the command needs to connect.

Both are Python's own work, of which a process does one at a time. Where there are few files, or no second processor, it
would take longer.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from typing import TYPE_CHECKING

from sqlmigrate.migrations.files import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlmigrate.migrations.model import Migrations

_FILES_WORTH = 400
_BYTES_MAX = 16 << 20  # they are held twice for a moment


def load_beside(directory: Path) -> Callable[[], Migrations]:
    """Begin to read the migrations of a directory; the function that is returned gives them, and raises as `load`."""
    if not _is_worth_it(directory):
        return lambda: load(directory)
    ours, theirs = os.pipe()
    try:
        child = os.fork()
    except OSError:  # there are as many processes as there may be
        os.close(ours)
        os.close(theirs)
        return lambda: load(directory)
    if child == 0:
        _send(directory, theirs)
    os.close(theirs)

    def result() -> Migrations:
        with os.fdopen(ours, "rb") as pipe:
            sent = pipe.read()
        # what is wrong with them is found here again
        return pickle.loads(sent) if _went_well(child) else load(directory)  # noqa: S301  it is of our own process

    return result


def _went_well(child: int) -> bool:
    """Wait for the child, and tell whether it has sent all."""
    try:
        return os.waitpid(child, 0)[1] == 0
    except ChildProcessError:  # whoever started us has us hear nothing of children
        return False


def _send(directory: Path, pipe: int) -> None:
    """Read in the child, and end it without anything that a Python program does at its end."""
    status = 1
    try:
        with os.fdopen(pipe, "wb") as file:
            file.write(pickle.dumps(load(directory), pickle.HIGHEST_PROTOCOL))
        status = 0
    except BaseException:  # noqa: BLE001, S110  the parent finds it again
        pass
    finally:
        os._exit(status)


def _is_worth_it(directory: Path) -> bool:
    """Tell whether a second process is quicker: where fork() is safe, a processor is free, and there are many files."""
    if sys.platform != "linux" or threading.active_count() > 1 or len(os.sched_getaffinity(0)) == 1:
        return False
    try:
        with os.scandir(directory) as entries:
            sizes = [entry.stat().st_size for entry in entries if entry.name.endswith(".sql")]
    except OSError:
        return False
    return len(sizes) >= _FILES_WORTH and sum(sizes) <= _BYTES_MAX
