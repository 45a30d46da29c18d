"""The command line for tests: called in this process, started as a program, or typed at in a terminal."""

from __future__ import annotations

import codecs
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlmigrate
from sqlmigrate.cli.app import main
from support.waiting import LONG

SOURCE = Path(sqlmigrate.__file__).parents[1]
SECONDS = LONG


@dataclass(frozen=True)
class Outcome:
    """What one call gave: its exit status, and what it printed where."""

    status: int
    stdout: str
    stderr: str

    def __post_init__(self) -> None:
        """No call may ever end in a traceback."""
        assert "Traceback" not in self.stdout + self.stderr, self

    @property
    def document(self) -> Any:
        """The JSON document that is everything on stdout."""
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()


Call = Callable[..., Outcome]


def call(arguments: tuple[str | Path, ...], read: Callable[[], tuple[str, str]]) -> Outcome:
    """Call the command line in this process; `read` gives what was printed since it was last asked."""
    read()
    before = signal.getsignal(signal.SIGTERM)
    try:
        status = main([str(argument) for argument in arguments])
    finally:
        signal.signal(signal.SIGTERM, before)
    return Outcome(status, *read())


def environment(more: dict[str, str]) -> dict[str, str]:
    """Give our environment, in which the command is found as it is found here."""
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "PYTHONFAULTHANDLER": "1"} | more


@contextmanager
def started(
    *arguments: str | Path, env: dict[str, str] | None = None, program: str | None = None, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """Start the command, or a Python program in its place, as a process of its own; it is killed at the end."""
    python = ["-c", program] if program else ["-m", "sqlmigrate"]
    settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [sys.executable, *python, *map(str, arguments)],
        env=environment(env or {}),
        encoding="utf-8",
        errors="surrogateescape",
        **(settings | options),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> Outcome:
    """Wait until a program has ended by itself; one that does not shows where each of its threads stands."""
    try:
        stdout, stderr = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        raise AssertionError(f"it has not ended after {SECONDS} s: {process.communicate()}") from None
    return Outcome(process.returncode, stdout, stderr)


def program(*arguments: str | Path, **options: Any) -> Outcome:
    """Run the command as a program of its own."""
    with started(*arguments, **options) as process:
        return ended(process)


class Terminal:
    """A program in a terminal; `shown` is everything that it printed so far, stdout and stderr as people see them."""

    def __init__(self, process: subprocess.Popen[str], screen: int) -> None:
        self.process = process
        self.shown = ""
        self._screen = screen
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def wait_for(self, text: str) -> None:
        """Read until a text is shown; fails when the program ends or the time is over before."""
        deadline = time.monotonic() + SECONDS
        while text not in self.shown:
            assert self._read(deadline), f"{text!r} was not shown, but: {self.shown}"

    def enter(self, text: str) -> None:
        os.write(self._screen, f"{text}\n".encode())

    def end(self) -> int:
        """Read until the program ends, and give its exit status."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        assert "Traceback" not in self.shown, self.shown
        return self.process.wait(SECONDS)

    def _read(self, deadline: float) -> bool:
        """Read what is there; False at the end."""
        if not select.select([self._screen], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise AssertionError(f"nothing more was shown in {SECONDS} s after: {self.shown}")
        try:
            data = os.read(self._screen, 4096)
        except OSError:  # Linux says EIO when the last program has left the terminal
            return False
        self.shown += self._decoder.decode(data)
        return bool(data)


@contextmanager
def terminal(*arguments: str | Path, columns: int = 0, **options: Any) -> Iterator[Terminal]:
    """Start the command in a terminal of its own, which knows its width if it has so many columns."""
    screen, inside = pty.openpty()
    termios.tcsetwinsize(screen, (24 if columns else 0, columns))
    try:
        streams = {"stdin": inside, "stdout": inside, "stderr": inside} | options
        with started(*arguments, **streams) as process:
            os.close(inside)
            inside = -1
            yield Terminal(process, screen)
    finally:
        os.close(screen)
        if inside >= 0:
            os.close(inside)


def shell(text: str, **variables: str) -> Outcome:
    """Run a line of shell in which `sqlmigrate` is the command."""
    command = f'sqlmigrate() {{ "{sys.executable}" -m sqlmigrate "$@"; }}; {text}'
    env = environment(variables | {"PYTHON": sys.executable})
    done = subprocess.run(["sh", "-c", command], capture_output=True, env=env, timeout=SECONDS, check=False)
    return Outcome(done.returncode, *(part.decode(errors="surrogateescape") for part in (done.stdout, done.stderr)))
