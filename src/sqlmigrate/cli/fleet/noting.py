"""The steps of a fleet's run as events, for --events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.fleet.telling import event_of

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
        if (event := event_of(step, self.run_id)) is not None:
            self.recorder.note(event)
        self.draw(step)
