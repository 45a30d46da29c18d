"""Processes of the command, forked from one that has imported all: Python takes ten times as long to begin."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.command import Outcome, started
from support.waiting import LONG

_PROGRAM = """
import importlib, json, os, sys
from sqlmigrate.__main__ import run
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
for line in sys.stdin:
    printed, *arguments = json.loads(line)
    child = os.fork()
    if not child:
        nowhere, said = os.open(os.devnull, os.O_RDONLY), os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for number, end in enumerate((nowhere, said, said)):
            os.dup2(end, number)
        sys.argv = ["sqlmigrate", *arguments]
        run()
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forking:
    """Runs the command as one process after the other."""

    def __init__(self, process: subprocess.Popen[str], printed: Path) -> None:
        self._process, self._printed = process, printed
        self._begun = threading.Event()
        self._pid = 0

    def run(self, *arguments: str | Path) -> Outcome:
        """Run the command in a process of its own; gives what it said, on stdout and stderr alike."""
        assert self._process.stdin
        self._begun.clear()
        self._process.stdin.write(json.dumps([str(item) for item in (self._printed, *arguments)]) + "\n")
        self._process.stdin.flush()
        self._pid = self._number()
        self._begun.set()
        overdue = threading.Timer(LONG, self.kill, [signal.SIGABRT])  # which shows where each of its threads stands
        overdue.start()
        try:
            status = self._number()
        finally:
            overdue.cancel()
        outcome = Outcome(status, self._printed.read_text(), "")
        assert status != -signal.SIGABRT, outcome
        return outcome

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the process that runs with a signal; to be called from another thread."""
        assert self._begun.wait(LONG)
        with suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def _number(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())


@contextmanager
def forking(folder: Path, *modules: str) -> Iterator[Forking]:
    """Start what processes of the command are forked from; it imports these modules of it before."""
    with started(json.dumps(modules), program=_PROGRAM, stdin=subprocess.PIPE, stderr=None) as process:
        yield Forking(process, folder / "printed")
