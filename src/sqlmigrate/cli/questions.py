"""The questions before something is written, and what is lost if the answer is yes."""

from __future__ import annotations

import sys
from shlex import quote
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.foreign_text import one_line, printable
from sqlmigrate.cli.output import is_terminal
from sqlmigrate.errors import ConfirmationRequired, LossNotAccepted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.cli.call import App
    from sqlmigrate.cli.output import Output
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.plan import Loss, Plan

_WORD = "lose"
_SHOWN, _KEPT = 20, 3  # losses of a migration, and commands that keep them


def confirm_plan(app: App, question: str, planned: Plan, found: Migrations, *, database: str, always: bool) -> None:
    """Say what a plan takes away, and ask as `confirm` does."""
    from sqlmigrate.plan import open_losses  # noqa: PLC0415  only commands that run plans

    show_losses(app.output, planned, found)
    confirm(app, question, database=database, always=always, losses=open_losses(planned.losses))


def confirm(app: App, question: str, *, database: str, always: bool, losses: Sequence[Loss] = ()) -> None:
    """Ask before something is written; raises ConfirmationRequired where nobody said yes.

    A protected environment wants the database's name, typed or as --yes-i-mean; --yes is not enough there. A name that
    is given must be right everywhere. With `losses` --yes is not enough either, nor a name that was given before
    anybody saw them: --accept-loss is, or what is typed.
    """
    if app.config.protected or app.yes_i_mean is not None:
        typed = _confirm_protected(app, question, database)
        if losses and not typed:
            _accept(app, losses, "Lose that?")
    elif losses and always:
        _accept(app, losses, question)
    elif always and not (app.yes or app.accept_loss):
        if not is_terminal(sys.stdin):
            raise ConfirmationRequired(
                f"there is no terminal to ask on: {question} Nothing was changed", hint="to go on, give --yes"
            )
        if not click.confirm(one_line(question, styled=False), err=True):
            raise ConfirmationRequired("not confirmed; nothing was changed")


def _confirm_protected(app: App, question: str, database: str) -> bool:
    """Return whether the name was typed now."""
    where = f"environment {app.config.env}" if app.config.env else "this configuration"
    name = app.yes_i_mean
    if name is None:
        if not is_terminal(sys.stdin):
            raise ConfirmationRequired(
                f"{where} is protected; nothing was changed",
                hint=f"to go on, name the database: --yes-i-mean {quote(database)}",
            )
        ask = f"{question} {where} is protected: type the database's name"
        name = click.prompt(one_line(ask, styled=False), err=True, default="", show_default=False)
    if name != database:
        raise ConfirmationRequired(f"{name!r} is not the name of this database, {database}; nothing was changed")
    return app.yes_i_mean is None


def _accept(app: App, losses: Sequence[Loss], question: str) -> None:
    if app.accept_loss:
        return
    values = tuple(item.as_json() for item in losses)
    if not is_terminal(sys.stdin):
        raise LossNotAccepted(
            f"{lost_in_short(losses)}, and there is no terminal to ask on; nothing was changed",
            hint="to go on, give --accept-loss; --yes is not enough for that",
            losses=values,
        )
    ask = f"{question} To lose {'it' if len(losses) == 1 else 'them'} for good, type {_WORD}"
    if click.prompt(one_line(ask, styled=False), err=True, default="", show_default=False) != _WORD:
        raise LossNotAccepted("not confirmed; nothing was changed", losses=values)


def lost_in_short(losses: Sequence[Loss]) -> str:
    """Say in one clause how much is lost."""
    first, *rest = (printable(str(item)) for item in losses)
    return f"data would be lost: {first}{f', and {len(rest)} more' if rest else ''}"


def show_losses(output: Output, planned: Plan, found: Migrations) -> None:
    """Say before a question what each migration takes away, what its proof says, and how to keep it."""
    counting = [item for item in planned.losses if item.counts]
    said = proofs_of(planned, found) if counting else {}
    by_id: dict[str, list[Loss]] = {}
    for item in counting:
        by_id.setdefault(item.migration_id, []).append(item)
    for name, losses in by_id.items():
        verb = "rolling back" if planned.operation == "rollback" else "applying"
        output.always(f"{click.style('data is lost', fg='red', bold=True)} by {verb} {printable(name)}:")
        for item in losses[:_SHOWN]:
            where = f" ({item.place})" if item.place else ""
            allowed = f"; allowed: {item.allowed}" if item.allowed else ""
            output.always(printable(f"  {item}{where}{allowed}"))
        if len(losses) > _SHOWN:
            output.always(f"  and {len(losses) - _SHOWN} more")
        output.always(f"  {said[name][1]}")
        for keep in _keeps(losses):
            output.always(printable(f"  to keep it, in psql, first: {keep}"))


def _keeps(losses: Sequence[Loss]) -> Iterator[str]:
    """Yield commands that keep a copy, each as one word, so that it is not wrapped."""
    commands = [item.keep for item in losses if item.keep]
    yield from (f"`{command}`" for command in commands[:_KEPT])
    if len(commands) > _KEPT:
        yield f"... and {len(commands) - _KEPT} more, which --json has (`keep`)"


def proofs_of(planned: Plan, found: Migrations) -> dict[str, tuple[str | None, str]]:
    """Return what the recorded proof of each migration that takes something says: its verdict, and in words."""
    from sqlmigrate.roundtrip import proofs  # noqa: PLC0415  only where something is lost

    names = {item.migration_id for item in planned.losses}
    return proofs.said(found, [step for step in planned.steps if step.migration_id in names])


def losses_as_json(planned: Plan, found: Migrations) -> list[dict[str, object]]:
    """Return what a plan takes away as plain values, each with the verdict of the recorded proof."""
    said = proofs_of(planned, found) if planned.losses else {}
    return [{**item.as_json(), "proof": said[item.migration_id][0]} for item in planned.losses]
