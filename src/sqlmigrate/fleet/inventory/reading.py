"""From the settings to the targets of a fleet."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import ConfigError, InventoryError, Place, Problem, SeedError, UsageError, redact
from sqlmigrate.fleet.inventory.checking import checked
from sqlmigrate.fleet.inventory.rows import of_csv, of_json_lines, of_values
from sqlmigrate.seeds.reading.document import parse, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.config import Config
    from sqlmigrate.fleet.inventory.model import Target
    from sqlmigrate.seeds.reading.document import Document

_KINDS = ("targets", "targets_query", "targets_command")
_PROBLEMS = 50  # of a list that are told
_SECONDS = 300  # for a command that lists targets
_MOST, _STEP = 256 << 20, 64 << 10  # bytes: that one may print, and of one look
_LOOK = 0.1  # seconds between two looks whether it has ended
_LINES, _LINE = 100, 1_000  # that are told of what one says on stderr, and characters of each


def read(config: Config, say: Callable[[str], None] = lambda _: None) -> tuple[Target, ...]:
    """Read the targets that the settings name, in their order.

    Where a command lists them, `say` is told each line that it writes to stderr, as it comes and without passwords.

    Raises InventoryError with everything that is wrong with them, UsageError where the settings name none or two lists,
    and ConnectionFailed where the control database does not answer.
    """
    kind = _kind(config)
    try:
        if kind == "targets_command":
            return checked(_command(config, say))
        return checked(_file(config) if kind == "targets" else _query(config))
    except SeedError as error:
        problems = shortened([_without_text(problem) for problem in error.problems])
        raise InventoryError(f"the list of targets is refused ({config.source(kind)})", problems) from None


def of(values: Iterable[Mapping[str, Any]]) -> tuple[Target, ...]:
    """Check targets that a program gives; raises InventoryError with everything that is wrong with them."""
    try:
        return checked(of_values(Path("targets"), enumerate(values, 1)))
    except SeedError as error:
        problems = shortened([_without_text(problem) for problem in error.problems])
        raise InventoryError("the list of targets is refused", problems) from None


def shortened(problems: Sequence[Problem]) -> list[Problem]:
    """Return the first problems, and how many there are besides: a list may have very many targets."""
    more = len(problems) - _PROBLEMS
    rest = [Problem(f"and {more:,} more problems")] if more > 0 else []
    return [*problems[:_PROBLEMS], *rest]


def _kind(config: Config) -> str:
    """Tell which setting lists the targets: one that is an option goes before the others."""
    named = [name for name in _KINDS if getattr(config, name)]
    if config.source("targets").startswith("option"):
        return "targets"
    if not named:
        hint = "name a file with --targets, or set targets, targets_query or targets_command"
        raise UsageError("no targets are named", hint=hint)
    if len(named) > 1:
        raise ConfigError(f"{' and '.join(named)} name two lists of targets; set one of them")
    return named[0]


def _without_text(problem: Problem) -> Problem:
    """Return a problem that shows no line of the list: there may be a password in it."""
    return replace(problem, place=replace(problem.place, text=None)) if problem.place else problem


def _file(config: Config) -> Document:
    assert config.targets is not None  # noqa: S101  for mypy
    path = config.targets
    text = read_text(path)
    match path.suffix.lower():
        case ".yaml" | ".yml" | ".json":
            return parse(path, text)
        case ".csv":
            return of_csv(path, text)
        case ".jsonl" | ".ndjson":
            return of_json_lines(path, text)
    hint = "name it .yaml, .csv or .jsonl (a JSON object in each line)"
    raise InventoryError(f"{path}: its name does not say how the targets are written", hint=hint)


def _query(config: Config) -> Document:
    from sqlmigrate.fleet.control import rows_of  # noqa: PLC0415  a file needs no database

    found = rows_of(config, config.targets_query or "")
    return of_values(Path("targets_query"), enumerate(found, 1))


def _command(config: Config, say: Callable[[str], None]) -> Document:
    """Run the command that prints the targets; it has no input, and ends with us."""
    words = config.targets_command
    try:
        with (
            subprocess.Popen(
                words,
                cwd=config.project,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            ) as process,
            _ending(process),
        ):
            said = _heard(process, say)
    except OSError as error:
        raise InventoryError(f"targets_command cannot be run: {words[0]}: {error.strerror or error}") from None
    if process.returncode:
        raise InventoryError(f"targets_command failed with exit status {process.returncode}", hint="see what it prints")
    path = Path("targets_command")
    try:
        return of_json_lines(path, said.decode())
    except UnicodeDecodeError:
        raise InventoryError("targets_command prints what is not UTF-8", [Problem("not UTF-8", Place(path))]) from None


@contextmanager
def _ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a command, and what it has started, with us."""
    try:
        yield
    except subprocess.TimeoutExpired:
        _kill(process)
        raise InventoryError(f"targets_command did not end within {_SECONDS} s and was stopped") from None
    except BaseException:
        _kill(process)
        raise


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _heard(process: subprocess.Popen[bytes], say: Callable[[str], None]) -> bytes:
    """Return what a command prints until it ends; raises InventoryError where that is too much, and TimeoutExpired.

    What it leaves behind may hold its stderr open.
    """
    assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018  for mypy
    end, said, besides, poll = time.monotonic() + _SECONDS, bytearray(), _Besides(say), select.poll()
    printed, told = process.stdout.fileno(), process.stderr.fileno()
    opened = {printed, told}
    for descriptor in opened:
        poll.register(descriptor, select.POLLIN)
    while printed in opened or process.poll() is None:
        left = end - time.monotonic()
        if left <= 0:
            raise subprocess.TimeoutExpired(process.args, _SECONDS)
        if not opened:
            process.wait(left)
        for descriptor, _ in poll.poll(min(left, _LOOK) * 1000) if opened else ():
            data = os.read(descriptor, _STEP)
            if not data:
                poll.unregister(descriptor)
                opened.remove(descriptor)
            elif descriptor == told:
                besides.take(data)
            else:
                said += data
        if len(said) > _MOST:
            raise InventoryError(f"targets_command printed more than {_MOST >> 20} MB and was stopped")
    if told in opened and poll.poll(0):
        besides.take(os.read(told, _STEP))
    besides.end()
    return bytes(said)


@dataclass(slots=True)
class _Besides:
    """What a command writes to stderr: the first lines of it, each cut, are told as they come."""

    say: Callable[[str], None]
    left: int = _LINES
    _line: bytes = b""

    def take(self, data: bytes) -> None:
        """Take in what was written."""
        *whole, last = (self._line + data).split(b"\n")
        self._line = last[:_STEP]
        for line in whole:
            self._tell(line)

    def end(self) -> None:
        """Tell what the last line break does not end."""
        if self._line:
            self._tell(self._line)

    def _tell(self, line: bytes) -> None:
        if self.left > 0:
            text = redact(line.decode(errors="replace").rstrip("\r"))
            self.say(text if len(text) <= _LINE else f"{text[:_LINE]}…")
        elif self.left == 0:
            self.say("…")
        self.left -= 1
