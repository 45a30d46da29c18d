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
class _Taken:
    """An act with what it names in the database; `columns` are its column in the table, its partitions and children."""

    act: Act
    loss: Loss
    role: str | None
    oid: int = 0
    column: str = ""
    columns: list[dict[str, Any]] = field(default_factory=list)
    seeds: list[tuple[int, int, int]] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    gone: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Finder:
    """What looks for the losses of the scripts of a run, in the open transaction: `take` each act, then `find`.

    The catalogs are asked once for all acts, since a run may roll back a thousand migrations.
    """

    connection: Connection
    names: Names
    taken: list[_Taken] = field(default_factory=list)

    def take(self, act: Act, path: Sequence[str], loss: Loss, role: str | None) -> None:
        """Take the next act of a run; `loss` says where it stands, and `role` runs it."""
        if act.how in ("drops", "empties", "retypes", "unclear"):
            taken = _Taken(act, loss, role)
            if act.kind in ("relation", "column"):
                taken.oid = self.names.relation(act.name, path)
                taken.column = self.names.column(taken.oid, act.part)
            if act.how == "drops" and act.kind == "relation":
                taken.seeds = [(_CLASS, taken.oid, 0)] if taken.oid else []
            elif act.how == "drops" and act.kind != "column":
                taken.seeds = self._named(act, path)
                taken.kept = self.names.moved_out(act.name.name) if act.kind == "schema" else []
            self.taken.append(taken)
        self.names.change(act, path)

    def _named(self, act: Act, path: Sequence[str]) -> list[tuple[int, int, int]]:
        """Return what a type, a schema or the like is in the catalogs."""
        schema = act.name.name if act.kind == "schema" else ""
        name = self.names.schemas.get(schema, act.name.name) if schema else act.name.name
        within = [act.name.schema] if act.name.schema else list(path)
        named = ask(self.connection, "named", kind=act.kind, name=name, path=within)
        moved = self.names.moved_into(schema) if schema else []
        return [*((row["class"], row["object"], 0) for row in named), *((_CLASS, oid, 0) for oid in moved)]

    def find(self) -> Iterator[Found]:
        """Yield what the acts take away, each object once."""
        self._ask_columns()
        self._ask_gone()
        seen: set[tuple[int, str, bool]] = set()
        for taken in self.taken:
            for found in self._of(taken):
                key = (found.oid, found.loss.column or "", taken.act.how == "retypes")
                if not found.oid or not seen & {key, (found.oid, "", False)}:
                    seen.add(key)
                    yield replace(found, role=taken.role)

    def _ask_columns(self) -> None:
        wanted = [
            (tag, item) for tag, item in enumerate(self.taken) if item.act.kind == "column" and item.oid and item.column
        ]
        rows = ask(
            self.connection, "heirs",
            tags=[tag for tag, _ in wanted], oids=[item.oid for _, item in wanted],
            names=[item.column for _, item in wanted], children=[not item.act.only for _, item in wanted],
        ) if wanted else []  # fmt: skip
        for row in rows:
            self.taken[row["tag"]].columns.append(row)

    def _ask_gone(self) -> None:
        for item in self.taken:
            if item.act.how == "drops" and item.columns and item.act.cascade:
                item.seeds.append((_CLASS, item.oid, item.columns[0]["number"]))
        seeds = [(tag, item.act.cascade, *seed) for tag, item in enumerate(self.taken) for seed in item.seeds]
        kept = [(tag, oid) for tag, item in enumerate(self.taken) for oid in item.kept]
        rows = ask(
            self.connection, "gone",
            tags=[seed[0] for seed in seeds], cascades=[seed[1] for seed in seeds],
            classes=[seed[2] for seed in seeds], objects=[seed[3] for seed in seeds], subs=[seed[4] for seed in seeds],
            kept_tags=[tag for tag, _ in kept], kept=[oid for _, oid in kept],
        ) if seeds else []  # fmt: skip
        for row in rows:
            self.taken[row["tag"]].gone.append(row)

    def _of(self, taken: _Taken) -> Iterator[Found]:
        act, loss = taken.act, taken.loss
        if act.how == "unclear":
            yield Found(replace(loss, kind="unknown", how=act.new), 0, ())
        elif act.how == "empties":
            yield from self._emptied(taken)
        elif act.how == "retypes":
            first = next(iter(taken.columns), None)
            if first and act.retype and (how := narrows(first["type"], first["modifier"], act.retype)):
                yield _of_column(replace(loss, how=f"its values {how}"), taken.oid, taken.columns)
        else:
            yield from _dropped(taken)

    def _emptied(self, taken: _Taken) -> Iterator[Found]:
        if not taken.oid:
            return
        act, deleting = taken.act, taken.act.new == "delete"
        rows = ask(
            self.connection, "tree", oids=[taken.oid], children=not act.only, all_keys=act.cascade, deleting=deleting
        )
        own = [row for row in rows if not row["referring"]]
        yield from _tables(own, replace(taken.loss, how="emptied"))
        others = [row for row in rows if row["referring"]]
        yield from _tables(others, replace(taken.loss, how=_REFERRING if deleting else "emptied"))


def _dropped(taken: _Taken) -> Iterator[Found]:
    if taken.columns and not taken.columns[0]["generated"]:
        yield _of_column(taken.loss, taken.oid, taken.columns)
    whole = {row["oid"] for row in taken.gone if not row["column"]}
    yield from _tables([row for row in taken.gone if not row["column"]], taken.loss)
    own = {row["oid"] for row in taken.columns}
    for row in taken.gone:
        if row["column"] and row["kind"] != "p" and row["oid"] not in whole | own:
            yield _of_column(taken.loss, row["oid"], [row])


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
