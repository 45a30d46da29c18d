"""`sqlmigrate fleet status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.fleet.call import counted, named, opened
from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import fleet_reading, scheduler

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.fleet.standing import Group

_FEW, _ROOM, _REASONS = 5, 40, 3  # targets of a group that are named, lines of a screen, and those of a reason
_COLORS = {"current": "green", "pending": "yellow", "ahead": "cyan", "odd": "red", "unreachable": "red"}


@click.command(name="status")
@scheduler
@fleet_reading
def command(app: App, *, concurrency: int) -> None:
    """Show where the targets stand, in groups.

    Those that stand in the same place are one group. It takes no lock and needs only the right to read. What is odd
    is explained: scripts that stopped half way, files that were edited or are missing, and targets that cannot be
    reached.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it

    fleet = opened(app)
    if app.config.scheduler is None:
        groups = project.stand(fleet, concurrency)
    else:
        groups = project.stand_by_workers(app.config, fleet, app.output.warning)
    app.output.result(targets=len(fleet.places), groups=[_as_json(group) for group in groups])
    shown = 0
    for at, group in enumerate(groups):
        lines = _lines(group)
        if shown and shown + len(lines) > _ROOM:
            rest = sum(len(group.targets) for group in groups[at:])
            app.output.line(f"and {counted(rest, 'target')} in {counted(len(groups) - at, 'more group')}: see --json")
            break
        app.output.line(*lines)
        shown += len(lines)


def _lines(group: Group) -> list[str]:
    """Say how many stand where, and of the odd ones which they are and why."""
    first, count = group.first, len(group.targets)
    at = f"at {first.at}" if first.at else "with nothing applied"
    state = click.style(first.kind.value, fg=_COLORS[first.kind.value])
    pending = f", {len(first.pending)} pending" if first.pending else ""
    where = "" if first.kind.value == "unreachable" else f" {printable(at)}{pending}"
    lines = [f"{count:>7,}{where} ({state})"]
    if first.why or count <= _FEW:
        lines.append(printable(f"        {named(group.targets)}"))
    reasons = [printable(f"        {reason}") for reason in first.why[:_REASONS]]
    more = [f"        and {len(first.why) - _REASONS:,} more reasons"] if len(first.why) > _REASONS else []
    return [*lines, *reasons, *more]


def _as_json(group: Group) -> dict[str, Any]:
    first = group.first
    return {
        "count": len(group.targets),
        "state": first.kind.value,
        "at": first.at,
        "pending": list(first.pending),
        "why": list(first.why),
        "targets": list(group.targets),
    }
