"""What is so behind a script and was not before it, and which statement made it so."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlmigrate.review.hazards.access import Access
    from sqlmigrate.review.hazards.records import Context
    from sqlmigrate.review.trace.follow import State

T = TypeVar("T")
Key = tuple[str, ...]
"""What tells a fact from others: first the object that it is about, then whatever makes it another one."""


def original(context: Context, name: str) -> str:
    """Return the name that a relation or column had before the script; of what is new, the name that it has."""
    if not context.renamed:
        return name
    known = context.statements[-1].step.known
    if name in known:
        return known[name].name
    table, _, column = name.rpartition(".")
    return f"{known[table].name}.{column}" if table in known else name


def news(context: Context, facts: Callable[[Access], Mapping[Key, T]]) -> Iterator[tuple[int, Key, T]]:
    """Yield the facts that hold behind the script and did not before it, each with the statement that made it so."""
    if all(one.step.before is one.step.after for one in context.statements):
        return
    before = facts(context.access_before)
    new = {
        key: fact
        for key, fact in facts(context.access_after).items()
        if tuple(original(context, part) for part in key) not in before
    }
    seen: dict[int, Mapping[Key, T]] = {}
    for key, fact in new.items():
        yield _made_by(context, key, facts, seen), key, fact


def _made_by(
    context: Context, key: Key, facts: Callable[[Access], Mapping[Key, T]], seen: dict[int, Mapping[Key, T]]
) -> int:
    """Return the last statement before which a fact did not hold and behind which it does."""

    def holds(state: State) -> bool:
        if id(state) not in seen:
            seen[id(state)] = facts(context.access(state))
        return key in seen[id(state)]

    changing = [one for one in context.statements if one.step.before is not one.step.after]
    for one in reversed(changing):
        if holds(one.step.after) and not holds(one.step.before):
            return one.statement.number
    return changing[-1].statement.number
