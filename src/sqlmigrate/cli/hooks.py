"""Run the commands of `[tool.sqlmigrate.hooks]`; only `apply`, `rollback` and `seed` do."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from threading import Thread
from typing import IO, TYPE_CHECKING, Any

from sqlmigrate.errors import Error

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.config.hooks import Hooks
    from sqlmigrate.events import Event

_SHOWN, _LINE = 20, 1_000  # lines of what a hook prints, and characters of each
_KEPT, _STEP = 64 << 10, 64 << 10  # bytes
_MOMENTS = {
    "RunStarted": "before_run",
    "ScriptStarted": "before_migration",
    "ScriptFinished": "after_migration",
    "Blocked": "on_waiting",
    "LockRetry": "on_waiting",
    "WaitingForRunLock": "on_waiting",
}


@dataclass(slots=True)
class Runner:
    """Runs a hook for an event; `show` prints what one says, `warn` that one failed.

    What comes before must succeed, or the event raises Error. What comes after has happened already, so that is a
    warning. Nobody waits for `on_waiting`, which comes while locks are asked for: one for each migration and event.
    """

    hooks: Hooks
    show: Callable[..., None]
    warn: Callable[[str], None]
    _told: set[tuple[str, str | None]] = field(default_factory=set)
    _aside: list[Thread] = field(default_factory=list)

    def on(self, event: Event, record: dict[str, Any]) -> None:
        """Run the hook of an event, if it has one; `record` is the event as plain data."""
        moment = _MOMENTS.get(type(event).__name__)
        if record["event"] == "run_ended":
            self._end(record)
        elif moment is None or not getattr(self.hooks, moment):
            return
        elif moment == "on_waiting":
            self._wait(record)
        elif failed := self._failed(moment, record):
            if moment == "after_migration":
                self.warn(failed)
            else:
                raise Error(f"{failed}; {_not_done(record)}", hint="see what it prints, or change [hooks]")

    def _end(self, record: dict[str, Any]) -> None:
        for thread in self._aside:
            thread.join(self.hooks.timeout / 1000)
        moments = ["on_failure"] if record["exit_status"] else []
        for moment in (*moments, "after_run"):
            if failed := self._failed(moment, record):
                self.warn(failed)

    def _wait(self, record: dict[str, Any]) -> None:
        key = (record["event"], record["migration_id"])
        if key not in self._told:
            self._told.add(key)
            thread = Thread(target=self._aside_of, args=(record,), daemon=True)
            self._aside.append(thread)
            thread.start()

    def _aside_of(self, record: dict[str, Any]) -> None:
        if failed := self._failed("on_waiting", record):
            self.warn(failed)

    def _failed(self, moment: str, record: dict[str, Any]) -> str | None:
        """Run a hook, and say how it failed; None where it did not, or where there is none."""
        words = getattr(self.hooks, moment)
        if not words:
            return None
        try:
            status = self._run(words, record)
        except OSError as error:
            return f"the hook {moment} cannot be run: {words[0]}: {error.strerror or error}"
        except subprocess.TimeoutExpired:
            return f"the hook {moment} did not end within {self.hooks.timeout / 1000:g} s and was stopped"
        return f"the hook {moment} failed with exit status {status}" if status else None

    def _run(self, words: tuple[str, ...], record: dict[str, Any]) -> int:
        """Run a command with the event on its standard input, in a session of its own: Ctrl-C is for us."""
        env = os.environ | {"SQLMIGRATE_EVENT": record["event"], "SQLMIGRATE_RUN_ID": record["run_id"]}
        with TemporaryFile() as event, subprocess.Popen(
            words, cwd=self.hooks.folder, env=env, stdin=_written(event, record), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                said = _heard(process, self.hooks.timeout / 1000)
            except BaseException:
                with suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        lines = said.decode(errors="replace").splitlines()
        self.show(*(f"  | {line if len(line) <= _LINE else f'{line[:_LINE]}…'}" for line in lines[:_SHOWN]))
        return process.returncode


def _written(file: IO[bytes], record: dict[str, Any]) -> IO[bytes]:
    """Write an event to a file that a hook reads: one that reads nothing holds up nobody."""
    file.write(json.dumps(record).encode() + b"\n")
    file.seek(0)
    return file


def _heard(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Wait for a hook and return the beginning of what it prints: it may print without end.

    Raises TimeoutExpired.
    """
    assert process.stdout is not None  # noqa: S101  for mypy
    end, kept, poll = time.monotonic() + seconds, b"", select.poll()
    poll.register(process.stdout, select.POLLIN)
    while True:
        left = end - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise subprocess.TimeoutExpired(process.args, seconds)
        if not (data := os.read(process.stdout.fileno(), _STEP)):
            process.wait(max(end - time.monotonic(), 0))
            return kept
        kept += data[: _KEPT - len(kept)]


def _not_done(record: dict[str, Any]) -> str:
    if record["event"] == "run_started":
        return "nothing was run"
    return f"{record['migration_id']} was not begun"
