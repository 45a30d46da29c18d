"""Hazards of how a script is written: indexes that are missing, statements that could be one, settings it changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.data import existing
from sqlmigrate.review.hazards.records import Context, Occurrence, Rule, listed, ranges
from sqlmigrate.review.hazards.remedies.names import beside, last_part, with_ending
from sqlmigrate.review.hazards.remedies.phases import Command, Phases
from sqlmigrate.sql.directives import parse_duration
from sqlmigrate.sql.statement.session import value_set
from sqlmigrate.sql.statement.subject import altered_table, validates_constraint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.review.trace.tracer import Traced

_COLUMNS = r"\(([^()]*)\)"
_FOREIGN_KEY = re.compile(rf"FOREIGN KEY {_COLUMNS} REFERENCES (\S+?)\(")
_INDEX_COLUMNS = re.compile(r" USING \w+ \((.*?)\)(?: INCLUDE .*)?$")
_ORDERING = re.compile(r" (?:DESC|ASC|NULLS FIRST|NULLS LAST)\b")
_WRITES = frozenset({"UPDATE", "DELETE", "INSERT", "MERGE", "COPY", "DO", "CALL", "SELECT"})
_LONG = 10_000  # milliseconds
_AUTOVACUUM = "autovacuum_enabled"
_OFF = re.compile(
    rf"{_AUTOVACUUM}=(?:f(?:a(?:l(?:s(?:e)?)?)?)?|of|off|n|no|0)$", re.IGNORECASE
)  # as parse_bool reads it


def _without_index(context: Context) -> Iterator[Occurrence]:
    yield from _index_lost(context)
    missing: dict[tuple[int, str], list[tuple[str, str]]] = {}
    for text, properties in context.appeared("constraint"):
        table, match = str(properties.get("table")), _FOREIGN_KEY.match(str(properties.get("definition", "")))
        if match is None or _is_indexed(context.after, table, [column.strip() for column in match[1].split(",")]):
            continue
        if (number := _made_by(context, text, table)) is not None:
            name = text.removeprefix("constraint ").partition(" on ")[0]
            missing.setdefault((number, table), []).append((name, match[1]))
    for (number, table), keys in missing.items():
        named = listed(f"{name} ({columns})" for name, columns in keys)
        seen = f"no index of {table} begins with the columns of foreign key {named}"
        is_new = f"table {table}" not in context.before or table in context.new
        phases, free = Phases(same=False), _free_names(context, table)
        for _, columns in keys:
            index = free(columns)
            create = f"CREATE INDEX {'' if is_new else 'CONCURRENTLY '}{index} ON {table} ({columns})"
            undo = f"DROP INDEX {'' if is_new else 'CONCURRENTLY '}{beside(table, index)}"
            (phases.expand if is_new else phases.online).append(Command(create, undo))
        words = "create the index right behind it, in the same script: the table is new" if is_new else None
        rewrite = (remedy,) if (remedy := phases.remedy()) else ()
        yield Occurrence(number, seen, (table,), rewrite, instead=words, behind=True)


def _free_names(context: Context, table: str) -> Callable[[str], str]:
    """Return a function that calls an index as PostgreSQL would, by the table and its columns."""
    used = {text.partition(" ")[2] for state in (context.before, context.after) for text in state}

    def free(columns: str) -> str:
        ending = "".join(f"_{column.strip().strip(chr(34))}" for column in columns.split(","))
        name = with_ending(last_part(table), f"{ending}_idx", lambda made: beside(table, made) in used)
        used.add(beside(table, name))
        return name

    return free


def _index_lost(context: Context) -> Iterator[Occurrence]:
    """Report foreign keys whose only index goes, also CONCURRENTLY, and that have none in the end."""
    rollback = context.trace.script_run.operation == "rollback"
    for one in context.statements:
        gone = [text for text in one.changes.dropped if text.startswith(("index ", "constraint ", "column "))]
        for text, table, columns in _foreign_keys(one.step.before) if gone else ():
            last = context.at_end(one, text)
            if text not in one.step.after or last not in context.after:
                continue
            at_end = str(context.after[last].get("table"))
            if (
                _is_indexed(one.step.before, table, columns)
                and not _is_indexed(one.step.after, table, columns)
                and not _is_indexed(context.after, at_end, columns)
            ):
                name, relation = text.removeprefix("constraint ").partition(" on ")[0], one.step.known.get(table)
                seen = (
                    f"{listed(gone)} was the only index of {table} that begins with the columns of foreign key {name}"
                )
                yield Occurrence(
                    statement=one.statement.number,
                    seen=f"{seen} ({', '.join(columns)})",
                    relations=(relation.name if relation else table,),
                    severity="note" if rollback else None,
                    instead="keep the index, or build another one that begins with these columns first",
                )


def _foreign_keys(state: State) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the foreign keys of a state: each in words, its table and its columns there."""
    for name, properties in state.of("constraint").items():
        if match := _FOREIGN_KEY.match(str(properties.get("definition", ""))):
            yield f"constraint {name}", str(properties.get("table")), [part.strip() for part in match[1].split(",")]


def _is_indexed(state: State, table: str, columns: list[str]) -> bool:
    for properties in state.of("index").values():
        if properties.get("table") == table and not properties.get("invalid"):
            match = _INDEX_COLUMNS.search(str(properties.get("definition", "")))
            found = [_ORDERING.sub("", column).strip() for column in match[1].split(",")] if match else []
            if set(found[: len(columns)]) == set(columns):
                return True
    return False


