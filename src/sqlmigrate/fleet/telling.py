"""The steps of a run as events."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate import events
from sqlmigrate.fleet import driving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.fleet.driving import Driver, Step


@dataclass(slots=True)
class Telling:
    """Tells an observer of each step of a run."""

    observer: events.Observer
    run_id: str = ""

    def __call__(self, step: Step) -> None:
        """Tell of a step."""
        if (event := event_of(step, self.run_id)) is not None:
            self.observer(event)

    @contextmanager
    def listening(self, driver: Driver) -> Iterator[None]:
        """Learn which run it is."""
        self.run_id = driver.run.run_id
        yield


def event_of(step: Step, run_id: str) -> events.Event | None:
    """Return the event that a step is, if it is one."""
    match step:
        case driving.WaveBegun(wave):
            return events.WaveBegun(run_id, wave.name, len(wave.targets))
        case driving.TargetEnded(entry, left):
            failure = entry.failure
            return events.TargetEnded(
                run_id, entry.target, entry.state.value, entry.wave, entry.attempt, entry.seconds,
                entry.migrations, str(failure) if failure else None, failure.fingerprint if failure else None,
                entry.blocker, left,
            )  # fmt: skip
        case driving.Stopping(why, running):
            return events.FleetStopped(run_id, why.value, running)
    return None
