"""A run of a fleet by a command: the question, the run, what is printed of it, and the exit status."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.cli.fleet.call import confirm, limits_of, manner_of, signals, theirs
from sqlmigrate.cli.fleet.drawing import Drawing, summary
from sqlmigrate.errors import Error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    import click

    from sqlmigrate.cli.call import App
    from sqlmigrate.cli.fleet.noting import Noting
    from sqlmigrate.cli.output import Output
    from sqlmigrate.fleet.driving import Driver
    from sqlmigrate.fleet.fleet import Fleet
    from sqlmigrate.fleet.ledger import RunRecord
    from sqlmigrate.fleet.project import Call

_FAILED, _NOT_CONFIRMED = 1, 2
_SIGNALLED = 128


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command is to do, and what it asks before: `always`, or only where the environment is protected."""

    operation: str
    question: str
    always: bool = False
    whole: bool = True  # all targets of the list take part, so that new ones are worth a word


@dataclass(slots=True)
class Ear:
    """Hears Ctrl-C and SIGTERM, which stop the run instead of the process; `number` is the first that came."""

    output: Output
    noting: Noting
    number: int | None = None

    @contextmanager
    def listening(self, driver: Driver) -> Iterator[None]:
        """Let signals reach a driver for a block."""

        def stop(number: int, _frame: FrameType | None) -> None:
            if self.number is None:
                self.number = number
                self.output.always("stopping: no more targets are opened; once more, and none is waited for")
            driver.interrupt()

        self.noting.run_id = driver.run.run_id
        with signals(stop):
            yield


def carry_out(
    context: click.Context,
    app: App,
    fleet: Fleet,
    asked: Asked,
    pace: dict[str, Any],
    run: Callable[[Call], RunRecord],
) -> None:
    """Ask, run, print what has become of it, and end the command with the exit status of that."""
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it
    from sqlmigrate.fleet.report.sums import as_json  # noqa: PLC0415  same

    _warn(app)
    from sqlmigrate.cli.fleet.noting import Noting  # noqa: PLC0415  same

    noting = Noting(app.output.recorder, Drawing(app.output, asked.operation))
    ear = Ear(app.output, noting)
    limits, manner = limits_of(pace, len(fleet.places)), manner_of(app, pace)
    confirm(app, asked.question, always=asked.always)
    record = run(project.Call(limits, manner, noting, ear.listening, app.output.warning))
    new = _newcomers(app, record) if asked.whole else []
    app.output.result(**as_json(record, new))
    summary(app.output, record, new)
    context.exit(_status(record, ear.number))


def _newcomers(app: App, record: RunRecord) -> list[str]:
    """Return the targets that are new since the run began; what has become of the run is told in any case."""
    from sqlmigrate.fleet import project  # noqa: PLC0415  a run has loaded it

    try:
        return project.newcomers(app.config, record, theirs(app))
    except Error as error:
        app.output.warning(f"whether there are new targets is not known: {error}")
        return []


def _warn(app: App) -> None:
    """Say which settings of the project hold for a single database only."""
    config = app.config
    settings = {"[hooks]": config.hooks, "check_drift": config.check_drift, "dump_after_apply": config.dump_after_apply}
    if ignored := [name for name, value in settings.items() if value]:
        app.output.warning(
            f"{' and '.join(ignored)} {'is' if len(ignored) == 1 else 'are'} not for fleets, and ignored"
        )


def _status(record: RunRecord, number: int | None) -> int:
    from sqlmigrate.fleet.coordinator import Stop  # noqa: PLC0415  a run has loaded it

    if record.why == Stop.INTERRUPTED.value:
        return _SIGNALLED + (number or signal.SIGINT)
    if record.why == Stop.NOT_APPROVED.value:
        return _NOT_CONFIRMED
    return _FAILED if record.why or any(state.value == "failed" for state in record.counts()) else 0
