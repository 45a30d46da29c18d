"""What the trace and our hazards say to the findings of squawk: each that is confirmed counts, or is harmless here.

A finding that the trace confirms stands beside a hazard of ours, or it says why it is harmless in this place. One that
does neither counts as a warning: see `counts`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.data import comes_back
from sqlmigrate.review.hazards.records import NOW, briefly
from sqlmigrate.review.locks import STOPS_READS, STOPS_WRITES
from sqlmigrate.review.squawk_design import OF_SQUAWK
from sqlmigrate.sql.position import line_column
from sqlmigrate.sql.statement.rows import enum_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.review.hazards import Context
    from sqlmigrate.review.model import Finding, Hazard, ReviewedStatement, Suppressed
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.sql.script import Statement

    Answer = tuple[bool, str]

_SYNTAX = "syntax-error"
_OF_THE_WHOLE = frozenset({"H04", "H05", "H13", "H41"})  # hazards of the transaction and of owners, not of one change
_ROLLBACK = "a rollback takes back what its migration has done"


def answered(
    findings: Sequence[Finding],
    context: Context,
    hazards: Iterable[Hazard] = (),
    suppressed: Iterable[Suppressed] = (),
) -> dict[int | None, list[Finding]]:
    """Return the findings by the statement that they are in, each with what the trace says to it.

    `hazards` are those that count, with the severity that they have for the target.
    """
    statements = context.all_statements
    judge = _Judge(context, tuple(hazards), tuple(suppressed))
    found: dict[int | None, list[Finding]] = {}
    for finding in findings:
        statement = _statement_at(statements, finding)
        if finding.rule == _SYNTAX and (statement is None or statement.number in judge.traced):
            continue  # PostgreSQL has just run it, or it is data, or a line for psql
        number = statement.number if statement else None
        found.setdefault(number, []).append(judge.answer(replace(finding, statement=number)))
    return found


def counts(statement: ReviewedStatement) -> bool:
    """Whether a finding of a statement is confirmed, and no hazard of ours says so: then it counts as a warning.

    One on design is a note.
    """
    found = any(one.answer == "confirmed" and one.rule not in OF_SQUAWK for one in statement.findings)
    return found and not any(hazard.severity != "note" for hazard in statement.hazards)


def rules_by_statement(findings: Sequence[Finding], statements: Sequence[Statement]) -> dict[int, frozenset[str]]:
    """Return squawk's rules by the number of the statement that breaks them."""
    found: dict[int, frozenset[str]] = {}
    for finding in findings:
        if (statement := _statement_at(statements, finding)) is not None:
            found[statement.number] = found.get(statement.number, frozenset()) | {finding.rule}
    return found


def _statement_at(statements: Sequence[Statement], finding: Finding) -> Statement | None:
    """Return the statement that a place lies in, or the next one of the same line."""
    at = (finding.line, finding.column)
    for statement in statements:
        end = line_column(statement.text, len(statement.text))
        last = (statement.line + end.line - 1, end.column + (statement.column - 1 if end.line == 1 else 0))
        if at <= last:
            return statement if at >= (statement.line, statement.column) or statement.line == finding.line else None
    return None


@dataclass(slots=True)
class _Judge:
    """Answers for the findings of one script."""

    context: Context
    hazards: tuple[Hazard, ...]
    suppressed: tuple[Suppressed, ...]
    traced: dict[int, Traced] = field(init=False)
    own: dict[int, frozenset[str]] = field(init=False)

    def __post_init__(self) -> None:
        """Find out what the script has made before each of its statements."""
        self.traced = {one.statement.number: one for one in self.context.statements}
        self.own = dict(_own(self.context))

    def answer(self, finding: Finding) -> Finding:
        """Say whether what a finding warns of has happened, and whether that harms anybody."""
        asked = _QUESTIONS.get(finding.rule)
        one = self.traced.get(finding.statement) if finding.statement is not None else None
        if one is not None and (columns := OF_SQUAWK.get(finding.rule)):
            return _of_design(finding, columns(one))
        if one is None or asked is None:
            return finding
        if self._is_own(one):
            return replace(finding, answer="refuted", why="it touches only what this script creates itself")
        yes, why = asked(one)
        if not yes:
            return replace(finding, answer="refuted", why=why)
        if harmless := self._harmless(finding.rule, one):
            return replace(finding, answer="harmless", why=f"{why}; {harmless}")
        return replace(finding, answer="confirmed", why=why)

    def _is_own(self, one: Traced) -> bool:
        """Whether a statement locks, drops and changes nothing that was there before the script."""
        own = self.own[one.statement.number]
        return (
            not one.locks
            and not one.changes.lost
            and enum_change(one.statement.text) is None
            and all(_before(text) in own for text in one.changes.changed)
        )

    def _harmless(self, rule: str, one: Traced) -> str | None:
        """Return why something that has happened harms nobody, None where it may."""
        here = [hazard for hazard in self.hazards if hazard.statement == one.statement.number]
        if any(hazard.severity != "note" and hazard.code not in _OF_THE_WHOLE for hazard in here):
            return None
        allowed = next((item for item in self.suppressed if item.hazard.statement == one.statement.number), None)
        if allowed is not None:
            return f"allowed as {allowed.hazard.code}: {allowed.reason}"
        if lowered := next((hazard.lowered for hazard in here if hazard.lowered), None):
            return lowered
        if self.context.trace.script_run.operation == "rollback":
            return _ROLLBACK
        reason = _REASONS.get(rule)
        return reason(self.context, one) if reason else None


