"""The statements of an application as values, and what a file of them holds."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlmigrate.files import record
from sqlmigrate.review.figures import in_words
from sqlmigrate.review.workload import sizes
from sqlmigrate.sql.gap import skip_gap
from sqlmigrate.sql.scan import leading_words

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 100_000
"""Statements that are looked at; of more, those that are called most."""

LONGEST = 50_000
"""Characters of a statement: somebody else may have written it, and comments are kept."""

_MOST_TEXT = 32 << 20  # characters of all of them together
_MOST_PARAMETERS = 65_535  # of PostgreSQL's protocol
_LARGEST = 1e18  # of a number of calls or milliseconds: their sums are numbers, too
_ASKS = frozenset({"select", "insert", "update", "delete", "merge", "with", "values", "table"})
_PARAMETER = re.compile(r"\$(\d+)")


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
    """Read what `Workload.as_json` has written; raises TypeError, KeyError, AttributeError or ValueError otherwise."""
    queries, rest = busiest(_query(item) for item in found.pop("queries"))
    left_out = tuple(record(LeftOut, _counts(item, "statements", "calls")) for item in found.pop("left_out"))
    known = found.pop("sizes", None)
    figures = sizes.from_json(known) if known else None
    found = _counts(found, "seconds", "evicted", "unread")
    if found["seconds"] is not None and found["seconds"] < 1:
        raise ValueError("seconds is less than 1")
    return record(Workload, {**found, "queries": queries, "left_out": (*left_out, *rest), "sizes": figures})


def _query(item: dict[str, Any]) -> Query:
    uses = tuple(record(Use, _counts(use, "calls", "total")) for use in item["uses"])
    return record(Query, item | {"uses": uses})


def _counts(item: dict[str, Any], *names: str) -> dict[str, Any]:
    """Require of some values that they are counts, or null."""
    for name in names:
        if item[name] is not None and not 0 <= item[name] <= _LARGEST:
            raise ValueError(f"{name} is out of range")
    return item


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


def is_asked(text: str) -> bool:
    """Whether an application sends such a statement to ask for rows or to write them."""
    return text.startswith("(", skip_gap(text, 0)) or (leading_words(text, 1) or [""])[0] in _ASKS


def busiest(queries: Iterable[Query], most: int = MOST) -> tuple[tuple[Query, ...], tuple[LeftOut, ...]]:
    """Return at most so many that can be asked, those with the most calls first, and what was left out."""
    kept: list[Query] = []
    left: defaultdict[str, list[Query]] = defaultdict(list)
    room = _MOST_TEXT
    for query in sorted(queries, key=lambda query: -query.calls):
        why = _why_not(query.text)
        if why is None and len(kept) >= most:
            why = f"more than {most:,} statements"
        if why is None and (room := room - len(query.text)) < 0:
            why = f"more than {_MOST_TEXT >> 20} MB of text"
        (left[why] if why else kept).append(query)
    return tuple(kept), tuple(LeftOut(why, len(all_), sum(one.calls for one in all_)) for why, all_ in left.items())


def _why_not(text: str) -> str | None:
    """Say why a statement cannot be asked, whoever has written it."""
    if len(text) > LONGEST:
        return f"longer than {LONGEST:,} characters"
    if not is_asked(text):
        return "utility statements"
    most = min(len(text), _MOST_PARAMETERS)  # so many it could have
    if any(len(number) > len(str(most)) or int(number) > most for number in _PARAMETER.findall(text)):
        return "parameters with numbers that are too large"
    return None
