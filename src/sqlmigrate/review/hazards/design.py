"""Notes on design: what works today, and is awkward to change later. They can be switched off as a group.

Where squawk has a rule, it is squawk's; the catalog says whether there is such a column, and how it is called.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.records import Context, Occurrence, Rule, briefly
from sqlmigrate.review.squawk_design import OF_SQUAWK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.schema import Value

    Properties = Mapping[str, Value]

_FOREIGN_KEY = re.compile(r"FOREIGN KEY \((.*?)\) REFERENCES (.+?)\((.*?)\)(?: |$)")
_INDEX = re.compile(r"^CREATE (?P<unique>UNIQUE )?INDEX .+? ON (?:ONLY )?.+? USING (?P<how>.+)$")


def _without_key(context: Context) -> Iterator[Occurrence]:
    keyed = {str(index.get("table")) for index in context.after.of("index").values() if index.get("primary")}
    for one, name, _ in context.made("table"):
        text = context.at_end(one, f"table {name}")
        table = text.removeprefix("table ")
        properties = context.after.get(text)
        if properties is not None and not properties.get("partition of") and table not in keyed:
            yield Occurrence(one.statement.number, f"{table} has no primary key", (name,))


def _duplicates(context: Context) -> Iterator[Occurrence]:
    indexes = context.after.of("index")
    for one in context.statements:
        new = {text.removeprefix("index ") for text in one.changes.made if text.startswith("index ")}
        for name in new & indexes.keys():
            twin = _twin(name, indexes)
            if twin is not None:
                table = str(indexes[name].get("table"))
                seen = f"index {name} of {table} is the same as {twin}"
                yield Occurrence(one.statement.number, seen, (table,))


def _twin(name: str, indexes: Mapping[str, Properties]) -> str | None:
    """Return another index that answers whatever one does; what an index keeps unique is a purpose of its own."""
    mine = _shape(indexes[name])
    for other, properties in indexes.items():
        if other != name and properties.get("table") == indexes[name].get("table"):
            its = _shape(properties)
            if mine and its and mine[1] == its[1] and (not mine[0] or its[0]) and not properties.get("invalid"):
                return other
    return None


def _shape(properties: Properties) -> tuple[bool, str] | None:
    match = _INDEX.match(str(properties.get("definition", "")))
    return (bool(match["unique"]), match["how"]) if match else None


def _of_other_type(context: Context) -> Iterator[Occurrence]:
    for text, properties in context.appeared("constraint"):
        match = _FOREIGN_KEY.match(str(properties.get("definition", "")))
        if match is None:
            continue
        table = str(properties.get("table"))
        for column, there in zip(match[1].split(", "), match[3].split(", "), strict=False):
            mine, its = (_type(context.after, *pair) for pair in ((table, column), (match[2], there)))
            if mine and its and mine != its and (number := _maker(context, text, table)):
                seen = f"{table}.{column} is {mine}, but refers to {match[2]}.{there}, which is {its}"
                yield Occurrence(number, seen, (table,))


def _type(state: State, table: str, column: str) -> str:
    return str(state.get(f"column {table}.{column}", {}).get("type", ""))


def _maker(context: Context, constraint: str, table: str) -> int | None:
    """Return the statement that made a constraint, or the column or table that it came with."""
    made = [(one, text) for one in context.statements for text in one.changes.made]
    for wanted in (constraint, f"table {table}"):
        for one, text in made:
            if context.at_end(one, text) == wanted:
                return one.statement.number
    return next((one.statement.number for one, text in made if text.startswith(f"column {table}.")), None)


def _said(words: str, *of_squawk: str) -> Callable[[Context], Iterable[Occurrence]]:
    """Make the function of a rule that squawk has, perhaps as several."""
    rules = frozenset(of_squawk)

    def find(context: Context) -> Iterator[Occurrence]:
        for one in context.statements:
            said = rules & context.linted.get(one.statement.number, frozenset())
            columns = list(dict.fromkeys(column for rule in sorted(said) for column in OF_SQUAWK[rule](one)))
            if columns:
                tables = tuple(dict.fromkeys(column.rpartition(".")[0] for column in columns))
                yield Occurrence(one.statement.number, f"{words}: {briefly(columns)}", tables)

    return find


RULES = (
    Rule(
        "H80",
        "no-primary-key",
        "a table without a primary key",
        "note",
        "A new table has no primary key.",
        "logical replication refuses UPDATE and DELETE of it, and nothing keeps the same row from being there twice",
        "give it a primary key, or say why it needs none",
        _without_key,
        is_design=True,
    ),
    Rule(
        "H81",
        "duplicate-index",
        "an index that is there already",
        "note",
        "A new index has the same columns, conditions and method as another one of its table.",
        "every write keeps both up to date, and both take up memory, while one would do",
        "leave it out, or drop the other one",
        _duplicates,
        is_design=True,
    ),
    Rule(
        "H82",
        "foreign-key-of-another-type",
        "a foreign key whose type is another one than that of its key",
        "note",
        "A column of a new foreign key has another type than the column that it refers to.",
        "values that fit one column and not the other, such as a bigint key above the range of integer, fail some day",
        "give the column the type of the key",
        _of_other_type,
        is_design=True,
    ),
    Rule(
        "H83",
        "timestamp-without-time-zone",
        "a timestamp without time zone",
        "note",
        "A new column is of type timestamp, which holds no point in time: it means another one for each time zone. "
        "This is a rule of squawk, which has to be installed.",
        "programs and sessions in other time zones read other times",
        "use timestamptz (timestamp with time zone)",
        _said("without time zone", "prefer-timestamp-tz"),
        is_design=True,
    ),
    Rule(
        "H84",
        "char-column",
        "a column of type char(n)",
        "note",
        "A new column is of type char(n), which is padded with blanks. This is a rule of squawk, which has to be "
        "installed.",
        "comparisons and lengths ignore blanks at the end, and a longer value needs another type",
        "use text, with a CHECK where the length matters",
        _said("of type char", "ban-char-field"),
        is_design=True,
    ),
    Rule(
        "H85",
        "narrow-key",
        "a key of 32 bits or less",
        "note",
        "A new primary key, identity or serial column is of type integer or smallint. This is a rule of squawk, which "
        "has to be installed.",
        "inserts fail when the numbers run out, and the way to bigint rewrites the table and all that refer to it",
        "use bigint",
        _said("a key of 32 bits or less", "prefer-bigint-over-int", "prefer-bigint-over-smallint"),
        is_design=True,
    ),
    Rule(
        "H86",
        "serial-column",
        "a serial column",
        "note",
        "A new column is of type serial, bigserial or smallserial. This is a rule of squawk, which has to be "
        "installed.",
        "the sequence has privileges and an owner of its own, and anybody may insert other numbers",
        "use GENERATED ALWAYS AS IDENTITY",
        _said("numbered by a sequence of its own", "prefer-identity"),
        is_design=True,
    ),
)
