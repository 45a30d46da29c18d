"""What a change does to each statement of a workload: what it met before against what it meets after."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from sqlmigrate.review.workload.plans import access, lost
from sqlmigrate.sql.statement.names import relations_in
from sqlmigrate.sql.statement.writes import has_parameter_in_result, writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.review.workload.facts import Facts, Rule, Table
    from sqlmigrate.review.workload.plans import Access
    from sqlmigrate.review.workload.queries import Query, Workload
    from sqlmigrate.review.workload.standing import Standing, Way
    from sqlmigrate.sql.statement.names import Named
    from sqlmigrate.sql.statement.writes import Write

    Resolve = Callable[[Way, Named], int | None]

Effect = Literal["breaks", "may_break", "slower", "changes"]
EFFECTS: tuple[Effect, ...] = ("breaks", "may_break", "slower", "changes")
"""From the worst to the mildest."""

_NULL_VIOLATION = "23502"
_WORDS = {"c": "CHECK", "f": "FOREIGN KEY", "x": "EXCLUDE", "u": "UNIQUE"}
_COMMANDS = {"INSERT": "a", "UPDATE": "w", "DELETE": "d"}
_WIDER = (
    ("smallint", "integer", "bigint", "numeric"),
    ("real", "double precision"),
    ("character", "character varying", "text"),
    ("date", "timestamp without time zone"),
)
_WRITES = re.compile(r"\b(?:insert|update|delete|merge)\b", re.IGNORECASE)
_MODIFIER = re.compile(r"\((\d+)(?:,(\d+))?\)")


@dataclass(frozen=True, slots=True)
class Affected:
    """A statement by its number in the workload, what becomes of it, and why.

    `sqlstate` is that of the error, `relation` the qualified name of the table that it is about, where it is known.
    """

    number: int
    effect: Effect
    why: str
    sqlstate: str | None = None
    relation: str | None = None


@dataclass(frozen=True)
class State:
    """A state of the database, as a workload meets it."""

    standing: Standing
    facts: Facts

    @cached_property
    def by_name(self) -> Mapping[str, Table]:
        """The tables by their qualified names: one that was made anew has another oid."""
        return {table.name: table for table in self.facts.tables.values()}

    def access(self, number: int) -> tuple[Access, Facts]:
        """How the rows are reached that a statement wants, and the facts by which this is to be read."""
        return access(self.standing.answers[number].plan or "[]", self.facts), self.facts


@dataclass(slots=True)
class _Changed:
    """What has become stricter about a table."""

    table: Table
    required: set[str] = field(default_factory=set)
    not_null: set[str] = field(default_factory=set)
    retyped: dict[str, tuple[str, str]] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    secured: bool = False

    def __bool__(self) -> bool:
        return bool(self.required or self.not_null or self.retyped or self.rules or self.secured)


def affected(workload: Workload, before: State, after: State, resolve: Resolve) -> list[Affected]:
    """Return what becomes of the statements that were taken before, each with its worst effect.

    `resolve` gives the oid of the table that a statement means by a name, in the state before.
    """
    found: dict[int, Affected] = {}
    for item in (
        *_refused(before, after),
        *_stricter(workload, before, after, resolve),
        *_other(workload, before, after),
    ):
        known = found.get(item.number)
        if known is None or EFFECTS.index(item.effect) < EFFECTS.index(known.effect):
            found[item.number] = item
    return sorted(found.values(), key=lambda item: (EFFECTS.index(item.effect), -workload.queries[item.number].calls))


def _refused(before: State, after: State) -> Iterator[Affected]:
    for number in before.standing.taken():
        refused = after.standing.answers[number].refused
        if refused is not None:
            yield Affected(number, "breaks", refused.message, refused.sqlstate)


def _other(workload: Workload, before: State, after: State) -> Iterator[Affected]:
    """Yield what becomes of statements that are taken as before: other types, columns and plans."""
    keeps_indexes = before.facts.keeps_indexes(after.facts)
    for number in before.standing.taken():
        old, new = before.standing.answers[number], after.standing.answers[number]
        if new.refused is not None:
            continue
        for at, oids in enumerate(zip(old.parameters, new.parameters, strict=False), 1):
            was, now = _name(before.standing, oids[0]), _name(after.standing, oids[1])
            if oids[0] != oids[1] and was != now and not _is_wider(was, now):
                yield Affected(number, "may_break", f"its parameter ${at} is of type {now} now, and was of type {was}")
        if old.plan and new.plan and not keeps_indexes and (gone := lost(before.access(number), after.access(number))):
            yield Affected(number, "slower", gone[0], relation=gone[1])
        if why := _reshaped(workload.queries[number], before.standing, after.standing, number):
            yield Affected(number, "changes", why)


def _name(standing: Standing, oid: int) -> str:
    return standing.types.get(oid, str(oid))


def _reshaped(query: Query, before: Standing, after: Standing, number: int) -> str | None:
    """Say how the columns of a result have changed."""
    old = [(name, oid) for name, oid, _ in before.answers[number].columns]
    new = [(name, oid) for name, oid, _ in after.answers[number].columns]
    if old == new:
        return None
    names = [name for name, _ in old], [name for name, _ in new]
    if names[0] != names[1]:
        more = [name for name in names[1] if name not in names[0]]
        less = [name for name in names[0] if name not in names[1]]
        said = [f"{word} {', '.join(found)}" for word, found in (("with", more), ("without", less)) if found]
        return f"its result is another one now: {'; '.join(said) or 'the columns are in another order'}"
    if before.ways[number].form.guessed or (query.normalized and has_parameter_in_result(query.text)):
        return None
    types = [
        (name, _name(before, was), _name(after, now))
        for (name, was), (_, now) in zip(old, new, strict=True)
        if was != now
    ]
    changed = [f"{name} is {now}, and was {was}" for name, was, now in types if was != now]
    return f"the types of its result have changed: {'; '.join(changed)}" if changed else None


def _stricter(workload: Workload, before: State, after: State, resolve: Resolve) -> Iterator[Affected]:
    """Yield the statements whose rows a table may refuse now, or hide."""
    changed = {oid: found for oid, old in before.facts.tables.items() if (found := _changed(old, after))}
    referred = _newly_referred(changed.values())
    types = dict(_stricter_types(before.facts, after.facts))
    words = {_bare(before.facts.tables[oid].name) for oid in {*changed, *referred} if oid in before.facts.tables}
    secured = any(item.secured for item in changed.values())
    mentioned = re.compile("|".join(map(re.escape, sorted(words))), re.IGNORECASE) if words else None
    for number in before.standing.taken():
        query, way = workload.queries[number], before.standing.ways[number]
        for oid in before.standing.answers[number].parameters:
            if why := types.get(_name(before.standing, oid)):
                yield Affected(number, "may_break", why)
        if mentioned is None or not mentioned.search(query.text):
            continue
        for write in writes(way.form.text) if _WRITES.search(query.text) else ():
            oid = resolve(way, write.table) or 0
            if oid in changed:
                yield from _written(number, write, changed[oid], before.facts.tables[oid])
            for rule in referred.get(oid, ()):
                changed_key = write.kind == "UPDATE" and set(write.columns or ()) & set(rule.referred)
                if write.kind == "DELETE" or changed_key:
                    yield Affected(number, "may_break", f"foreign key {rule.name} may refer to its rows now")
        for name in relations_in(way.form.text) if secured else ():
            oid = resolve(way, name) or 0
            if oid in changed and changed[oid].secured and way.role not in (None, changed[oid].table.owner):
                yield from _hidden(number, query, way, changed[oid].table)


def _changed(old: Table, after: State) -> _Changed | None:
    new = after.facts.tables.get(old.oid) or after.by_name.get(old.name)
    if new is None:
        return None
    was = {column.name: column for column in old.columns}
    found = _Changed(new, secured=new.row_security and not old.row_security)
    for column in new.columns:
        known = was.get(column.name)
        if column.required and not (known and known.required):
            found.required.add(column.name)
        if known and column.not_null and not known.not_null:
            found.not_null.add(column.name)
        same = known and (column.oid == known.oid or _is_wider(known.type, column.type))
        if (
            known
            and column.type != known.type
            and not (same and _takes_more(_limits(known.type), _limits(column.type)))
        ):
            found.retyped[column.name] = (known.type, column.type)
    known_oids = {rule.oid for rule in old.rules}  # what it says may have changed with the name of a table
    known_rules = {rule.refuses for rule in old.rules}
    found.rules = [rule for rule in new.rules if rule.oid not in known_oids and rule.refuses not in known_rules]
    return found or None


def _newly_referred(changed: Iterable[_Changed]) -> dict[int, list[Rule]]:
    found: dict[int, list[Rule]] = {}
    for rule in (rule for item in changed for rule in item.rules if rule.refers_to):
        found.setdefault(rule.refers_to, []).append(rule)
    return found


def _written(number: int, write: Write, changed: _Changed, old: Table) -> Iterator[Affected]:
    if write.kind == "DELETE":
        return
    columns = write.columns
    table = changed.table
    if columns is None:  # by position: what is renamed is given all the same
        columns = tuple(column.name for column in table.columns[: write.given or len(old.columns)])
    if write.kind == "INSERT" and (missing := sorted(changed.required - set(columns))):
        named = ", ".join(missing)
        if table.fills:
            why = f"it gives {named} of {table.name} no value, unless a trigger does: NOT NULL without a default"
            yield Affected(number, "may_break", why)
        else:
            why = f"it gives {named} of {table.name} no value, which is NOT NULL and has no default"
            yield Affected(number, "breaks", why, _NULL_VIOLATION)
    for name in sorted(changed.not_null & set(columns)):
        yield Affected(number, "may_break", f"column {name} of {table.name} takes no NULL any more")
    for name in sorted(changed.retyped.keys() & set(columns)):
        was, now = changed.retyped[name]
        yield Affected(number, "may_break", f"column {name} of {table.name} is of type {now} now, and was {was}")
    for rule in changed.rules:
        if not rule.columns or set(rule.columns) & set(columns):
            on = f" on {', '.join(rule.columns)}" if rule.columns else ""
            why = f"{_WORDS[rule.kind]} {rule.name}{on} of {table.name} may refuse its rows"
            yield Affected(number, "may_break", why)


def _hidden(number: int, query: Query, way: Way, table: Table) -> Iterator[Affected]:
    command = _COMMANDS.get(query.text.lstrip()[:6].upper(), "r")
    mine = [item for item in table.policies if item.roles & {"public", way.role} and item.command in ("*", command)]
    why = f"row level security of {table.name} is on now: "
    why += "its policies decide which rows it sees" if mine else f"no policy lets {way.role} see or write a row"
    yield Affected(number, "may_break", why)


def _stricter_types(before: Facts, after: Facts) -> Iterator[tuple[str, str]]:
    """Yield the names of types that take fewer values now, and why."""
    for name, labels in before.labels.items():
        now = after.labels.get(name, ())
        if now and (gone := [label for label in labels if label not in now]):
            yield name, f"type {name} has no value {', '.join(map(repr, gone))} any more"
    for name, checks in after.checks.items():
        if new := [check for check in checks if check not in before.checks.get(name, ())]:
            yield name, f"type {name} takes fewer values now: {', '.join(new)}"


def _bare(name: str) -> str:
    """Return the last part of a qualified name, as it may stand in a statement."""
    return name.rpartition(".")[2].strip('"')


def _is_wider(was: str, now: str) -> bool:
    """Tell whether a type takes every value of another one, and goes into every operator that the other one does."""
    if was.endswith("[]") and now.endswith("[]"):
        was, now = was[:-2], now[:-2]
    old, new = _MODIFIER.sub("", was).strip(), _MODIFIER.sub("", now).strip()
    if old == new:
        return _takes_more(_limits(was), _limits(now))
    chain = next((chain for chain in _WIDER if old in chain and new in chain), None)
    return chain is not None and chain.index(old) < chain.index(new) and not _limits(now)


def _limits(name: str) -> tuple[int, ...]:
    hit = _MODIFIER.search(name)
    return tuple(int(part) for part in hit.groups() if part) if hit else ()


def _takes_more(was: Sequence[int], now: Sequence[int]) -> bool:
    """Compare length, or precision and scale; none is without limit."""
    if not now:
        return True
    if not was or len(was) != len(now):
        return False
    return now[0] - sum(now[1:]) >= was[0] - sum(was[1:]) and all(
        new >= old for old, new in zip(was[1:], now[1:], strict=True)
    )
