"""What the commands of a fleet share: its targets, the pace of a run, and the questions before it."""

from __future__ import annotations

import re
import signal
import sys
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.foreign_text import MARK, one_line
from sqlmigrate.cli.output import is_terminal
from sqlmigrate.errors import ConfirmationRequired, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from sqlmigrate.cli.call import App
    from sqlmigrate.fleet.driving import Manner
    from sqlmigrate.fleet.fleet import Fleet
    from sqlmigrate.fleet.ledger import RunRecord
    from sqlmigrate.fleet.machines.address import Address
    from sqlmigrate.fleet.model import Limits, Wave

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_WORD = "continue"
_NAMED = 5
_AT_ONCE = 16  # histories that are read
_LISTS = ("targets", "targets_query", "targets_command")
LAST = "last"


def opened(app: App, part: tuple[int, int] | None = None) -> Fleet:
    """Read the targets of the call, and say how many there are."""
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it

    fleet = project.read(app.config, app.options(), part=part, say=theirs(app))
    env = f", environment {app.config.env}" if app.config.env else ""
    clusters = len(set(fleet.clusters().values()))
    on = f" on {clusters} clusters" if clusters > 1 else ""
    app.output.always(f"{counted(len(fleet.places), 'target')}{on} ({_source(app)}{env})")
    return fleet


def theirs(app: App) -> Callable[[str], None]:
    """Return what prints a line of another program, marked as one: the command that lists the targets."""
    return lambda line: app.output.always(f"  {MARK}{line}")


def serving(app: App) -> tuple[Address, float]:
    """Return the scheduler of the call, and the patience in seconds; raises UsageError where it may not be used."""
    from sqlmigrate.fleet.machines.address import address_of  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.fleet.machines.reaching import require_dask  # noqa: PLC0415  same

    require_dask()
    return address_of(app.config), max(app.config.scheduler_patience / 1000, 1.0)


