"""Where targets stand, each by its own history, and which of them stand in the same place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from sqlmigrate import connection, engine
from sqlmigrate.errors import Error
from sqlmigrate.fleet.bringing import in_a_line, mark_of
from sqlmigrate.fleet.fingerprint import fingerprint
from sqlmigrate.fleet.tenants import options_of
from sqlmigrate.plan import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlmigrate.fleet.bringing import Workshop
    from sqlmigrate.fleet.places import Place
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
    """Where one target stands: `at` is what was applied last; `why` says what is odd, or why nothing is known.

    `error` is the fingerprint of what kept us from knowing, `of_run` what the run that was asked for has applied, and
    `where` marks the history, as in an Outcome.
    """

    target: str
    kind: Kind
    at: str | None = None
    pending: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    applied: tuple[str, ...] = field(default=(), repr=False)
    error: str | None = None
    of_run: tuple[str, ...] = field(default=(), repr=False)
    where: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Group:
    """Targets with the same migrations applied and pending, and the same that is odd; `first` stands for all."""

    first: Standing
    targets: tuple[str, ...]


def look(target: str, workshop: Workshop, of_run: str | None = None) -> Standing:
    """Read where a target stands, without a lock and with the right to read alone; no error of it is raised.

    With `of_run` it also says what the run of this id has applied there.
    """
    place: Place | None = None
    try:
        place = workshop.place(target)
        options = options_of(place.target.schema, workshop.options)
        with connection.session(place.conninfo) as session:
            info = connection.probe(session)
            states, _ = engine.states(session, workshop.migrations, options)
    except Error as error:
        return _unreachable(target, place, error)
    except Exception as error:  # noqa: BLE001  one target's bug is no reason to be silent on the others
        return _unreachable(target, place, connection.in_words(error))
    return replace(standing_of(target, states, of_run), where=mark_of(info, place))


def _unreachable(target: str, place: Place | None, error: Error) -> Standing:
    kind = fingerprint(error, place.names if place else (target,))
    return Standing(target, Kind.UNREACHABLE, why=(in_a_line(error.message),), error=kind)


def standing_of(target: str, states: Sequence[Status], of_run: str | None = None) -> Standing:
    """Say in one value what the states of the migrations of a target come to."""
    applied = tuple(item.migration_id for item in states if item.state in {State.APPLIED, State.MARKED})
    pending = tuple(item.migration_id for item in states if item.state is State.PENDING)
    why = tuple(filter(None, map(_oddity, states)))
    kind = Kind.ODD if why else Kind.PENDING if pending else Kind.CURRENT
    if kind is Kind.CURRENT and any(item.ahead for item in states):
        kind = Kind.AHEAD
    own = [item.recorded for item in states if of_run and item.recorded and item.recorded.run_id == of_run]
    ids = tuple(item.migration_id for item in own if not item.marked)
    return Standing(target, kind, applied[-1] if applied else None, pending, why, applied, of_run=ids)


def groups(found: Iterable[Standing]) -> list[Group]:
    """Put targets together that stand in the same place: the largest groups first, those behind that are odd.

    So are those that cannot be reached for the same kind of reason, and one that is another one by its history is odd.
    Of each group only the first is kept, so they may come one by one.
    """
    together: dict[tuple[object, ...], tuple[Standing, list[str]]] = {}
    for item in _told_apart(found):
        key = (item.kind, item.applied, item.pending, item.error or item.why, item.of_run)
        together.setdefault(key, (item, []))[1].append(item.target)
    made = [Group(first, tuple(names)) for first, names in together.values()]
    return sorted(made, key=lambda group: (group.first.kind in {Kind.ODD, Kind.UNREACHABLE}, -len(group.targets)))


def _told_apart(found: Iterable[Standing]) -> Iterator[Standing]:
    """Say of targets that are the same as an earlier one that they are: their addresses lead to one history."""
    led: dict[str, str] = {}
    for item in found:
        other = led.setdefault(item.where, item.target) if item.where else item.target
        if other == item.target:
            yield item
        else:
            yield replace(item, kind=Kind.ODD, why=(f"the same as {other}: its address leads to the same history",))


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
