"""What a hazard is: a record in words, and a pure function that finds it in a trace."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from sqlmigrate.config import API_ROLES
from sqlmigrate.review.hazards.access import Access
from sqlmigrate.review.hazards.remedies.phases import one_file
from sqlmigrate.review.trace.follow import State
from sqlmigrate.review.work import Asked, works

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlmigrate.review.dependents.model import Broken
    from sqlmigrate.review.model import Severity
    from sqlmigrate.review.remedy import Remedy
    from sqlmigrate.review.trace.readings import Relation
    from sqlmigrate.review.trace.tracer import Trace, Traced
    from sqlmigrate.review.work import Work
    from sqlmigrate.review.workload.watch import Live
    from sqlmigrate.schema import Value
    from sqlmigrate.sql.script import Statement


NEEDS_INDEX = re.compile(r"(PRIMARY KEY|UNIQUE|EXCLUDE)\b")
"""How the definition of a constraint begins that has an index of its own."""

NOW = re.compile(r"(materialized view|foreign table|[a-z]+) (.+) \(now (.+)\)$")
"""How `ObjectChanges` says that something was renamed: its kind, its old name, its new one."""

Scale = Literal["work", "lock", "use", "rows"]
"""What the harm of a hazard grows with, and what of the target's tables changes its severity (`review.severity`).

- `work`: the time that something takes. Large or busy tables raise it, small ones lower it.
- `lock`: how many wait for a lock that is short by itself. Busy tables raise it, small and quiet ones lower it.
- `use`: who uses the object. Large or busy tables raise it, empty ones that nobody reads or writes lower it.
- `rows`: whether there is a row at all. Only empty tables that nobody writes lower it.