def run_of(app: App, name: str, fleet: Fleet | None = None) -> RunRecord:
    """Return a run of the ledger; one that it does not know is looked for in the histories of the targets.

    Raises UsageError where there is none.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it

    try:
        return project.ledger_of(app.config, app.output.warning).find(name)
    except UsageError:
        if not _lists_targets(app) or app.config.scheduler:  # workers may reach targets that nobody reaches from here
            raise
        rebuild(app, fleet or opened(app), lambda record: is_called(record, name))
        return project.ledger_of(app.config, app.output.warning).find(name)


def is_called(record: RunRecord, name: str) -> bool:
    """Tell whether a run that only histories know may be meant: by its id, or as one of several targets."""
    return record.head.run_id.startswith(name) or (name == LAST and len(record.entries) > 1)


def rebuild(app: App, fleet: Fleet, chosen: Callable[[RunRecord], bool]) -> None:
    """Add runs to the ledger that only the histories of the targets know, and say how many, and who was not asked."""
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it

    new, unread = project.rebuild(app.config, fleet, _AT_ONCE, chosen)
    app.output.progress(f"{counted(len(new), 'run')} added from the histories of the targets")
    for name, why in unread.items():
        app.output.warning(f"{name} has not been asked: {why}")


def knows_no_run(app: App) -> bool:
    """Tell whether there are targets, and a ledger without any run: it may have been lost."""
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it

    return _lists_targets(app) and not project.ledger_of(app.config, app.output.warning).runs()


def confirm(app: App, question: str, *, always: bool) -> None:
    """Ask before a run, as the commands for one database do; a protected environment wants its name, typed or given.

    Raises ConfirmationRequired.
    """
    name = app.config.env or app.config.project.name
    if app.config.protected or app.yes_i_mean is not None:
        _confirm_protected(app, question, name)
    elif always and not (app.yes or app.accept_loss):
        if not is_terminal(sys.stdin):
            raise ConfirmationRequired(
                f"there is no terminal to ask on: {question} Nothing was changed", hint="to go on, give --yes"
            )
        if not click.confirm(one_line(question, styled=False), err=True):
            raise ConfirmationRequired("not confirmed; nothing was changed")


def counted(number: int, word: str) -> str:
    """Return a number with its word."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def named(names: Sequence[str]) -> str:
    """Name the first few targets, and say how many there are besides."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def part_of(part: int | None, of: int | None) -> tuple[int, int] | None:
    """Read --part and --of; raises UsageError."""
    if part is None and of is None:
        return None
    if part is None or of is None or part > of:
        raise click.UsageError("give --part I and --of N together, with I from 1 to N")
    return part, of


def _lists_targets(app: App) -> bool:
    return any(getattr(app.config, name) for name in _LISTS)


def _source(app: App) -> str:
    given = next((name for name in _LISTS if getattr(app.config, name)), _LISTS[0])
    if given == "targets":
        return f"{app.config.targets}"
    return f"{given}, {app.config.source(given)}"


def _confirm_protected(app: App, question: str, name: str) -> None:
    given = app.yes_i_mean
    if given is None:
        if not is_terminal(sys.stdin):
            raise ConfirmationRequired(
                f"{name} is protected; nothing was changed", hint=f"to go on, name it: --yes-i-mean {quote(name)}"
            )
        ask = one_line(f"{question} {name} is protected: type its name", styled=False)
        given = click.prompt(ask, err=True, default="", show_default=False)
    if given != name:
        raise ConfirmationRequired(f"{given!r} is not {name}; nothing was changed")


def limits_of(pace: dict[str, Any], targets: int) -> Limits:
    """Return how much may be under way and may fail, by the options; raises UsageError."""
    from sqlmigrate.fleet.model import Limits  # noqa: PLC0415  --help needs none of it

    return Limits(
        concurrency=pace["concurrency"],
        per_cluster=pace["per_cluster"],
        max_failures=_max_failures(pace["max_failures"], targets),
        same_error=pace["same_error"],
    )


def _max_failures(text: str | None, targets: int) -> int | None:
    from sqlmigrate.fleet.waves import read_most  # noqa: PLC0415  --help needs none of it

    try:
        return None if text is None else read_most(text, targets)
    except ValueError as error:
        raise click.UsageError(f"--max-failures: {error}") from None


def manner_of(app: App, pace: dict[str, Any]) -> Manner:
    """Return how a run goes from wave to wave, by the options; raises UsageError, and ConfirmationRequired."""
    from sqlmigrate.fleet.driving import Manner  # noqa: PLC0415  --help needs none of it

    approve = None
    if pace["approve"] and not app.yes:
        if not is_terminal(sys.stdin):
            hint = "give --yes, or start the next wave with `sqlmigrate fleet resume`"
            raise ConfirmationRequired("there is no terminal to approve waves on; nothing was changed", hint=hint)
        approve = _approved
    return Manner(_seconds("--pause", pace["pause"]) if pace["pause"] else 0.0, approve, _deadline(pace["deadline"]))


def _approved(wave: Wave) -> bool:
    question = f"Go on with wave {wave.name} ({counted(len(wave.targets), 'target')})? Type {_WORD}"
    try:
        with signals(signal.default_int_handler):
            typed = click.prompt(one_line(question, styled=False), err=True, default="", show_default=False)
            return bool(typed == _WORD)
    except click.Abort:
        return False


def _seconds(option: str, text: str) -> float:
    from sqlmigrate.sql.directives import parse_duration  # noqa: PLC0415  --help needs none of it

    try:
        return parse_duration(text) / 1000
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None


def _deadline(text: str | None) -> float | None:
    """Return the moment of a time of day (the next one), or of a time from now, as `time.monotonic` has it."""
    if text is None:
        return None
    found = _CLOCK.fullmatch(text)
    if found is None:
        return time.monotonic() + _seconds("--deadline", text)
    here = datetime.now().astimezone()
    then = here.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    return time.monotonic() + ((then if then > here else then + timedelta(days=1)) - here).total_seconds()


@contextmanager
def signals(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Give Ctrl-C and SIGTERM another handler for a block."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
