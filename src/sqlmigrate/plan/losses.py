"""What a plan takes away from the data of a database, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import LossNotAccepted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.errors import Place

_NO_FILE_NAME = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A table, column, materialized view or sequence that loses what it holds, and how much that is.

    - `kind` is one of these, or `unknown` where a statement does not tell what it takes away.
    - `how` is `dropped`, `emptied` (TRUNCATE, DELETE without WHERE), or what becomes of the values of a column with
      another type; of what is unknown, it says why.
    - `table` and `column` are quoted as SQL needs it; `key` are the columns of the table's primary key.
    - `rows` is how many rows the table has, with its partitions, and `values` how many values that are not NULL: those
      of the column, or of all columns. Of a sequence, `values` is where it stands. None where it is not known.
    - `exact` says that they were counted; else `why` says why they are estimated.
    - `allowed` is the reason of a `-- sqlmigrate-allow: H21` before the statement, in a script that is applied.
    """

    migration_id: str
    kind: str
    how: str
    table: str
    column: str | None = None
    rows: int | None = None
    values: int | None = None
    exact: bool = False
    why: str | None = None
    key: tuple[str, ...] = ()
    allowed: str | None = None
    place: Place | None = None

    @property
    def counts(self) -> bool:
        """Whether something is lost, as far as is known: an empty table, or a column of NULL alone, loses nothing."""
        return not self.exact or self._lost != 0

    @property
    def _lost(self) -> int | None:
        return self.rows if self.kind in ("table", "materialized view") else self.values

    @property
    def object(self) -> str:
        """The kind and the name of what loses something."""
        return f"{self.kind} {self.table}{f'.{self.column}' if self.column else ''}"

    @property
    def amount(self) -> str:
        """How much is lost, in words."""
        if self.kind == "unknown":
            return "what is lost cannot be told"
        if self.kind == "sequence":
            return f"it stands at {self.values:,}" if self.values is not None else "where it stands is not known"
        if self._lost is None:
            rows = f" in about {_counted(self.rows, 'row')}" if self.rows is not None else ""
            return f"how much{rows} is not known ({self.why})"
        about = "" if self.exact else "about "
        words = [_counted(self.rows, "row"), _counted(self.values, "value")]
        if self.kind == "column":
            words = [f"{words[1]} in {words[0]}" if self.rows is not None else words[1]]
        amount = about + ", ".join(filter(None, words))
        return amount if self.exact else f"{amount} (estimated: {self.why})"

    def __str__(self) -> str:
        """Return what is lost, how much and where, in one line."""
        if self.kind == "unknown":
            return f"{self.amount}: {self.how}"
        how = f" ({self.how})" if self.how != "dropped" else ""
        return f"{self.object}{how}: {self.amount}"

    @property
    def keep(self) -> str | None:
        """A command of psql that keeps a copy outside the database; of a column, with the primary key beside it.

        None where a name has a line break or the like: psql ends the command there, and may run the rest as another.
        """
        if self.kind in ("unknown", "sequence"):
            return None
        file = _NO_FILE_NAME.sub("_", ".".join(filter(None, (self.table, self.column)))).strip("_")
        columns = ", ".join(dict.fromkeys((*self.key, self.column))) if self.column else "*"
        command = f"\\copy (SELECT {columns} FROM {self.table}) TO '{file}.csv' CSV HEADER"  # noqa: S608  people run it
        return command if command.isprintable() else None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        place = self.place
        return {
            "migration_id": self.migration_id,
            "kind": self.kind,
            "how": self.how,
            "table": self.table or None,
            "column": self.column,
            "rows": self.rows,
            "values": self.values,
            "exact": self.exact,
            "estimated_because": self.why,
            "loses": self.counts,
            "keep": self.keep,
            "allowed": self.allowed,
            "place": {"file": str(place.path), "line": place.line, "column": place.column} if place else None,
        }


def _counted(number: int | None, what: str) -> str:
    return "" if number is None else f"{number:,} {what}{'' if number == 1 else 's'}"


def open_losses(losses: Iterable[Loss]) -> list[Loss]:
    """Return the losses that somebody has to accept: something goes, and no remark in the script allows it."""
    return [item for item in losses if item.counts and item.allowed is None]


def require_none(losses: Iterable[Loss], *, hint: str) -> None:
    """Raise LossNotAccepted where something is taken away that nobody has allowed; `hint` says how to accept it."""
    if found := open_losses(losses):
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise LossNotAccepted(
            f"data would be lost: {found[0]}{more}; nothing was changed",
            hint=hint,
            losses=[item.as_json() for item in found],
        )
