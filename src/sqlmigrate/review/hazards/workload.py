"""Hazards of what the application asks: its own statements, asked before and after the script."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.records import Context, Occurrence, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.review.model import LiveStatement
    from sqlmigrate.review.workload.compare import Effect

_SHOWN, _LONG = 3, 70  # statements, and characters of each
_OFTEN = 1.0  # calls a second from which a statement without its index is felt


def _found(effect: Effect, does: tuple[str, str], context: Context) -> Iterator[Occurrence]:
    """Yield one hazard for all that a statement of the script does to statements of the application."""
    by_statement: defaultdict[int, list[LiveStatement]] = defaultdict(list)
    for item in context.live.get(effect, ()):
        by_statement[item.statement or 1].append(item)
    for number, items in by_statement.items():
        often = _rate(items) >= _OFTEN and effect == "slower"
        yield Occurrence(
            number,
            f"{len(items)} live statement{does[0] if len(items) == 1 else does[1]}{_told(items)}",
            tuple(dict.fromkeys(item.relation for item in items if item.relation)),
            severity="danger" if often else None,
        )


def _rate(items: Sequence[LiveStatement]) -> float:
    return sum(item.calls_per_second or 0.0 for item in items)


def _told(items: Sequence[LiveStatement]) -> str:
    rate = f", {_rate(items):.3g} calls/s" if any(item.calls_per_second is not None for item in items) else ""
    shown = [f"{_short(item.query)}: {item.error}" for item in items[:_SHOWN]]
    more = [f"and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return f"{rate} ({'; '.join((*shown, *more))})"


def _short(query: str) -> str:
    text = " ".join(query.split())
    return text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."


RULES = (
    Rule(
        "H50",
        "query-breaks",
        "a statement that the application sends breaks",
        "danger",
        "PostgreSQL takes a statement of the workload before the script and refuses it afterwards. It was prepared and "
        "planned on the throwaway database as the role that sends it, or it is an INSERT that gives a column no value "
        "which must have one.",
        "every call of the statement fails from COMMIT on, until a version of the application is out that does not "
        "send it any more",
        "expand first: add what is new beside what is old, deploy the application, and take away what is old in a "
        "later migration (`-- sqlmigrate: phase=after-deploy`)",
        partial(_found, "breaks", (" breaks", "s break")),
    ),
    Rule(
        "H51",
        "query-may-break",
        "a statement that the application sends may break",
        "warning",
        "What the script makes stricter decides over a statement of the workload: a constraint, a type, NOT NULL, an "
        "enum, row level security. Whether it refuses or hides rows depends on values that are not known here.",
        "calls with such values fail from COMMIT on, or return fewer rows",
        "look for such values in the code and in the table; deploy an application that sends none before the migration",
        partial(_found, "may_break", (" may break", "s may break")),
    ),
    Rule(
        "H52",
        "query-loses-index",
        "a statement that the application sends loses its index",
        "warning",
        "An index serves a condition or an order of a statement of the workload before the script, and none does "
        "afterwards; or PostgreSQL, which knows the statistics of the target, expects its plan to cost "
        "five times as much as before. It is a danger where the statement is called once a second or more.",
        "each call reads the whole table, or sorts it, from COMMIT on; with much traffic the server has time for "
        "nothing else",
        "create the index that takes its place first, CONCURRENTLY and in a migration of its own",
        partial(_found, "slower", (" loses its index", "s lose their index")),
        scale="work",
    ),
    Rule(
        "H53",
        "result-changes",
        "the result of a statement that the application sends is another one",
        "note",
        "A statement of the workload is taken as before, but its columns or their types have changed, as those of "
        "SELECT * do.",
        "nothing in PostgreSQL; an application that reads columns by their number, or checks their types, may fail",
        "name the columns in the statement, and look at what reads them",
        partial(_found, "changes", (" returns something else", "s return something else")),
    ),
)
