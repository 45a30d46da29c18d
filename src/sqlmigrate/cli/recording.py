"""What happens, for programs and for later: the files of --events and --log-file, and what JSON results say of it."""

from __future__ import annotations

import json
import os
import select
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.errors import Error, ExecutionError, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlmigrate.cli.hooks import Runner
    from sqlmigrate.config import Hooks
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.events import Event, Observer

RECORDING = (
    click.option(
        "--events",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Add each event to a file as it happens, as one line of JSON.",
    ),
    click.option(
        "--log-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Add everything that --verbose prints to a file, with the time.",
    ),
)
_KEPT = 200
"""So many attempts, waits and the like stand in a JSON result; the file of events has all."""
_READER_SECONDS = 1.0
"""So long a reader of a pipe may keep us waiting; locks may be held meanwhile."""


class Sink:
    """A file that is written to at its end, a line at a time; where it takes no more, that is said once."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        from sqlmigrate.files import opened_to_append  # noqa: PLC0415  only where it was asked for

        self._path, self._complain = path, complain
        self._descriptor: int | None = opened_to_append(path)

    def write(self, text: str) -> None:
        """Write whole lines; nothing is raised, since no script fails for want of a log."""
        left = text.encode(errors="backslashreplace")
        try:
            while left and self._descriptor is not None:
                left = left[self._written(self._descriptor, left) :]
        except OSError as error:
            self.close()
            self._complain(f"{self._path} gets nothing more: {error.strerror or error}")

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @staticmethod
    def _written(descriptor: int, data: bytes) -> int:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            poll = select.poll()  # and not select(), which takes no descriptor above 1,023
            poll.register(descriptor, select.POLLOUT)
            if not poll.poll(_READER_SECONDS * 1000):
                raise TimeoutError("nobody reads it") from None
            return 0


@dataclass(slots=True)
class Recorder:
    """What one call of a command notes: each event in a file, each line in another, and what its JSON says of waits."""

    command: str
    run_id: str = field(default_factory=lambda: os.urandom(16).hex())
    events: Sink | None = None
    log: Sink | None = None
    failed: Error | None = None
    hooks: Runner | None = None
    _seen: dict[str, list[dict[str, Any]]] | None = None
    _begun: bool = False
    _lock: Any = field(default_factory=Lock)

    def noting(self, draw: Observer, *, runs: bool = True) -> Observer:
        """Return an observer that notes each event before another one draws it; JSON tells how what `runs` waited."""
        self._seen = {name: [] for name in dict.fromkeys(_KIND.values())} if runs else None

        def observe(event: Event) -> None:
            self.note(event)
            draw(event)

        return observe

    def note(self, event: Event) -> None:
        """Note an event; it may come from any thread."""
        kept = _KIND.get(type(event).__name__)
        self._begun = self._begun or type(event).__name__ == "RunStarted"
        if self.events is None and self.hooks is None and kept is None:
            return
        from sqlmigrate.events.record import record  # noqa: PLC0415  most calls find nothing to do

        values = record(event, run_id=self.run_id, command=self.command)
        with self._lock:
            if self.events is not None:
                self.events.write(json.dumps(values, ensure_ascii=False) + "\n")
            if kept is not None and self._seen is not None:
                self._keep(self._seen[kept], dict(values))
        if self.hooks is not None and self._begun:
            self.hooks.on(event, values)

    @staticmethod
    def _keep(seen: list[dict[str, Any]], values: dict[str, Any]) -> None:
        """Keep what a JSON result shows; of what is tried every second, the last time."""
        for name in ("version", "run_id", "command"):
            del values[name]
        if seen and values["event"] == seen[-1]["event"] and values["event"] in _REPEATED:
            seen[-1] = {**values, "at": seen[-1]["at"]}
        elif len(seen) < _KEPT:
            seen.append(values)

    def take_hooks(self, hooks: Hooks, show: Callable[..., None], warn: Callable[[str], None]) -> None:
        """Run the hooks of a project for what is noted from now on."""
        if hooks:
            from sqlmigrate.cli.hooks import Runner  # noqa: PLC0415  few projects have any

            self.hooks = Runner(hooks, show, warn)

    def begins(self, info: ServerInfo | None, ids: Iterable[str] = ()) -> None:
        """Note that the command is about to work, on a database or on throwaway ones alone."""
        from sqlmigrate.events import RunStarted  # noqa: PLC0415  most calls find nothing to do

        began = RunStarted(self.command, migration_ids=tuple(ids))
        if info is not None:
            began = replace(began, database=info.database, host=info.host, role=info.role, postgresql=str(info.version))
        self.note(began)

    def result(self) -> dict[str, Any]:
        """Return what a JSON result says of this run; nothing where nothing could run."""
        return {"run_id": self.run_id, **self._seen} if self._seen is not None else {}

    def say(self, text: str) -> None:
        """Write a line of output to the log, with the time in UTC, whether or not it is shown."""
        if self.log is not None:
            at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            lines = redact(click.unstyle(text)).split("\n")
            self.log.write("".join(f"{at} {self.run_id[:8]} {line}\n" for line in lines))

    def ended(self, status: int) -> None:
        """Note how the command ended, and close the files."""
        if self.events is not None or (self.hooks is not None and self._begun):
            from sqlmigrate.events import RunEnded  # noqa: PLC0415  most calls write no events

            error = self.failed
            of_script = error if isinstance(error, ExecutionError) else None
            self.note(
                RunEnded(
                    self.command,
                    status,
                    error=error.message if error else None,
                    hint=error.hint if error else None,
                    migration_id=of_script.migration_id if of_script else None,
                    place=error.place if error else None,
                    server=of_script.server if of_script else None,
                )
            )
        self.say(f"ended with exit status {status}")
        for sink in (self.events, self.log):
            if sink is not None:
                sink.close()


_REPEATED = {"waiting_for_run_lock", "standby_lags", "throttled"}
_KIND = {
    "LockRetry": "attempts",
    "Blocked": "waits",
    "WaitingForRunLock": "waits",
    "StandbyLags": "waits",
    "Throttled": "waits",
    "Harm": "harm",
    "KilledRunFound": "killed_runs",
}


def open_records(recorder: Recorder, complain: Callable[[str], None], values: dict[str, Any]) -> None:
    """Open the files of --events and --log-file before anything happens; raises Error where they cannot be written."""
    events, log = values.pop("events", None), values.pop("log_file", None)
    recorder.events = Sink(events, complain) if events else None
    recorder.log = Sink(log, complain) if log else None
