"""Orders and outcomes as text, which goes from machine to machine: reading one makes plain values, and runs nothing.

Whatever is read has the types that it is to have, or is refused: a coordinator works with what workers say. What they
say is shown and kept, so a long text is cut, and a time that no order can take is refused.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from sqlmigrate.engine import Options
from sqlmigrate.errors import redact
from sqlmigrate.files import json_of, record
from sqlmigrate.fleet.model import Failure, Outcome, Verdict, Wanted
from sqlmigrate.fleet.order import Order
from sqlmigrate.fleet.standing import Kind, Standing
from sqlmigrate.history.model import Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import Enum

T = TypeVar("T")

_TEXT_MAX = 10_000  # characters, as many as are kept of a message of PostgreSQL's
_SECONDS_MAX = 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class Question:
    """What a worker is asked before the first target: can it work on the targets of these names, with these options."""

    names: tuple[str, ...]
    options: Options


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says of itself: which `files` it has, and why it cannot work on targets.

    `count` are all reasons, of which `wrong` are the first; where its project could not be read, `error` says why.
    `other` are the settings that it has otherwise than the question says them.
    """

    files: str = ""
    wrong: tuple[str, ...] = ()
    count: int = 0
    error: str | None = None
    other: tuple[str, ...] = ()


def write(value: Order | Outcome | Standing | Question) -> str:
    """Return a value as JSON."""
    return json.dumps(asdict(value), default=_word)


def read_order(text: str) -> Order:
    """Read an order; raises ValueError for anything else, and for one with fields that we do not know."""
    values = _values(text)
    if not isinstance(values.get("target"), str) or not isinstance(values.get("patient", False), bool):
        raise ValueError("no Order: a value of another type")  # noqa: TRY004  as below
    made = {
        "wanted": _told(Wanted, values.get("wanted")),
        "run": _told(Run, values.get("run")),
        "options": _options(values.get("options")),
    }
    return _made(Order, values, made)


def read_question(text: str) -> Question:
    """Read a question; raises ValueError for anything else."""
    values = _values(text)
    return _told(Question, values, {"options": _options(values.get("options"))})


def _options(values: Any) -> Options:
    """Read options: what is a number or a choice has the type of its default, which becomes a setting of a session."""
    made, usual = _made(Options, values), Options()
    for field in fields(Options):
        given, default = getattr(made, field.name), getattr(usual, field.name)
        if isinstance(default, (bool, int, str)) and type(given) is not type(default):
            raise ValueError(f"no Options: {field.name} has a value of another type")
    return made


def read_outcome(text: str, target: str | None = None) -> Outcome:
    """Read an outcome, of a target if one was asked for; raises ValueError for anything else."""
    values = _values(text)
    failure = values.get("failure")
    made = {"verdict": _member(Verdict, values), "failure": None if failure is None else _told(Failure, failure)}
    outcome = _told(Outcome, values, made)
    if not 0 <= outcome.seconds <= _SECONDS_MAX:
        raise ValueError(f"no Outcome: it took {outcome.seconds:g} seconds")
    if target is not None and outcome.target != target:
        raise ValueError("no Outcome: it is of another target")
    return outcome


def read_standings(text: str, targets: Sequence[str]) -> list[Standing]:
    """Read where each of these targets stands; raises ValueError for anything else."""
    told = json_of(text.encode())
    if not isinstance(told, list):
        raise ValueError("no list")  # noqa: TRY004  as below
    found = [read_standing(str(item)) for item in told]
    if [item.target for item in found] != list(targets):
        raise ValueError("it is of other targets")
    return found


def read_standing(text: str) -> Standing:
    """Read where a target stands; raises ValueError for anything else."""
    values = _values(text)
    return _told(Standing, values, {"kind": _member(Kind, values)})


def read_report(text: str) -> Report:
    """Read what a worker says of itself; raises ValueError for anything else."""
    report = _told(Report, _values(text))
    if report.count < len(report.wrong):
        raise ValueError(f"no Report: {report.count} reasons, of which {len(report.wrong)} are told")
    return report


def _word(value: Enum) -> Any:
    return value.value


def _values(text: str) -> dict[str, Any]:
    values = json_of(text.encode())
    if not isinstance(values, dict):
        raise ValueError("not an object")  # noqa: TRY004  whoever reads it asks for one kind of error
    return values


def _member(kind: type[Verdict | Kind], values: Mapping[str, Any]) -> Any:
    name = {Verdict: "verdict", Kind: "kind"}[kind]
    return kind(values.get(name))


def _made(kind: type[T], values: Any, made: Mapping[str, Any] | None = None) -> T:
    """Make a value of its fields, lists as tuples; those that are `made` are there already."""
    if not isinstance(values, dict):
        raise ValueError(f"no {kind.__name__}")  # noqa: TRY004  as above
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        return kind(**given | dict(made or {}))
    except TypeError as error:  # fields of another release
        raise ValueError(f"no {kind.__name__}: {error}") from None


def _told(kind: type[T], values: Any, made: Mapping[str, Any] | None = None) -> T:
    """Make a value of its fields as `_made` does, where each has its type: all lists are of texts, which are cut."""
    given = {name: _cut(value) for name, value in _made(dict, values).items()} | dict(made or {})
    lists = (value for value in given.values() if isinstance(value, tuple))
    if not all(isinstance(item, str) for found in lists for item in found):
        raise ValueError(f"no {kind.__name__}: a list is not of texts")
    try:
        return record(kind, given)
    except TypeError as error:
        raise ValueError(f"no {kind.__name__}: {error}") from None


def _cut(value: Any) -> Any:
    """Return a text, and each of a list, no longer than we keep it; no password is shown since it is cut."""
    if isinstance(value, tuple):
        return tuple(map(_cut, value))
    if not isinstance(value, str) or len(value) <= _TEXT_MAX:
        return value
    shown = redact(value)
    return f"{shown[:_TEXT_MAX]} ... ({max(len(shown) - _TEXT_MAX, 0):,} more characters)"
