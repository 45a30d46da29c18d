"""What pruning takes: rows that no file names, what refers to them, and whether somebody has accepted it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import LossNotAccepted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlmigrate.seeds.model import Change, Prune, TableName

_OVERWRITING = {"set null", "set default"}
_BECOMES = {"cascade": "deleted with them", "set null": "set to NULL", "set default": "set to the default"}


@dataclass(frozen=True, slots=True)
class Referring:
    """Rows that refer by a foreign key to rows which are deleted; `rows` is None where the role cannot see them all.

    `on_delete` is `no action`, `restrict` (both keep the rows from being deleted), `cascade`, `set null` or
    `set default`.
    """

    table: TableName
    constraint: str
    columns: tuple[str, ...]
    on_delete: str
    rows: int | None

    def __str__(self) -> str:
        """Say what refers to a row and what becomes of it."""
        return self.to("it")

    def to(self, what: str) -> str:
        """Say what refers to a row (`it`) or to several (`them`), and what becomes of it."""
        count = "rows that cannot be counted" if self.rows is None else f"{self.rows} row{'s' * (self.rows != 1)}"
        verb = "refers" if self.rows == 1 else "refer"
        becomes = f": deleted with {what}" if self.on_delete == "cascade" else f": {_BECOMES.get(self.on_delete)}"
        if self.on_delete not in _BECOMES:
            becomes = f", which keeps {what} from being deleted"
        return f"{count} of {self.table} {verb} to {what} ({', '.join(self.columns)}){becomes}"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"table": str(self.table), "columns": list(self.columns)}


@dataclass(frozen=True, slots=True)
class PrunedRow:
    """A row that no file names, by its key as PostgreSQL prints it, with what is set and what refers to it."""

    key: dict[str, str | None]
    changes: tuple[Change, ...] = ()
    referring: tuple[Referring, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "key": self.key,
            "changes": [asdict(change) for change in self.changes],
            "referring": [one.as_json() for one in self.referring],
        }


@dataclass(frozen=True, slots=True)
class PrunedTable:
    """A table with the rows that pruning deletes or changes; `rows` are the first ones, `empty` its files without any.

    `referring` counts what refers to all of them.
    """

    table: TableName
    action: Prune
    count: int
    rows: tuple[PrunedRow, ...] = ()
    referring: tuple[Referring, ...] = ()
    empty: tuple[Path, ...] = ()

    @property
    def what(self) -> str:
        """Say shortly what happens to how many rows."""
        return f"{self.count} to {'delete' if self.action.deletes else 'change'}"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "action": "delete" if self.action.deletes else "set",
            "set": None if self.action.values is None else dict(self.action.values),
            "count": self.count,
            "rows": [row.as_json() for row in self.rows],
            "referring": [one.as_json() for one in self.referring],
            "empty": [str(path) for path in self.empty],
        }


@dataclass(frozen=True, slots=True)
class Pruning:
    """All that pruning takes.

    `gone` are rows that go with those that are deleted (ON DELETE CASCADE), by table; `referring` has every foreign key
    that leads to rows which go, whatever their table.
    """

    tables: tuple[PrunedTable, ...] = ()
    gone: tuple[tuple[TableName, int], ...] = ()
    referring: tuple[Referring, ...] = ()

    def of(self, table: TableName) -> PrunedTable | None:
        """Return what becomes of the rows of a table."""
        return next((one for one in self.tables if one.table == table), None)

    @property
    def count(self) -> int:
        """How many rows are deleted or changed, those of other tables included."""
        others = (one.rows or 0 for one in self.referring if one.on_delete in _OVERWRITING)
        return sum(one.count for one in self.tables) + sum(count for _, count in self.gone) + sum(others)

    @property
    def losses(self) -> list[str]:
        """What rows lose that nobody wanted to prune: they go as well, or no longer refer to anything."""
        found = [f"{_rows(count)} of {table} (deleted with them)" for table, count in self.gone]
        overwritten = (
            one
            for one in self.referring
            if (one.rows is None and one.on_delete == "cascade") or (one.rows != 0 and one.on_delete in _OVERWRITING)
        )
        found += [
            f"{', '.join(one.columns)} of {_rows(one.rows)} of {one.table} ({_BECOMES[one.on_delete]})"
            for one in overwritten
        ]
        return found

    @property
    def empty(self) -> list[str]:
        """The files without a row whose tables would lose rows."""
        return [str(path) for one in self.tables if one.count for path in one.empty]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "count": self.count,
            "tables": [{"table": str(one.table), **one.as_json()} for one in self.tables],
            "gone": [{"table": str(table), "rows": count} for table, count in self.gone],
            "referring": [one.as_json() for one in self.referring],
        }

    def as_losses(self) -> Iterator[dict[str, object]]:
        """Yield what rows lose as plain values."""
        for one in self.tables:
            if one.count:
                how = "deleted" if one.action.deletes else str(one.action)
                yield {"kind": "rows", "table": str(one.table), "how": how, "rows": one.count}
        for table, count in self.gone:
            yield {"kind": "rows", "table": str(table), "how": "deleted with rows that they refer to", "rows": count}
        for key in self.referring:
            if key.on_delete in _OVERWRITING and key.rows != 0:
                columns = ", ".join(key.columns)
                yield {
                    "kind": "values",
                    "table": str(key.table),
                    "how": f"{columns}: {key.on_delete}",
                    "rows": key.rows,
                }


def require_accepted(
    found: Pruning,
    accepted: int | bool,  # noqa: FBT001  a count, or any
    *,
    option: str,
    always: bool = False,
) -> None:
    """Raise LossNotAccepted where more is lost than the schemas and `prune` ask for, and nobody has accepted it.

    `accepted` is the count of rows, or True for any count. A file without rows wants the count: it may be empty by
    mistake. With `always`, rows that are pruned have to be accepted, too. `option` says how one accepts, in its hint.
    """
    if accepted is not True and accepted is not False:
        if found.count != accepted:
            message = f"{accepted} rows were accepted, but pruning would delete or change {found.count}"
            raise _refused(found, f"{message}; nothing was written", option)
        return
    if found.empty:
        message = f"{', '.join(found.empty)} has no rows, and pruning would delete or change {_rows(found.count)}"
        raise _refused(found, f"{message}; nothing was written", option)
    losses = found.losses
    if always and found.count and not accepted and not losses:
        raise _refused(found, f"pruning would delete or change {_rows(found.count)}; nothing was written", option)
    if losses and not accepted:
        raise _refused(found, f"pruning would also take {'; '.join(losses)}; nothing was written", option)


def _refused(found: Pruning, message: str, option: str) -> LossNotAccepted:
    hint = f"if that is meant, give {option.format(found.count)}"
    return LossNotAccepted(message, losses=tuple(found.as_losses()), hint=hint)


def _rows(count: int | None) -> str:
    return "an unknown number of rows" if count is None else f"{count} row{'s' * (count != 1)}"