Each is lowered for a table that the target does not have yet. All `relations` of the occurrence count: one of them
raises, and only all together lower.
"""

_A_RUN = 3  # numbers in a row that are written as one


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One place where a rule found its hazard; what is None is as the rule has it.

    `rewrite` is SQL that runs in the place of the statement; `behind` says that it runs behind it. It is a text, which
    makes one file, or remedies of which the first that is proven is given. `rows` is how
    many rows it is about, at most so many where `at_most` says so; where it is known, it counts instead of the tables'
    size.
    """

    statement: int
    seen: str
    relations: tuple[str, ...] = ()
    rewrite: str | tuple[Remedy, ...] | None = None
    severity: Severity | None = None
    instead: str | None = None
    behind: bool = False
    rows: int | None = None
    at_most: bool = False

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """The SQL as remedies, the best first."""
        if isinstance(self.rewrite, str):
            return (one_file(self.rewrite, after=self.behind),)
        return tuple(replace(remedy, after=self.behind) for remedy in self.rewrite or ())


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of hazard: what it is, what it blocks, what to do instead, and how it is found.

    `severity` is that for a table of which nothing is known, `scale` says how the target's figures change it.
    `is_design` marks the notes on design, which can be switched off.
    """

    code: str
    slug: str
    title: str
    severity: Severity
    what: str
    blocks: str
    instead: str
    find: Callable[[Context], Iterable[Occurrence]] = field(repr=False, compare=False)
    scale: Scale | None = None
    is_design: bool = False

    @property
    def page(self) -> str:
        """The path of its page."""
        return f"docs/hazards/{self.code}-{self.slug}.md"


@dataclass(frozen=True)
class Context:
    """What rules look at: a trace, and the schema before and after.

    `role` is whom the script runs as, `exposed` are the roles behind which an API puts everybody, `new` are the
    relations that the target does not have yet: nobody waits for a lock on them, nor do we. `asked` is what the target
    says of the script's work, `live` what becomes of the application's statements. `broken` are the functions that work
    before the script and not behind it, `linted` squawk's rules by the statement that breaks them, `unbound` the roles
    for which row level security does not count.
    """

    trace: Trace
    role: str
    exposed: tuple[str, ...] = API_ROLES
    new: frozenset[str] = frozenset()
    asked: Asked = field(default_factory=Asked)
    live: Live = field(default_factory=dict)
    broken: tuple[Broken, ...] = ()
    linted: Mapping[int, frozenset[str]] = field(default_factory=dict)
    unbound: frozenset[str] = frozenset()

    @cached_property
    def work(self) -> dict[int, Work]:
        """What the statements work on, by their numbers."""
        return works(self.trace, self.asked)

    @property
    def statements(self) -> tuple[Traced, ...]:
        """The statements that ran."""
        return self.trace.statements

    @cached_property
    def all_statements(self) -> list[Statement]:
        """All statements of the script, also those behind one that failed."""
        return list(self.trace.script_run.script.statements())

    @cached_property
    def before(self) -> State:
        """All objects before the script."""
        return State(self.trace.before.schema)

    @cached_property
    def after(self) -> State:
        """All objects after the script."""
        return State(self.trace.after.schema)

    @property
    def access_before(self) -> Access:
        """Who may do what before the script."""
        return self.access(self.before)

    @property
    def access_after(self) -> Access:
        """Who may do what behind the script."""
        return self.access(self.after)

    def access(self, state: State) -> Access:
        """Return who may do what in a state, which all rules share."""
        return self._accesses.setdefault(id(state), Access(state, self.unbound))  # which keeps the state

    @cached_property
    def _accesses(self) -> dict[int, Access]:
        return {}

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The relations that had another name before the script, and that name."""
        known = self.statements[-1].step.known if self.statements else {}
        return {name: relation.name for name, relation in known.items() if relation.name != name}

    @cached_property
    def existing(self) -> dict[str, Relation]:
        """The relations that were there before the script, by the names that they had then, as locks have them."""
        return {relation.name: relation for relation in self.trace.relations.values()}

    @cached_property
    def transactions(self) -> list[list[Traced]]:
        """The statements that ran, by the transaction that they ran in: the script's, or one of its own blocks."""
        found: dict[int, list[Traced]] = {}
        for one in self.statements:
            found.setdefault(one.block, []).append(one)
        return list(found.values())

    def made(self, kind: str) -> Iterator[tuple[Traced, str, Mapping[str, Value]]]:
        """Yield each object of a kind that a statement made: its name, and its properties behind that statement."""
        for one in self.statements:
            for text in one.changes.made:
                if text.startswith(f"{kind} ") and (properties := one.step.after.get(text)) is not None:
                    yield one, text.removeprefix(f"{kind} "), properties

    def appeared(self, kind: str) -> Iterator[tuple[str, Mapping[str, Value]]]:
        """Yield the objects of a kind that are there behind the script and were not before: each in words."""
        before = self.before.of(kind)
        for name, properties in self.after.of(kind).items():
            if name not in before:
                yield f"{kind} {name}", properties

    def at_end(self, one: Traced, text: str) -> str:
        """Follow something through later renames: give how it is called behind the script, if it is still there."""
        for later in self.statements:
            if later.statement.number > one.statement.number:
                text = _renamed(text, later.changes.changed)
        return text

    def goes(self, relation: Relation, one: Traced) -> bool:
        """Whether a later statement of the script drops a relation, so that what one does to it is soon over."""
        number = one.statement.number
        return any(relation.oid in later.step.gone for later in self.statements if later.statement.number > number)


def _renamed(text: str, changed: Iterable[str]) -> str:
    for match in filter(None, map(NOW.match, changed)):
        kind, old, new = match[1], match[2], match[3]
        if text == f"{kind} {old}":
            return f"{kind} {new}"
        if text.endswith(f" on {old}"):
            return text.removesuffix(old) + new
    return text


def listed(names: Iterable[str]) -> str:
    """Put names together as a sentence does."""
    found = list(dict.fromkeys(names))
    if len(found) < 2:  # noqa: PLR2004  one or none needs no word between
        return "".join(found)
    return f"{', '.join(found[:-1])} and {found[-1]}"


def briefly(names: Iterable[str], most: int = 5) -> str:
    """Put names together as a sentence does, but at most so many; of the others, how many there are."""
    found = list(dict.fromkeys(names))
    more = len(found) - most
    return listed(found) if more <= 1 else listed([*found[:most], f"{more:,} more"])


def ranges(numbers: Iterable[int]) -> str:
    """Name statements by their numbers, such as `statements 1, 3 to 5 and 9`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [word for run in runs for word in (map(str, run) if len(run) < _A_RUN else (f"{run[0]} to {run[-1]}",))]
    single = len(runs) == 1 and len(runs[0]) == 1
    return f"statement{'' if single else 's'} {listed(words)}"
