"""`seed --prune`: shows what would be pruned, asks where more than that is lost, and has the count typed."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.foreign_text import one_line, printable
from sqlmigrate.cli.output import is_terminal
from sqlmigrate.cli.seed_values import both, key
from sqlmigrate.errors import LossNotAccepted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.cli.call import App
    from sqlmigrate.seeds import Proposal, TableDifference
    from sqlmigrate.seeds.pruning.model import PrunedRow, PrunedTable, Pruning

_OPTION = "--accept-loss {}"
_ANY = "any"


class _Accepted(click.ParamType[Any]):
    """A count of rows, or nothing for any."""

    name = "rows"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | bool:
        """Return the count, or True."""
        if value == _ANY or value is True:
            return True
        text = str(value).replace(",", "")
        if not (text.isascii() and text.isdigit()):
            self.fail(f"{value!r} is no count of rows", param, ctx)
        return int(text)


PRUNE = click.option(
    "--prune", is_flag=True, help="Delete or change rows that no file names, where the schema of the table says so."
)
ACCEPTING = click.option(
    "--accept-loss",
    "accepted",
    is_flag=False,
    flag_value=_ANY,
    type=_Accepted(),
    metavar="[ROWS]",
    help="With --prune: go on if other rows are lost, too; with a count, only if it is that one.",
)


@dataclass(slots=True)
class Asked:
    """What somebody wants to be pruned, and has accepted; `found` is what is shown, and what the result has."""

    app: App
    accepted: int | bool
    found: Pruning | None = None
    _most: int | None = field(default=None)
    _seen: list[Pruning] = field(default_factory=list)

    def before(self, proposal: Proposal) -> None:
        """Ask on a terminal, before anything is written, where something has to be accepted."""
        if self.accepted is not False or not is_terminal(sys.stdin):
            return
        foreseen = proposal.foresee()
        try:
            self._require(foreseen)
        except LossNotAccepted as refused:
            self._show(foreseen)
            self._have_typed(foreseen, refused)

    def accept(self, found: Pruning) -> None:
        """Refuse what nobody has accepted, in the transaction that prunes; raises LossNotAccepted."""
        if not found.tables and not self._seen:
            self.app.output.warning('--prune has nothing to do: no schema of these files says "prune"')
        if self._most is None:
            if found not in self._seen:  # a run that is tried again finds the same
                self._show(found)
            self._require(found)
        elif found.count > self._most:
            message = f"pruning would delete or change {found.count} rows by now, and not {self._most}"
            raise LossNotAccepted(f"{message}; nothing was written", losses=tuple(found.as_losses()))
        self.found = found
        self._seen.append(found)

    def _require(self, found: Pruning) -> None:
        from sqlmigrate.seeds.pruning.model import require_accepted  # noqa: PLC0415  --help needs none of it

        require_accepted(
            found, self.accepted, option=_OPTION, always=self.app.config.protected and self.app.yes_i_mean is not None
        )

    def _show(self, found: Pruning) -> None:
        self.app.output.always(*map(printable, described(found)))

    def _have_typed(self, found: Pruning, refused: LossNotAccepted) -> None:
        why = refused.message.removesuffix("; nothing was written")
        ask = one_line(f"{why}. To go on, type the number of rows that are deleted or changed", styled=False)
        typed = click.prompt(ask, err=True, default="", show_default=False)
        if str(typed).strip().replace(",", "") != str(found.count):
            raise LossNotAccepted("not confirmed; nothing was changed", losses=refused.losses)
        self._most = found.count


def described(found: Pruning) -> Iterator[str]:
    """Yield lines that say which rows are pruned, and what refers to them."""
    for one in found.tables:
        if one.count:
            verb = "deletes" if one.action.deletes else "changes"
            rows = "1 row" if one.count == 1 else f"{one.count} rows"
            yield f"{one.table}: pruning {verb} {rows} that no file names"
            yield from rows_of(one)
    yield from _others(found)


def rows_of(one: PrunedTable, words: str = "") -> Iterator[str]:
    """Yield lines for the first rows of a table, and for what refers to all of them."""
    for row in one.rows:
        yield f"  - {key(row.key)}{words}"
        yield from (f"      {line}" for line in _of_row(row))
    if left := one.count - len(one.rows):
        yield f"  and {left} more"
        yield from (f"      of all: {referring.to('them')}" for referring in one.referring)
    else:
        yield from (f"      of all: {referring.to('them')}" for referring in one.referring if referring.rows is None)


def _of_row(row: PrunedRow) -> Iterator[str]:
    for change in row.changes:
        yield f"{change.column}: {' -> '.join(both(change))}"
    yield from map(str, row.referring)


def _others(found: Pruning) -> Iterator[str]:
    """Yield what is lost beside the rows that pruning is for."""
    yield from (f"also: {loss}" for loss in found.losses)
    if found.losses:
        yield f"in all: {found.count} rows are deleted or changed"


def marked(one: TableDifference) -> Iterator[str]:
    """Yield lines of the rows that no file names: what pruning would do with them."""
    if one.pruned is not None:
        yield from rows_of(one.pruned, f"  (--prune {'deletes' if one.pruned.action.deletes else 'changes'} it)")
