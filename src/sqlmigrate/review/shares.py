"""What an observer hears of a review that several servers share: as if it were one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING

from sqlmigrate.events import ScriptStarted

if TYPE_CHECKING:
    from sqlmigrate.events import Event, Observer


@dataclass(slots=True)
class Together:
    """Passes the events of several threads on to one observer, one at a time, and numbers what begins through."""

    observer: Observer
    _begun: Counter[str] = field(default_factory=Counter)
    _total: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, event: Event) -> None:
        """Pass an event on."""
        with self._lock:
            self.observer(self._numbered(event) if isinstance(event, ScriptStarted) else event)

    def _numbered(self, event: ScriptStarted) -> ScriptStarted:
        """Give a beginning its number among those of all servers; how many there are is known once each has begun."""
        name = event.operation
        self._begun[name] += 1
        self._total[name] += event.total if event.number == 1 else 0
        return replace(event, number=self._begun[name], total=self._total[name])
