"""What is asked of whoever carries out a part of a run: a small plain value, which may go to another machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlmigrate.engine import Options
    from sqlmigrate.fleet.model import Wanted
    from sqlmigrate.history.model import Run


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done at one target, by its name: bring it to a state under a run id, with scripts run in this way.

    An order that is not `patient` waits only shortly for others, and leaves the target to a later one.
    """

    target: str
    wanted: Wanted
    run: Run
    options: Options
    patient: bool = False
