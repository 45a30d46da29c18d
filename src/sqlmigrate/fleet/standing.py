"""Where targets stand, each by its own history, and which of them stand in the same place."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from sqlmigrate import connection, engine
from sqlmigrate.errors import Error, as_bug, redact
from sqlmigrate.fleet.tenants import options_of
from sqlmigrate.plan import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.fleet.bringing import Workshop
    from sqlmigrate.plan import Status


class Kind(Enum):
    """How a target stands: `odd` is one whose history and the files contradict each other, or that stopped half way."""

    CURRENT = "current"
    PENDING = "pending"
    AHEAD = "ahead"
    ODD = "odd"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one target stands: `at` is what was applied last; `why` says what is odd, or why nothing is known."""

    target: str
    kind: Kind
    at: str | None = None
    pending: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    applied: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Group:
    """Targets with the same migrations applied and pending, and the same that is odd; `first` stands for all."""

    first: Standing
    targets: tuple[str, ...]


def look(target: str, workshop: Workshop) -> Standing:
    """Read where a target stands, without a lock and with the right to read alone; no error of it is raised."""
    try:
        place = workshop.place(target)
        options = options_of(place.target.schema, workshop.options)
        with connection.session(place.conninfo) as session:
            connection.probe(session)
            states, _ = engine.states(session, workshop.migrations, options)
    except Error as error:
        return Standing(target, Kind.UNREACHABLE, why=(redact(error.message),))
    except Exception as error:  # noqa: BLE001  one target's bug is no reason to be silent on the others
        return Standing(target, Kind.UNREACHABLE, why=(as_bug(error).message,))
    return standing_of(target, states)


def standing_of(target: str, states: Sequence[Status]) -> Standing:
    """Say in one value what the states of the migrations of a target come to."""
    applied = tuple(item.migration_id for item in states if item.state in {State.APPLIED, State.MARKED})
    pending = tuple(item.migration_id for item in states if item.state is State.PENDING)
    why = tuple(filter(None, map(_oddity, states)))
    kind = Kind.ODD if why else Kind.PENDING if pending else Kind.CURRENT
    if kind is Kind.CURRENT and any(item.ahead for item in states):
        kind = Kind.AHEAD
    return Standing(target, kind, applied[-1] if applied else None, pending, why, applied)


def groups(found: Iterable[Standing]) -> list[Group]:
    """Put targets together that stand in the same place: the largest groups first, those behind that are odd.

    Of each group only the first is kept, so they may come one by one.
    """
    together: dict[tuple[object, ...], tuple[Standing, list[str]]] = {}
    for item in found:
        key = (item.kind, item.applied, item.pending, item.why)
        together.setdefault(key, (item, []))[1].append(item.target)
    made = [Group(first, tuple(names)) for first, names in together.values()]
    return sorted(made, key=lambda group: (group.first.kind in {Kind.ODD, Kind.UNREACHABLE}, -len(group.targets)))


def _oddity(item: Status) -> str | None:
    """Say what is odd about a migration of a target, if anything is."""
    name = item.migration_id
    if item.running is not None:
        return f"{name} runs now"
    if item.stopped is not None:
        return f"{name} stopped half way, at statement {item.stopped.stopped_at.number} of its {item.stopped.operation}"
    if item.missing and not item.ahead:
        return f"{name} is applied, and its file is missing"
    if item.edited and not item.comments_only:
        return f"{name} was edited since it was applied"
    return f"{name} is older than {item.late}, which is applied" if item.late else None
