"""What the commands for one database take and a fleet does not: each such option says why, and what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

F = TypeVar("F", bound="Callable[..., Any]")

_TARGETS = "a fleet works on what its list names: give --targets FILE"
_STEPS = "how far a step leads differs from target to target: name the migration with --to"
_RESUME_AT = "where a script stopped differs from target to target: run `sqlmigrate {} --resume-at N -d URL` for one"
_THE_RUN = "a rollback of a fleet takes back what RUN has applied, all of it and only that"
_EVERYWHERE = {"--database-url": _TARGETS, "--wait-for-server": _TARGETS, "--embedded": _TARGETS}
_FLAGS = frozenset({"--embedded", "--all", "--seed", "--check-drift"})
_SHORT = {"--database-url": ("-d",)}

OF_APPLY = _EVERYWHERE | {
    "--steps": _STEPS,
    "--resume-at": _RESUME_AT.format("apply"),
    "--check-drift": "run `sqlmigrate fleet drift` before and after",
    "--seed": "seed data is for one database: run `sqlmigrate seed -d URL` for each that needs it",
}
"""Options of `apply` that `fleet apply` refuses."""
OF_ROLLBACK = _EVERYWHERE | {
    "--steps": _THE_RUN,
    "--to": _THE_RUN,
    "--all": _THE_RUN,
    "--resume-at": _RESUME_AT.format("rollback"),
    "--include-marked": "a run of a fleet has marked nothing: run `sqlmigrate rollback --include-marked ID -d URL`",
}
"""Options of `rollback` that `fleet rollback` refuses."""


def refusing(reasons: Mapping[str, str]) -> Callable[[F], F]:
    """Have a command refuse options, each with its reason; its --help does not show them."""

    def decorate(command: F) -> F:
        decorated: Any = command
        for name, why in reasons.items():
            given = click.option(
                *_SHORT.get(name, ()), name, hidden=True, help=f"Refused: {why}.", expose_value=False,
                is_flag=name in _FLAGS, callback=_refusal(name, why),
            )  # fmt: skip
            decorated = given(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


def _refusal(name: str, why: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def refuse(_context: click.Context, _option: click.Parameter, value: Any) -> None:
        if value:
            _raise(name, why)

    return refuse


def _raise(name: str, why: str) -> NoReturn:
    raise click.UsageError(f"{name}: {why}")