def _made_by(context: Context, constraint: str, table: str) -> int | None:
    """Return the statement that made a constraint, or the column or table that it came with."""
    for text in (constraint, f"table {table}"):
        for one in context.statements:
            if any(context.at_end(one, made) == text for made in one.changes.made):
                return one.statement.number
    return None


def _could_be_one(context: Context) -> Iterator[Occurrence]:
    for together in context.transactions:
        yield from _altered_in(context, together)


def _altered_in(context: Context, together: list[Traced]) -> Iterator[Occurrence]:
    altered: dict[str, list[Traced]] = {}
    validated: set[str] = set()  # to validate together with what was added is what H03 warns of
    for one in together:
        table = altered_table(one.statement.text) if one.command == "ALTER TABLE" else None
        if table is None:
            continue
        name = existing(one, table.quoted)
        if name is not None and validates_constraint(one.statement.text):
            validated.add(name)
        if name is not None and not _rows_between(context, altered.get(name, []), one, name):
            altered.setdefault(name, []).append(one)
    for name, several in altered.items():
        if name in validated or len(several) < 2:  # noqa: PLR2004  one is one
            continue
        numbers = ranges(one.statement.number for one in several)
        busy = sum(1 for one in several if any(item.name == name for item in (*one.rewrites, *one.scans)))
        often = f", {busy} of which read or write all of it" if busy > 1 else ""
        yield Occurrence(
            several[-1].statement.number,
            f"{name} is altered by {numbers}{often}",
            (name,),
            severity="warning" if busy > 1 else None,
        )


def _rows_between(context: Context, earlier: list[Traced], one: Traced, table: str) -> bool:
    """Whether rows of a table are written between the last of some statements and this one."""
    if not earlier:
        return False
    first, last = earlier[-1].statement.number, one.statement.number
    return any(
        first < item.statement.number < last and item.command in _WRITES and table in {lock.name for lock in item.locks}
        for item in context.statements
    )


def _lock_timeout(context: Context) -> Iterator[Occurrence]:
    for statement in context.all_statements:
        value = value_set(statement.text, "lock_timeout")
        if value is not None and not _is_short(value):
            seen = f"the script sets lock_timeout to {value if value != 'DEFAULT' else 'its default'}"
            yield Occurrence(statement.number, seen, (), "-- sqlmigrate: lock_timeout=2s")


def _autovacuum_off(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        texts = [text for text in (*one.changes.made, *one.changes.changed) if text.startswith("table ")]
        if _AUTOVACUUM in one.statement.text.lower() and (named := altered_table(one.statement.text)):
            # what is said of a table's TOAST table is no change of the table
            texts += [f"table {name}" for name in one.step.known if name in (named.quoted, f"public.{named.quoted}")]
        for text in dict.fromkeys(texts):
            last = context.at_end(one, text)
            if _is_off(one.step.after, text) and not _is_off(one.step.before, text) and _is_off(context.after, last):
                table = text.removeprefix("table ")
                relation = one.step.known.get(table)
                sql = f"ALTER TABLE {table} RESET ({_AUTOVACUUM}, toast.{_AUTOVACUUM});"
                names = (relation.name if relation else table,)
                yield Occurrence(
                    one.statement.number, f"autovacuum of {table} is switched off", names, sql, behind=True
                )


def _is_off(state: State, text: str) -> bool:
    properties = state.get(text, {})
    found = (properties.get("options"), properties.get("toast options"))
    return any(_OFF.match(str(option)) for options in found if isinstance(options, tuple) for option in options)


def _is_short(value: str) -> bool:
    try:
        return 0 < parse_duration(value) <= _LONG
    except ValueError:
        return False


RULES = (
    Rule(
        "H12",
        "foreign-key-without-index",
        "a foreign key without an index on the referencing side",
        "warning",
        "There is a new foreign key, and no index of its own table begins with its columns; or the only such index "
        "is dropped, with or without CONCURRENTLY.",
        "every DELETE from the referenced table, and every change of a key there, reads this table from end to end",
        "create the index, CONCURRENTLY if the table is in use",
        _without_index,
    ),
    Rule(
        "H40",
        "alters-that-could-be-one",
        "several ALTER TABLE commands that could be one",
        "note",
        "Several ALTER TABLE commands of one script alter the same table.",
        "PostgreSQL may read or rewrite the table once for each of them",
        "write them as one ALTER TABLE with several actions, which PostgreSQL carries out in a single pass",
        _could_be_one,
    ),
    Rule(
        "H41",
        "lock-timeout-changed",
        "the script turns lock_timeout off, or sets it to a long time",
        "danger",
        "sqlmigrate runs every script with a short lock_timeout and retries; this script turns that off.",
        "while the script waits for a lock that a long transaction holds, everybody who comes later waits behind it",
        "leave lock_timeout alone, or set a short one at the top of the file",
        _lock_timeout,
    ),
    Rule(
        "H69",
        "autovacuum-off",
        "autovacuum of a table is switched off",
        "warning",
        "A table gets autovacuum_enabled = false, for itself or for its TOAST table, and has it in the end.",
        "nothing at first; but dead rows stay, statistics grow old, and plans become bad, until PostgreSQL vacuums "
        "the table all the same to prevent a wraparound of transaction ids, with all the work at once",
        "let autovacuum run, and tune it for the table (autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_limit); "
        "if it is in the way of a large load, switch it on again in the same script",
        _autovacuum_off,
    ),
)
