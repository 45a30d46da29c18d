"""What comes in from other machines makes nothing but what is listed here, and runs nothing but our tasks.

Dask sends tasks as pickles, which name functions: whoever is let in could name any. Python tells before a pickle names
something (the audit event `pickle.find_class`), and where that is not in the list, it ends there. Beside that, handlers
that start, write or load something are taken away from scheduler and worker.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

_TASKS = "sqlmigrate.fleet.machines.tasks"
TASKS = ("carry_out", "look", "report_in")
"""The functions of `tasks` that a task may name."""
_OF_A_TASK = frozenset(
    {
        ("builtins", "bytes"),
        ("builtins", "str"),
        ("dask._expr", "Expr._reconstruct"),
        ("dask._expr", "LLGExpr"),
        ("dask._task_spec", "Task"),
        *((_TASKS, name) for name in TASKS),
    }
)
OF_SCHEDULER = frozenset(
    {"cancel", "check_idle", "heartbeat_worker", "identity", "ping", "register-client", "register-worker", "unregister"}
)
"""What a scheduler does for whoever asks on a connection of its own."""
OF_WORKER = frozenset({"ping"})
STREAMED_BY_CLIENT = frozenset(
    {
        "cancel-keys", "client-desires-keys", "client-releases-keys", "close-client", "close-stream",
        "heartbeat-client", "subscribe-topic", "unsubscribe-topic", "update-graph",
    }
)  # fmt: skip
"""What a client asks of a scheduler on the connection that it keeps."""
STREAMED_BY_WORKER = frozenset(
    {
        "add-keys", "close-stream", "keep-alive", "log-event", "long-running", "release-worker-data",
        "request-refresh-who-has", "reschedule", "task-erred", "task-finished", "worker-status-change",
    }
)  # fmt: skip
"""What a worker tells a scheduler on the connection that it keeps."""
SETTINGS = {
    "distributed.client.preload": [],
    "distributed.scheduler.allowed-imports": [],  # enumerations in messages would be any value of a module
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.preload": [],
    "distributed.worker.preload": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.disk": False,
    "distributed.diagnostics.nvml": False,
    "distributed.comm.offload": False,  # so that one thread alone reads what comes in
}
"""Dask's settings, of which no file and no variable decides."""
_LOGGERS = ("asyncio", "bokeh", "distributed", "tornado")

_listed: frozenset[tuple[str, str]] | None = None  # for all threads of a process that does nothing else
_threads: set[int] = set()  # those that may make nothing at all
_installed = False


class Refused(Exception):
    """A pickle names what is not in the list."""


def narrow() -> None:
    """Let all pickles of this process make tasks of ours alone, for as long as it lives."""
    global _listed  # noqa: PLW0603  a hook cannot be taken away either
    _listed = _OF_A_TASK
    _install()


def narrow_thread() -> None:
    """Let pickles that this thread reads make nothing but plain values."""
    _threads.add(threading.get_ident())
    _install()


def keep(handlers: MutableMapping[str, Any], names: Iterable[str]) -> None:
    """Take away all handlers but those of the names."""
    kept = frozenset(names)
    for name in [name for name in handlers if name not in kept]:
        del handlers[name]


def quiet(*, everything: bool) -> None:
    """Keep Dask's own words and traces off the screen; with `everything`, those of its libraries too."""
    for name in _LOGGERS if everything else _LOGGERS[2:]:
        for known in [name, *(other for other in logging.root.manager.loggerDict if other.startswith(f"{name}."))]:
            logger = logging.getLogger(known)
            logger.handlers = [logging.NullHandler()]
            logger.propagate = False


def _install() -> None:
    global _installed  # noqa: PLW0603  once for the process
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "pickle.find_class":
        return
    named = (str(arguments[0]), str(arguments[1]))
    if (_listed is not None and named not in _listed) or threading.get_ident() in _threads:
        raise Refused(f"{named[0]}.{named[1]} is none of our tasks")
