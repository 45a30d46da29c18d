"""What the acts of a script take away, found in the catalogs: it may be more than they name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlmigrate.engine.losses.names import Names, ask
from sqlmigrate.sql.statement.names import Named
from sqlmigrate.sql.statement.narrowing import narrows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.plan.losses import Loss
    from sqlmigrate.sql.statement.takings import Act

_CLASS = 1259  # the oid of pg_class, in every database (pg_class.dat)
_KINDS = {"r": "table", "p": "table", "m": "materialized view", "S": "sequence"}
_REFERRING = "emptied as far as it refers to deleted rows"


@dataclass(frozen=True, slots=True)
class Found:
    """A loss whose rows are not counted yet, and where they are: tables by oid, each with its column's name or ""."""

    loss: Loss
    oid: int
    parts: tuple[tuple[int, str], ...]
    role: str | None = None


@dataclass(slots=True)
class Finder:
    """What looks for the losses of the scripts of a run, one after the other, in the open transaction."""

    connection: Connection
    names: Names
    seen: set[tuple[int, str, bool]] = field(default_factory=set)

    def find(self, act: Act, path: Sequence[str], loss: Loss) -> Iterator[Found]:
        """Yield what an act takes away that no earlier one has taken; `loss` says where it stands."""
        for found in self._of(act, path, loss):
            key = (found.oid, found.loss.column or "", act.how == "retypes")
            if not found.oid or not self.seen & {key, (found.oid, "", False)}:
                self.seen.add(key)
                yield found
        self.names.change(act, path)

    def _of(self, act: Act, path: Sequence[str], loss: Loss) -> Iterator[Found]:
        match act.how:
            case "unclear":
                yield Found(replace(loss, kind="unknown", how=act.new), 0, ())
            case "retypes":
                yield from self._retyped(act, path, loss)
            case "empties":
                yield from self._emptied(act, path, loss)
            case "drops" if act.kind == "column":
                yield from self._column(act, path, loss)
            case "drops":
                yield from self._dropped(act, path, loss)

    def _heirs(self, act: Act, path: Sequence[str]) -> tuple[int, list[dict[str, Any]]]:
        """Return a table and what it and its partitions and children have of a column."""
        oid = self.names.relation(act.name, path)
        column = self.names.column(oid, act.part)
        if not oid or not column:
            return 0, []
        return oid, ask(self.connection, "heirs", oid=oid, name=column, children=not act.only)

    def _retyped(self, act: Act, path: Sequence[str], loss: Loss) -> Iterator[Found]:
        oid, heirs = self._heirs(act, path)
        if heirs and act.retype and (how := narrows(heirs[0]["type"], heirs[0]["modifier"], act.retype)):
            yield _of_column(replace(loss, how=f"its values {how}"), oid, heirs)

    def _column(self, act: Act, path: Sequence[str], loss: Loss) -> Iterator[Found]:
        oid, heirs = self._heirs(act, path)
        if heirs and not heirs[0]["generated"]:
            yield _of_column(loss, oid, heirs)
        if act.cascade and heirs:
            yield from self._gone([(_CLASS, oid, heirs[0]["number"])], act, loss, left_out=oid)

    def _emptied(self, act: Act, path: Sequence[str], loss: Loss) -> Iterator[Found]:
        if not (oid := self.names.relation(act.name, path)):
            return
        deleting = act.new == "delete"
        rows = ask(self.connection, "tree", oids=[oid], children=not act.only, all_keys=act.cascade, deleting=deleting)
        own = [row for row in rows if not row["referring"]]
        yield from _tables(own, replace(loss, how="emptied"))
        others = [row for row in rows if row["referring"]]
        yield from _tables(others, replace(loss, how=_REFERRING if deleting else "emptied"))

    def _dropped(self, act: Act, path: Sequence[str], loss: Loss) -> Iterator[Found]:
        if act.kind == "relation":
            oid = self.names.relation(act.name, path)
            seeds = [(_CLASS, oid, 0)] if oid else []
        else:
            schema = act.name.name if act.kind == "schema" else ""
            now = self.names.schemas.get(schema, act.name.name) if schema else act.name.name
            within = [act.name.schema] if act.name.schema else list(path)
            named = ask(self.connection, "named", kind=act.kind, name=now, path=within)
            seeds = [(row["class"], row["object"], 0) for row in named]
            seeds += [(_CLASS, oid, 0) for oid in self.names.moved_into(schema) if schema]
        yield from self._gone(seeds, act, loss)

    def _gone(self, seeds: list[tuple[int, int, int]], act: Act, loss: Loss, *, left_out: int = 0) -> Iterator[Found]:
        if not seeds:
            return
        kept = self.names.moved_out(act.name.name) if act.kind == "schema" else []
        rows = ask(
            self.connection, "gone",
            classes=[item[0] for item in seeds], objects=[item[1] for item in seeds],
            subs=[item[2] for item in seeds], cascade=act.cascade, kept=kept,
        )  # fmt: skip
        whole = {row["oid"] for row in rows if not row["column"]}
        yield from _tables([row for row in rows if not row["column"]], loss)
        for row in rows:
            if row["column"] and row["kind"] != "p" and row["oid"] not in whole | {left_out}:
                yield _of_column(loss, row["oid"], [row])


def _of_column(loss: Loss, oid: int, rows: Sequence[dict[str, Any]]) -> Found:
    """Return the loss of a column, of which partitions and children have their parts."""
    first = rows[0]
    return Found(
        replace(loss, kind="column", table=_quoted(first), column=Named("", first["column"]).quoted),
        oid,
        tuple((row["oid"], row["column"]) for row in rows if row["kind"] in "rm"),
    )


def _tables(rows: Sequence[dict[str, Any]], loss: Loss) -> Iterator[Found]:
    """Yield the losses of whole tables: a partition belongs to the table that goes with it."""
    by_oid = {row["oid"]: row for row in rows}
    parts: dict[int, list[int]] = {}
    for row in by_oid.values():
        root = row
        while above := by_oid.get(root["partition_of"]):
            root = above
        parts.setdefault(root["oid"], []).extend([row["oid"]] if row["kind"] in "rm" else [])
    for oid, members in parts.items():
        row = by_oid[oid]
        found = replace(loss, kind=_KINDS[row["kind"]], table=_quoted(row))
        yield Found(found, oid, tuple((member, "") for member in members))


def _quoted(row: dict[str, Any]) -> str:
    return Named(row["schema"], row["name"]).quoted
