"""A run of a fleet as its ledger knows it, and the same as plain data."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Error, UsageError
from sqlmigrate.events.record import plain
from sqlmigrate.files.reading import record
from sqlmigrate.fleet.model import FINAL, WELL, Failure, State, Wanted, Wave

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

LAST = "last"
"""Stands for the newest run."""
_LEAST = 4
"""So many characters of a run id are enough, where no other run begins with them."""
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_MOMENT = re.compile(r"[0-9TZ:.+-]{1,40}")
_OPERATIONS = ("apply", "rollback")
_TEXTS = ("target", "at", "wave", "attempt", "worker")
"""What stands in an entry as it is: there are two for each target of a run, so they are written quickly."""
FORMAT = 1
"""It rises when a field goes or changes its meaning; new ones may come without it."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a run was begun with: by whom, when (UTC), what was wanted, and of which targets in which waves.

    `others` are targets that were there and are in no wave.
    """

    run_id: str
    began: str
    username: str
    hostname: str
    wanted: Wanted
    waves: tuple[Wave, ...]
    others: tuple[str, ...] = ()
    env: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"kind": "run", "format": FORMAT, **plain(self)}

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Head:
        """Read plain data; raises TypeError, KeyError and ValueError where it is none of a run."""
        waves = tuple(Wave(word(item["name"]), _words(item["targets"])) for item in values["waves"])
        wanted = record(Wanted, _known(Wanted, values["wanted"]))
        others = _words(values.get("others", []))
        found = record(cls, _known(cls, values) | {"wanted": wanted, "waves": waves, "others": others})
        if not _ID.fullmatch(found.run_id) or wanted.operation not in _OPERATIONS:  # the id names a file
            raise ValueError(found.run_id)
        return replace(found, began=moment(found.began))


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a target stood at a moment (UTC): `migrations` is what the run has done there, as far as is known."""

    target: str
    state: State
    at: str
    wave: str = ""
    attempt: int = 0
    seconds: float = 0.0
    migrations: tuple[str, ...] = ()
    failure: Failure | None = None
    blocker: str | None = None
    worker: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain data, without what is empty."""
        found: dict[str, Any] = {name: value for name in _TEXTS if (value := getattr(self, name))}
        if self.seconds:
            found["seconds"] = round(self.seconds, 3)
        if self.migrations:
            found["migrations"] = list(self.migrations)
        if self.failure is not None:
            found["failure"] = plain(self.failure)
        if self.blocker:
            found["blocker"] = plain(self.blocker)
        return {"kind": "target", **found, "state": self.state.value}

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Entry:
        """Read plain data; raises TypeError, KeyError and ValueError where it is none of a target."""
        failure = values.get("failure")
        given = _known(cls, values) | {
            "state": State(values["state"]),
            "migrations": _words(values.get("migrations", [])),
            "failure": record(Failure, _known(Failure, failure)) if failure else None,
        }
        found = record(cls, given)
        if not math.isfinite(found.seconds):
            raise ValueError(found.seconds)
        return replace(found, at=moment(found.at))


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run with the last entry of each target; `ended` (UTC) is None while it is under way, or was killed.

    `why` says why it ended before all targets had been opened.
    """

    head: Head
    entries: Mapping[str, Entry] = field(default_factory=dict)
    ended: str | None = None
    why: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every target is where it was to be brought."""
        return all(entry.state in WELL for entry in self.all_entries())

    def last_moment(self) -> str:
        """Return when something of this run was written down last."""
        return max((self.head.began, self.ended or "", *(entry.at for entry in self.entries.values())))

    def targets(self) -> Iterator[tuple[str, Wave]]:
        """Yield the names of all targets, each with its wave, in the order of the run."""
        for wave in self.head.waves:
            for name in wave.targets:
                yield name, wave

    def entry(self, name: str, wave: str = "") -> Entry:
        """Return where a target stands; what nothing is known of any more has ended too where the run has."""
        found = self.entries.get(name) or Entry(name, State.WAITING, self.head.began, wave)
        if self.ended is None or found.state in FINAL:
            return found
        ended = State.INTERRUPTED if found.state is State.RUNNING else State.LEFT
        return replace(found, state=ended, at=self.ended)

    def all_entries(self) -> Iterator[Entry]:
        """Yield where each target stands, in the order of the run."""
        return (self.entry(name, wave.name) for name, wave in self.targets())

    def counts(self) -> Counter[State]:
        """Count the targets by where they stand, in the order of the states."""
        found = Counter(entry.state for entry in self.all_entries())
        return Counter({state: found[state] for state in State if found[state]})

    def left(self) -> tuple[Wave, ...]:
        """Return the waves with the targets that are not where they were to be brought."""
        return tuple(
            Wave(wave.name, names)
            for wave in self.head.waves
            if (names := tuple(name for name in wave.targets if self.entry(name).state not in WELL))
        )


def newest_first(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Return runs in the order in which they are listed."""
    return sorted(records, key=lambda item: (item.head.began, item.head.run_id), reverse=True)


def chosen(ids: Sequence[str], name: str) -> str:
    """Return the run id that is meant by itself, by its beginning, or by `last` (`ids` are newest first).

    Raises UsageError where there is none, or several.
    """
    if name == LAST:
        if ids:
            return ids[0]
        raise UsageError("there is no run yet", hint="`sqlmigrate fleet apply` makes one")
    found = [run_id for run_id in ids if run_id == name or (len(name) >= _LEAST and run_id.startswith(name))]
    if len(found) == 1:
        return found[0]
    what = f"several runs begin with {name}" if found else f"there is no run {name}"
    raise UsageError(what, hint="`sqlmigrate fleet runs` lists them")


def moment(text: Any) -> str:
    """Return a moment of a ledger as it is; raises TypeError and ValueError where it is none."""
    if not _MOMENT.fullmatch(text):
        raise ValueError(text)
    datetime.fromisoformat(text)
    return str(text)


def busy(run_id: str) -> Error:
    """Return the error for a run that another process carries out."""
    hint = "wait until it has ended, or stop it; `sqlmigrate fleet report` shows how far it is"
    return Error(f"run {run_id} is under way in another process", hint=hint)


def word(value: Any) -> str:
    """Return a text of a ledger; raises TypeError where it is none."""
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def optional(value: Any) -> str | None:
    """Return a text of a ledger, or None; raises TypeError where it is neither."""
    return None if value is None else word(value)


def _words(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(values)
    return tuple(map(word, values))


def _known(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of fields that this release knows: a newer one may have written more."""
    names = {item.name for item in fields(kind)}
    return {name: value for name, value in values.items() if name in names}
