"""New columns and columns of another type, without rewriting the table under a strong lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.remedies import constraints
from sqlmigrate.review.hazards.remedies.filling import by_key, filled
from sqlmigrate.review.hazards.remedies.names import beside, last_part, with_ending
from sqlmigrate.review.hazards.remedies.phases import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.review.hazards.remedies.place import Place
    from sqlmigrate.schema import Value

_READY = "deploy the version that writes {column}, and fill it in the old rows, in batches if there are many"

_FUNCTION = """\
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.{column} := {value};
    RETURN NEW;
END
$body$"""


def add(place: Place, column: str, *, rewrites: bool) -> bool:
    """Add a column as the statement does; `rewrites` says that its default, if it has one, differs by row."""
    properties = place.column(column)
    if properties.get("identity"):
        _identity(place, column, properties)
    elif properties.get("generated"):
        return _generated(place, column, properties)
    elif rewrites and properties.get("default"):
        _default_later(place, column, properties)
    else:
        _plain(place, column, properties)
    return True


def kind_of(properties: Mapping[str, Value]) -> str:
    """Return the type of a column with its collation, as it is written."""
    collation = properties.get("collation")
    return f"{properties.get('type')}{f' COLLATE {collation}' if collation else ''}"


def _bare(place: Place, column: str, words: str) -> None:
    table = place.table
    place.phases.expand.append(
        Command(f"ALTER TABLE {table} ADD COLUMN {column} {words}", f"ALTER TABLE {table} DROP COLUMN {column}")
    )


def _plain(place: Place, column: str, properties: Mapping[str, Value]) -> None:
    """Add a column without a default, or with one that is the same for all rows and costs nothing."""
    default = properties.get("default")
    _bare(place, column, kind_of(properties) + (f" DEFAULT {default}" if default else ""))
    if properties.get("not null"):
        if not default:
            place.phases.ready = _READY.format(column=column)
        constraints.not_null(place, column)


def _default_later(place: Place, column: str, properties: Mapping[str, Value]) -> None:
    table, default = place.table, properties.get("default")
    owned = _sequence_of(place, column, before=False)
    if owned is not None:  # a serial's, which goes with the column
        place.phases.expand.append(Command(_created(*owned)))
    _bare(place, column, kind_of(properties))
    if owned is not None:
        place.phases.expand.append(Command(f"ALTER SEQUENCE {owned[0]} OWNED BY {table}.{column}"))
    place.phases.expand.append(Command(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default}"))
    place.phases.fill.append(Command(filled(place, column, "DEFAULT")))
    if properties.get("not null"):
        constraints.not_null(place, column)


def _sequence_of(place: Place, column: str, *, before: bool) -> tuple[str, Mapping[str, Value]] | None:
    state = place.one.step.before if before else place.one.step.after
    for name, properties in state.of("sequence").items():
        if properties.get("owned by") == f"{place.table}.{column}":
            return name, properties
    return None


def _created(name: str, properties: Mapping[str, Value]) -> str:
    """Write CREATE SEQUENCE; what is as usual is not said."""
    kind, increment, start = properties.get("type"), properties.get("increment"), properties.get("start")
    words = [f"CREATE SEQUENCE {name}"]
    words += [f"AS {kind}"] if kind != "bigint" else []
    words += [f"INCREMENT BY {increment}"] if increment not in (None, 1) else []
    words += [f"START WITH {start}"] if start not in (None, 1) else []
    return " ".join(words)


def _identity(place: Place, column: str, properties: Mapping[str, Value]) -> None:
    """Give the rows numbers from a sequence, and make it an identity once every row has its number."""
    table, owned = place.table, _sequence_of(place, column, before=False)
    numbers = beside(table, place.free(column, "_numbers", "index"))
    place.phases.expand.append(Command(f"CREATE SEQUENCE {numbers}", f"DROP SEQUENCE IF EXISTS {numbers}"))
    _bare(place, column, kind_of(properties))
    alter = f"ALTER TABLE {table} ALTER COLUMN {column}"
    default = f"{alter} SET DEFAULT nextval('{_literal(numbers)}')"
    place.phases.expand.append(Command(default, f"{alter} DROP DEFAULT"))
    place.phases.fill.append(Command(filled(place, column, "DEFAULT")))
    constraints.not_null(place, column)
    place.phases.contract += [
        Command(f"{alter} DROP DEFAULT", default),
        Command(f"{alter} {_as_identity(properties, owned[0] if owned else None)}", f"{alter} DROP IDENTITY"),
        Command(_carried_over(table, column, numbers)),
        Command(f"DROP SEQUENCE {numbers}", _numbered_on(table, column, numbers)),
    ]


def _numbered_on(table: str, column: str, numbers: str) -> str:
    return (
        f"CREATE SEQUENCE {numbers};\nSELECT setval('{_literal(numbers)}', "
        f"nextval(pg_get_serial_sequence('{_literal(table)}', '{_bare_literal(column)}')))"
    )


def _as_identity(properties: Mapping[str, Value], sequence: str | None) -> str:
    how = str(properties.get("identity")).upper()
    return f"ADD GENERATED {how} AS IDENTITY{f' (SEQUENCE NAME {sequence})' if sequence else ''}"


def _carried_over(table: str, column: str, numbers: str) -> str:
    return (
        f"SELECT setval(pg_get_serial_sequence('{_literal(table)}', '{_bare_literal(column)}'), "
        f"nextval('{_literal(numbers)}'))"
    )


def _literal(text: str) -> str:
    return text.replace("'", "''")


def _bare_literal(column: str) -> str:
    """Write a column as pg_get_serial_sequence wants it, which is without quotes."""
    bare = column[1:-1].replace('""', '"') if column.startswith('"') else column
    return _literal(bare)


def _generated(place: Place, column: str, properties: Mapping[str, Value]) -> bool:
    """Compute a column when it is read; before PostgreSQL 18, keep an ordinary one by a trigger."""
    place.phases.has_older_form, place.phases.same = True, False
    expression = properties.get("generated")
    if not place.older:
        _bare(place, column, f"{kind_of(properties)} GENERATED ALWAYS AS ({expression}) VIRTUAL")
        return True
    if (key := place.key()) is None:
        return False
    _bare(place, column, kind_of(properties))
    kept_by_trigger(place, column, of_new_row(str(expression)))
    place.phases.fill.append(Command(by_key(place, column, f"({expression})", key)))
    return True


def of_new_row(expression: str) -> str:
    """Write an expression over a table's columns so that a trigger computes it from the new row."""
    return f"(SELECT {expression} FROM (SELECT NEW.*) AS made)"  # noqa: S608  it is the script's own


def kept_by_trigger(place: Place, column: str, value: str) -> tuple[Command, Command]:
    """Let a trigger write a column; give the commands that take it away again, the trigger first."""
    table = place.table
    stem = with_ending(last_part(table), f"_{column.strip(chr(34))}")
    function = beside(table, place.free(stem, "_kept", "function"))
    trigger = with_ending(column, "_kept")
    trigger = with_ending("z", f"_{trigger.strip(chr(34))}")  # behind the other triggers, which go by their names
    create = _FUNCTION.format(function=function, column=column, value=value)
    attach = f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
    drop, detach = f"DROP FUNCTION {function}()", f"DROP TRIGGER {trigger} ON {table}"
    place.phases.expand += [Command(create, drop), Command(attach, detach)]
    return Command(detach, None), Command(drop, None)