def _of_design(finding: Finding, columns: Sequence[str]) -> Finding:
    """Say which columns a finding on design is right about."""
    if columns:
        return replace(finding, answer="confirmed", why=f"a note on design: {briefly(columns)}")
    return replace(finding, answer="refuted", why="no column that the statement creates is such a key, or of that type")


def _own(context: Context) -> Iterator[tuple[int, frozenset[str]]]:
    """Yield each statement's number with what the script has made before it, by the names of then."""
    own: set[str] = set()
    for one in context.statements:
        yield one.statement.number, frozenset(own)
        own |= set(one.changes.made)
        renamed = (match for match in map(NOW.match, one.changes.changed) if match)
        own |= {f"{match[1]} {match[3]}" for match in renamed if f"{match[1]} {match[2]}" in own}


def _before(text: str) -> str:
    match = NOW.match(text)
    return f"{match[1]} {match[2]}" if match else text


def _rewrites(one: Traced) -> Answer:
    if one.rewrites:
        return True, f"rewritten: {', '.join(item.name for item in one.rewrites)}"
    scans = f", though {one.scans[0].name} is read from end to end" if one.scans else ", and none is read"
    return False, f"no table is rewritten{scans}"


def _scans(one: Traced) -> Answer:
    if one.scans:
        return True, f"read from end to end: {', '.join(item.name for item in one.scans)}"
    return False, "no table is read from end to end"


def _builds(one: Traced) -> Answer:
    yes, why = _stops_writes(one)
    return (yes, why) if not yes or one.scans else (False, "nothing is built from rows")


def _stops_writes(one: Traced) -> Answer:
    strong = [lock for lock in one.locks if lock.level >= STOPS_WRITES]
    if strong:
        return True, f"it takes {strong[0].mode} on {strong[0].name}"
    return False, "no lock that stops writes is taken"


def _stops_reads(one: Traced) -> Answer:
    strong = [lock for lock in one.locks if lock.level >= STOPS_READS]
    if strong:
        return True, f"it takes {strong[0].mode} on {strong[0].name}"
    return False, "no lock that stops reads is taken"


def _drops(one: Traced) -> Answer:
    if one.changes.lost:
        return True, f"dropped: {', '.join(one.changes.lost)}"
    return False, "nothing is dropped that was there before"


def _renames(one: Traced) -> Answer:
    renamed = [text for text in one.changes.changed if " (now " in text]
    change = enum_change(one.statement.text)
    if change is not None and change.old:
        renamed.append(f"the value {change.old!r} (now {change.new!r})")
    return (True, f"renamed: {', '.join(renamed)}") if renamed else (False, "nothing is renamed")


def _changes_column(one: Traced) -> Answer:
    changed = [text for text in one.changes.changed if text.startswith("column ")]
    return (True, f"changed: {', '.join(changed)}") if changed else (False, "no column is changed")


def _adds_required(one: Traced) -> Answer:
    made = [
        text
        for text in one.changes.made
        if text.startswith("column ")
        and (properties := one.step.after.get(text, {})).get("not null")
        and not any(properties.get(key) for key in ("default", "identity", "generated"))
    ]
    return (True, f"required: {', '.join(made)}") if made else (False, "the new column is filled, or may be NULL")


