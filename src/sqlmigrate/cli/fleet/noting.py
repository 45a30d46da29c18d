"""The steps of a fleet's run as events, for --events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate import events
from sqlmigrate.fleet import driving

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.cli.recording import Recorder
    from sqlmigrate.fleet.driving import Step


@dataclass(slots=True)
class Noting:
    """Notes each step of a run before it is drawn."""

    recorder: Recorder
    draw: Callable[[Step], None]
    run_id: str = ""

    def __call__(self, step: Step) -> None:
        """Note a step, and draw it."""
        if (event := self._event(step)) is not None:
            self.recorder.note(event)
        self.draw(step)

    def _event(self, step: Step) -> events.Event | None:
        match step:
            case driving.WaveBegun(wave):
                return events.WaveBegun(self.run_id, wave.name, len(wave.targets))
            case driving.TargetEnded(entry, left):
                failure = entry.failure
                return events.TargetEnded(
                    self.run_id, entry.target, entry.state.value, entry.wave, entry.attempt, entry.seconds,
                    entry.migrations, str(failure) if failure else None, failure.fingerprint if failure else None,
                    entry.blocker, left,
                )  # fmt: skip
            case driving.Stopping(why, running):
                return events.FleetStopped(self.run_id, why.value, running)
        return None
