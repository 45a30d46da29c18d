"""Hazards of functions that name what a script changes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlmigrate.review.dependents.naming import mentioned
from sqlmigrate.review.hazards.records import NOW, Context, Occurrence, Rule, briefly
from sqlmigrate.sql.statement.parse import node_of
from sqlmigrate.sql.statement.plpgsql import read_body, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.dependents.model import Broken
    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.schema import Value

_SHOWN = 80  # characters of a statement


def _broken(context: Context) -> Iterator[Occurrence]:
    by_function: dict[str, list[Broken]] = defaultdict(list)
    for one in context.broken:
        by_function[one.function].append(one)
    for function, found in by_function.items():
        first = found[0]
        trigger = f", which triggers of {briefly(one.table for one in found if one.table)} call," if first.table else ""
        more = f" (and {len(found) - 1} more of its statements)" if len(found) > 1 else ""
        seen = f"{function}{trigger} fails from now on in {_short(first.statement)!r}: {first.error}{more}"
        yield Occurrence(_guilty(context, first), seen, tuple(dict.fromkeys(one.table for one in found if one.table)))
    failing = {(one.function, one.statement) for one in context.broken}
    for name, number, statement, words in _shifted(context):
        if (name, statement) not in failing:
            yield Occurrence(number, f"{name} runs {_short(statement)!r}, which now puts {words}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."


def _guilty(context: Context, broken: Broken) -> int:
    """Return the statement that changed what the error names; else what the failing statement names, or its table."""
    error, statement = words_of(broken.error), words_of(broken.statement)
    for words, names in ((error, _own_name), (statement, _own_name), (statement, mentioned)):
        for one in context.statements:
            changed = (*one.changes.dropped, *map(_before, one.changes.changed), *one.changes.made)
            if any(words & names(item) for item in changed):
                return one.statement.number
    changing = [one.statement.number for one in context.statements if one.step.before is not one.step.after]
    return changing[-1] if changing else 1


def _before(text: str) -> str:
    match = NOW.match(text)
    return f"{match[1]} {match[2]}" if match else text


def _own_name(text: str) -> set[str]:
    """Return the words for an object itself: of a column, without its table."""
    return words_of(text.rpartition(".")[2]) if text.startswith("column ") else mentioned(text)


def _shifted(context: Context) -> Iterator[tuple[str, int, str, str]]:
    """Yield the functions that copy whole rows by position, where columns meet others behind the script."""
    changing = {
        name.rpartition(".")[0]: one.statement.number
        for one in context.statements
        for text in (*one.changes.made, *one.changes.dropped)
        if text.startswith("column ") and (name := text.removeprefix("column "))
    }
    if not changing:
        return
    tables = {name.rpartition(".")[2]: name for name in changing}
    for kind in ("function", "procedure"):
        for name, properties in context.after.of(kind).items():
            definition = str(properties.get("definition", ""))
            if f"{kind} {name}" not in context.before or not (words_of(definition) & tables.keys()):
                continue
            for statement in _copies(definition):
                into, source = _parties(statement)
                guilty = [changing[tables[table]] for table in (source, into) if table in tables]
                if guilty and (words := _met(context, into, source)):
                    yield name, guilty[0], statement, words


def _copies(definition: str) -> list[str]:
    """Return the statements in a function that may copy rows by position."""
    _, _, body = definition.partition("AS $")
    body = body.partition("$")[2].rpartition("$")[0].rpartition("$")[0]
    return [text for text in read_body(body).queries if text[:6].upper() == "INSERT" and "*" in text]


def _parties(statement: str) -> tuple[str, str]:
    """Return both tables of an INSERT INTO a SELECT * FROM b, without their schemas; else two empty names."""
    kind, node = node_of(statement)
    if kind != "insert_stmt" or node.cols or node.select_stmt.WhichOneof("node") != "select_stmt":
        return "", ""
    query = node.select_stmt.select_stmt
    whole = len(query.target_list) == 1 and query.target_list[0].res_target.val.column_ref.fields
    if not whole or whole[-1].WhichOneof("node") != "a_star" or len(query.from_clause) != 1:
        return "", ""
    return node.relation.relname, query.from_clause[0].range_var.relname


def _met(context: Context, into: str, source: str) -> str:
    """Say which columns get the values of others than before the script."""
    before, after = (
        dict(zip(_columns(state, into), _columns(state, source), strict=False))
        for state in (context.before, context.after)
    )
    there = _columns(context.before, into)
    now = [(column, value) for column, value in after.items() if column in there and before.get(column) != value]
    return briefly(f"{source}.{value} into {into}.{column}" for column, value in now) if now else ""


def _columns(state: State, table: str) -> list[str]:
    """Return the columns of the only table of a name, in their order."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for name, properties in state.of("column").items():
        whole = str(properties.get("table"))
        if whole.rpartition(".")[2] == table:
            found[whole].append((_position(properties.get("position")), name[len(whole) + 1 :]))
    return [name for _, name in sorted(next(iter(found.values())))] if len(found) == 1 else []


def _position(value: Value) -> int:
    return value if isinstance(value, int) else 0


RULES = (
    Rule(
        "H79",
        "function-breaks",
        "a function names what the script drops, renames or changes",
        "danger",
        "PostgreSQL does not look into the text of a function when something that it names is dropped or renamed. The "
        "review checks the functions on both sides of the script, by plpgsql_check where the throwaway server has it, "
        "and reports those that worked before and fail after it. It also reports an INSERT INTO a SELECT * FROM b "
        "whose columns now meet others.",
        "whatever calls the function: it fails, or writes values into the wrong columns, from COMMIT on",
        "replace the function in the same migration, and name the columns in INSERT and SELECT",
        _broken,
    ),
)
