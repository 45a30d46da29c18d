"""What becomes of what the application sends, in the words that all renderers share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlmigrate.review.render import words

if TYPE_CHECKING:
    from sqlmigrate.review.model import LiveStatement, NotAsked, Workload
    from sqlmigrate.review.render.words import Tone

_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """Statements of which one thing becomes: `title` says what of one, `several` of more, `tone` how bad that is."""

    title: str
    several: str
    tone: Tone
    statements: tuple[LiveStatement, ...]

    @property
    def heading(self) -> str:
        """How many there are, and what becomes of them."""
        number = len(self.statements)
        return f"{words.count(number, 'statement')} {self.title if number == 1 else self.several}"


def parts(workload: Workload) -> list[Part]:
    """Return what becomes of statements, the worst first; what a rollback does comes behind what applying does."""
    found = (
        Part("breaks", "break", "danger", workload.breaks),
        Part("may break", "may break", "warning", workload.may_break),
        Part("loses an index", "lose an index", "warning", workload.slower),
        Part("returns something else", "return something else", "note", workload.changes),
    )
    return [
        replace(part, statements=tuple(sorted(part.statements, key=lambda item: item.operation)))
        for part in found
        if part.statements
    ]


def where(item: LiveStatement) -> str:
    """Say which script does it, and where in it."""
    line = f", line {item.line}" if item.line is not None else ""
    back = ", rollback" if item.operation == "rollback" else ""
    return f"{item.migration_id}{back}{line}"


def often(item: LiveStatement) -> str:
    """Say how often the statement is sent, and by whom; "" where nothing of it is known."""
    said = []
    if item.calls_per_second is not None:
        said.append(f"{item.calls_per_second:.3g} calls/s")
    elif item.calls is not None:
        said.append(words.count(item.calls, "call"))
    if item.mean is not None:
        said.append(
            f"{item.mean:.3g} ms each" if item.mean < _MILLISECONDS else f"{item.mean / _MILLISECONDS:.3g} s each"
        )
    if item.roles:
        said.append(f"by {words.listed(item.roles, 3)}")
    return ", ".join(said)


def named(item: LiveStatement) -> str:
    """Return the name that the application gives to the statement, and where it has written it down."""
    return " ".join(filter(None, (item.name, f"({item.place})" if item.place else "")))


def not_checked(item: NotAsked) -> str:
    """Say how many statements say nothing, and why."""
    calls = f" with {words.count(item.calls, 'call')}" if item.calls else ""
    return f"{words.count(item.statements, 'statement')}{calls}: {item.error}"


def source(workload: Workload) -> str:
    """Say where the statements come from, how many there are, and since when they are counted."""
    since = f", counted since {words.moment(workload.since)}" if workload.since else ""
    return f"{words.count(workload.statements, 'statement')} of {workload.source}{since}"
