"""Hazards of tables whose changes are sent to others by logical replication."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.publications import Sent, refused, sending
from sqlmigrate.review.hazards.records import NOW, Context, Occurrence, Rule, briefly

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.hazards.publications import Sending
    from sqlmigrate.review.model import Severity
    from sqlmigrate.review.trace.tracer import Traced

    OfKnown = dict[tuple[int, str], tuple[str, Sent]]
    """What is sent of the tables that were there before the script, by oid and publication, with the table's name."""


def _changing(context: Context) -> Iterator[Traced]:
    """Yield the statements that changed the schema, where there is a publication at all."""
    if context.before.of("publication") or context.after.of("publication"):
        yield from (one for one in context.statements if one.step.before is not one.step.after)


def _refused(context: Context) -> Iterator[Occurrence]:
    for one in _changing(context):
        before = refused(one.step.before)
        for table, (publication, why) in refused(one.step.after).items():
            if table in before:
                continue
            relation = one.step.known.get(table)
            missing = why == "has no replica identity"
            yield Occurrence(
                statement=one.statement.number,
                seen=f"{table} is in publication {publication}, but {why}"
                if missing
                else f"publication {publication} {why}: {table}",
                relations=(relation.name if relation else table,),
                rewrite=f"ALTER TABLE {table} REPLICA IDENTITY FULL;" if missing else None,
                severity=None if relation else "warning",
                behind=True,
            )


def _of_known(sent: Sending, one: Traced) -> OfKnown:
    return {
        (relation.oid, publication): (table, what)
        for (table, publication), what in sent.items()
        if (relation := one.step.known.get(table)) is not None
    }


def _less(context: Context) -> Iterator[Occurrence]:
    """Report what a publication no longer sends behind a statement, unless it does so again in the end."""
    rollback = context.trace.script_run.operation == "rollback"
    for one in _changing(context):
        before, after = _of_known(sending(one.step.before), one), _of_known(sending(one.step.after), one)
        end = _of_known(sending(context.after), context.statements[-1]) if before != after else {}
        lost = []
        for (oid, publication), (table, was) in before.items():
            now, last = after.get((oid, publication)), end.get((oid, publication))
            words = _missing(was, now[1] if now else None)
            if words and oid not in one.step.gone and _missing(was, last[1] if last else None):
                lost.append((publication, words, table, one.step.known[table].name))
        for (publication, words), several in groupby(sorted(lost), key=lambda item: item[:2]):
            items = list(several)
            what = _gone(one, publication) or words
            seen = f"publication {publication} {what}: {briefly(item[2] for item in items)}"
            severity: Severity | None = "note" if rollback else None
            yield Occurrence(one.statement.number, seen, tuple(item[3] for item in items), severity=severity)


def _gone(one: Traced, publication: str) -> str | None:
    """Say of a publication what has become of it, where its name is there no more."""
    if f"publication {publication}" in one.step.after:
        return None
    renamed = next(
        (match[3] for match in map(NOW.match, one.changes.changed) if match and match[2] == publication), None
    )
    return "is dropped, and sends nothing more" if renamed is None else f"is renamed to {renamed}"


def _missing(was: Sent, now: Sent | None) -> str:
    """Say what of a table is not sent any more; nothing where all of it still is."""
    if now is None:
        return "no longer sends anything of"
    if lost := was.actions - now.actions:
        return f"no longer sends {briefly(word.upper() for word in sorted(lost))} of"
    if now.columns is not None and (was.columns is None or was.columns - now.columns):
        return "sends fewer columns of"
    return "sends other rows of" if now.where and now.where != was.where else ""


def _of_another_shape(context: Context) -> Iterator[Occurrence]:
    """Report what a subscriber must have first: columns, their types, and tables, by the names that are sent."""
    for one in _changing(context):
        before, after = _of_known(sending(one.step.before), one), _of_known(sending(one.step.after), one)
        tables: dict[str, list[str]] = {}
        for key in before.keys() & after.keys():
            (was, _), (now, sent) = before[key], after[key]
            words = [*([f"table {was} is called {now} now"] if was != now else []), *_columns(one, now, sent)]
            if words:
                tables.setdefault(now, words).sort()
        for table in sorted(tables):
            whole = one.step.after.get(f"table {table}", {}).get("partition of")
            if isinstance(whole, tuple) and whole[0] in tables:
                continue
            publication = briefly(sorted(name for _, name in before if after.get((_, name), ("",))[0] == table))
            seen = f"publication {publication} sends {table}: {briefly(tables[table])}"
            yield Occurrence(one.statement.number, seen, (one.step.known[table].name,))
        yield from _entering(context, one)


