"""The statements of an application as values, and what a file of them holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlmigrate.files import record
from sqlmigrate.review.figures import in_words
from sqlmigrate.review.workload import sizes

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 100_000
"""Statements that are looked at; of more, those that are called most."""


@dataclass(frozen=True, slots=True)
class Use:
    """How often a role has sent a statement: `calls`, and `total` milliseconds in them, since the last reset.

    `role` is None where it is not known, as in a file of the application's; `calls` and `total` are None there.
    """

    role: str | None = None
    calls: int | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """One statement: `text` has PostgreSQL's own parameters ($1), `name` and `place` say where it is written down.

    `normalized` says that the parameters are what pg_stat_statements has put in the place of constants.
    """

    text: str
    uses: tuple[Use, ...] = (Use(),)
    normalized: bool = False
    name: str | None = None
    place: str | None = None

    @property
    def calls(self) -> int:
        """How often all roles together have sent it; 0 where that is not known."""
        return sum(use.calls or 0 for use in self.uses)

    @property
    def mean(self) -> float | None:
        """Milliseconds of a call."""
        total = sum(use.total or 0.0 for use in self.uses)
        return total / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Statements that are not looked at: how many, with how many calls together, and why."""

    why: str
    statements: int
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    """What an application asks.

    - `source` says where it comes from; `read_at` and `since` (the last reset) are ISO 8601 times.
    - `seconds` lie between these, None where no traffic is known.
    - `track` is pg_stat_statements.track, `evicted` how often the server has thrown statements out to make room.
    - `unread` are texts that the role may not read.
    - `sizes` is what the planner of the target knows of its tables, None where no target was asked.
    """

    source: str
    queries: tuple[Query, ...]
    left_out: tuple[LeftOut, ...] = ()
    read_at: str | None = None
    since: str | None = None
    seconds: float | None = None
    track: str | None = None
    evicted: int | None = None
    unread: int = 0
    sizes: sizes.Sizes | None = None

    def __str__(self) -> str:
        """Say how much it is, since when, and what of it is not here, in one line."""
        often = f" with {in_words(self.calls)} calls" if self.calls else ""
        since = f" since {self.since}" if self.since else ""
        said = [f"{_counted(len(self.queries), 'statement')}{often}{since} ({self.source})"]
        said += [f"{item.statements:,} left out: {item.why}" for item in self.left_out]
        if self.unread:
            said.append(f"{self.unread:,} could not be read: the role needs pg_read_all_stats")
        if self.evicted:
            said.append(f"the server has thrown out the least used {self.evicted:,} times (pg_stat_statements.max)")
        return "; ".join(said)

    @property
    def calls(self) -> int:
        """How many calls all statements have had together."""
        return sum(query.calls for query in self.queries)

    def a_second(self, calls: int) -> float | None:
        """Give calls as a rate, None where it is not known since when they are counted."""
        return calls / self.seconds if self.seconds else None

    def as_json(self) -> dict[str, Any]:
        """Return it as a file holds it; `from_json` reads it back."""
        return asdict(self)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def from_json(found: dict[str, Any]) -> Workload:
    """Read what `Workload.as_json` has written; raises TypeError, KeyError, AttributeError or ValueError else."""
    queries = tuple(_query(item) for item in found.pop("queries"))
    left_out = tuple(record(LeftOut, item) for item in found.pop("left_out"))
    known = found.pop("sizes", None)
    figures = sizes.from_json(known) if known else None
    return record(Workload, {**found, "queries": queries, "left_out": left_out, "sizes": figures})


def _query(item: dict[str, Any]) -> Query:
    return record(Query, item | {"uses": tuple(record(Use, use) for use in item["uses"])})


def joined(workloads: Iterable[Workload]) -> Workload | None:
    """Put several workloads together: traffic is known where one of them knows it."""
    found = list(workloads)
    if not found:
        return None
    timed = next((item for item in found if item.seconds is not None), found[0])
    return replace(
        timed,
        source=", ".join(item.source for item in found),
        queries=tuple(query for item in found for query in item.queries),
        left_out=tuple(left for item in found for left in item.left_out),
        unread=sum(item.unread for item in found),
        sizes=next((item.sizes for item in found if item.sizes is not None), None),
    )


def busiest(queries: Iterable[Query], most: int = MOST) -> tuple[tuple[Query, ...], tuple[LeftOut, ...]]:
    """Return at most so many, those with the most calls first, and what was left out."""
    ordered = sorted(queries, key=lambda query: -query.calls)
    rest = ordered[most:]
    left = (LeftOut(f"more than {most:,} statements", len(rest), sum(query.calls for query in rest)),) if rest else ()
    return tuple(ordered[:most]), left