def _back_again(context: Context, one: Traced) -> str | None:
    """Say that all that is dropped is there afterwards; where it is not the same, that is a hazard of its own."""
    if all(comes_back(context.after, text) for text in one.changes.lost):
        return "it is there again afterwards"
    return None


def _old_name(context: Context, one: Traced) -> str | None:
    old = [_before(text) for text in one.changes.changed if NOW.match(text)]
    return "something has the old name again" if old and all(comes_back(context.after, text) for text in old) else None


def _unmissed(context: Context, one: Traced) -> str | None:
    """Say why nobody misses a constraint: it goes with its table, is there again, or only kept rows out."""
    lost = [text for text in one.changes.lost if text.startswith("constraint ")]
    tables = [one.step.known.get(text.rpartition(" on ")[2]) for text in lost]
    if any(table is not None and context.goes(table, one) for table in tables):
        return "its table is dropped later"
    if lost and all(text in context.after for text in lost):
        return "a constraint of its name is there afterwards"
    definitions = [str(one.step.before.get(text, {}).get("definition", "")) for text in lost]
    if definitions and all(definition.startswith("CHECK ") for definition in definitions):
        return "without a CHECK, nothing is refused that was accepted before"
    if definitions and all(definition.startswith(("PRIMARY KEY", "UNIQUE")) for definition in definitions):
        return "the same columns are unique afterwards, too"
    return None


def _gone_later(context: Context, one: Traced) -> str | None:
    locked = [context.existing[lock.name] for lock in one.locks if lock.name in context.existing]
    strong = [table for table in locked if table.kind != "index"]
    return "its table is dropped later" if strong and all(context.goes(table, one) for table in strong) else None


def _still_there(context: Context, one: Traced) -> str | None:
    """Say that in the end a column is filled, and kept from NULL, as it was before."""
    lacking = [
        text
        for text in one.changes.changed
        if text.startswith("column ") and not _is_like(one.step.before.get(text, {}), context.after.get(text, {}))
    ]
    return None if lacking else "in the end the column is filled, and kept from NULL, as before"


def _is_like(before: Mapping[str, object], after: Mapping[str, object]) -> bool:
    filled, still = (any(of.get(key) for key in ("default", "identity", "generated")) for of in (before, after))
    return (not filled or still) and (not before.get("not null") or bool(after.get("not null")))


_QUESTIONS: Mapping[str, Callable[[Traced], Answer]] = {
    "changing-column-type": _rewrites,
    "adding-field-with-default": _rewrites,
    "adding-serial-primary-key-field": _rewrites,
    "adding-required-field": _adds_required,
    "constraint-missing-not-valid": _scans,
    "adding-foreign-key-constraint": _scans,
    "adding-not-nullable-field": _scans,
    "disallowed-unique-constraint": _scans,
    "require-concurrent-index-creation": _builds,
    "require-concurrent-index-deletion": _stops_reads,
    "require-concurrent-partition-detach": _stops_reads,
    "require-concurrent-reindex": _stops_writes,
    "ban-truncate-cascade": _stops_reads,
    **dict.fromkeys(
        (
            "ban-drop-column", "ban-drop-constraint", "ban-drop-domain", "ban-drop-extension", "ban-drop-function",
            "ban-drop-index", "ban-drop-schema", "ban-drop-sequence", "ban-drop-table", "ban-drop-type",
            "ban-drop-view",
        ),
        _drops,
    ),
    **dict.fromkeys(
        (
            "ban-alter-generated-expression", "ban-alter-identity", "ban-drop-default",
            "ban-drop-generated-expression", "ban-drop-not-null",
        ),
        _changes_column,
    ),
    **dict.fromkeys(("ban-set-schema", "renaming-column", "renaming-object", "renaming-table"), _renames),
}  # fmt: skip
"""What to ask of the trace, by squawk's rule; of what is not here it can tell nothing."""

_REASONS: Mapping[str, Callable[[Context, Traced], str | None]] = {
    **dict.fromkeys((rule for rule, asked in _QUESTIONS.items() if asked is _drops), _back_again),
    **dict.fromkeys((rule for rule, asked in _QUESTIONS.items() if asked is _changes_column), _still_there),
    **dict.fromkeys((rule for rule, asked in _QUESTIONS.items() if asked is _renames), _old_name),
    "ban-drop-constraint": _unmissed,
    "require-concurrent-index-deletion": _gone_later,
    "require-concurrent-reindex": _gone_later,
}
"""Why something that has happened may be harmless, where no hazard of ours stands beside it."""