def _columns(one: Traced, table: str, sent: Sent) -> Iterator[str]:
    """Say of the columns of a published table what is new or another."""
    start = f"column {table}."
    for text in one.changes.made:
        column = text.removeprefix(start)
        if text.startswith(start) and sent.has(column) and not one.step.after.get(text, {}).get("generated"):
            yield f"column {column} is new"
    for text in one.changes.changed:
        match = NOW.match(text)
        if (
            match
            and match[1] == "column"
            and match[3].startswith(f"{table}.")
            and sent.has(match[3].rpartition(".")[2])
        ):
            yield f"column {match[2].rpartition('.')[2]} is called {match[3].removeprefix(f'{table}.')} now"
        elif text.startswith(start) and sent.has(text.removeprefix(start)):
            was, now = (_type(state, text) for state in (one.step.before, one.step.after))
            if was != now:
                yield f"column {text.removeprefix(start)} is of type {now} now"


def _type(state: Mapping[str, Mapping[str, object]], text: str) -> object:
    return state.get(text, {}).get("type")


def _entering(context: Context, one: Traced) -> Iterator[Occurrence]:
    """Report the tables that come into a publication that was there before, which may have subscribers."""
    old, new = sending(one.step.before), sending(one.step.after)
    known_by = {name for _, name in _of_known(old, one)}
    found: dict[str, list[str]] = {}
    for table, publication in sorted(new.keys() - old.keys()):
        properties = one.step.after.get(f"table {table}", {})
        there = f"publication {publication}" in context.before and f"publication {publication}" in one.step.before
        relation = one.step.known.get(table)
        renamed = (
            relation is not None
            and publication in known_by
            and any(oid == relation.oid and name == publication for oid, name in _of_known(old, one))
        )
        if there and not renamed and not properties.get("partition key"):
            found.setdefault(publication, []).append(table)
    for publication, tables in found.items():
        seen = f"publication {publication} sends {briefly(tables)} too from now on"
        yield Occurrence(one.statement.number, seen, tuple(tables), severity="note")


RULES = (
    Rule(
        "H28",
        "published-without-identity",
        "a published table without a replica identity",
        "danger",
        "A table in a publication that sends UPDATE or DELETE has no replica identity, or loses it: it has no "
        "primary key, or the index that served as its replica identity is dropped, or the publication sends "
        "only some of the columns of the replica identity, or chooses rows by others.",
        "the application: from COMMIT on PostgreSQL refuses every UPDATE and DELETE of the table",
        "give it a primary key first, or REPLICA IDENTITY FULL, which sends whole rows",
        _refused,
    ),
    Rule(
        "H67",
        "publication-sends-less",
        "a publication sends less than before",
        "warning",
        "A publication is dropped or renamed, or a table, some of its columns, some of its rows or a kind of change "
        "leave it.",
        "whoever reads the publication (a subscriber, a data warehouse, a search index) gets no error for a table "
        "that has left, only no more changes; to bring the table back, its rows have to be copied again",
        "ask who reads it, and stop them first; to replace a publication, make the new one, switch the subscribers "
        "over, and drop the old one in a later migration",
        _less,
    ),
    Rule(
        "H68",
        "subscriber-first",
        "a published table changes, and its subscribers do not",
        "warning",
        "A table in a publication gets a column, another name, or another type for a column, or a table comes into a "
        "publication. Logical replication sends rows and no schema changes.",
        "the subscriber: with the first row that it cannot store it stops, and tries again for ever, while the server "
        "here keeps all WAL for it",
        "change the subscriber first (add the column there, nullable or with a default), then this database; for a "
        "new table, refresh the subscription afterwards",
        _of_another_shape,
    ),
)
