"""`sqlmigrate fleet drift`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.fleet.call import counted, named, opened
from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import fleet_reading
from sqlmigrate.cli.reporting import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.cli.call import App
    from sqlmigrate.fleet.catalogs import Likeness

_GROUPS, _LINES = 20, 30  # on a screen, and of a difference


@click.command(name="drift")
@fleet_reading
@click.pass_context
def command(context: click.Context, /, app: App, *, concurrency: int) -> None:
    """Show which targets have the same schema.

    The others are shown with how they differ from those of the largest group; the exit status is 3 then. Tenants are
    compared with tenants, and databases with databases. What differs in all of them from the files, `sqlmigrate drift`
    finds in one of them.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  --help needs none of it

    fleet = opened(app)
    groups = project.compare(app.config, fleet.places, concurrency)
    app.output.result(targets=len(fleet.places), groups=[_as_json(group) for group in groups])
    for group in groups[:_GROUPS]:
        app.output.line(*map(printable, _lines(group)))
    if len(groups) > _GROUPS:
        app.output.line(f"and {len(groups) - _GROUPS} more groups, which --json has")
    context.exit(0 if all(group.largest for group in groups) else FINDINGS)


def _lines(group: Likeness) -> Iterator[str]:
    from sqlmigrate.schema.diff import as_text  # noqa: PLC0415  a comparison has loaded it

    count = counted(len(group.targets), "target")
    if group.failed is not None:
        yield f"{count} could not be read: {named(group.targets)}"
        yield f"  {group.failed}"
    elif group.largest:
        yield f"{count} with the same schema: {named(group.targets)}"
    else:
        yield f"{count} with another one: {named(group.targets)}"
        lines = as_text(group.changes)
        yield from (f"  {line}" for line in lines[:_LINES])
        if len(lines) > _LINES:
            yield f"  and {len(lines) - _LINES} more lines, which --json has"


def _as_json(group: Likeness) -> dict[str, Any]:
    from sqlmigrate.schema.diff import as_json  # noqa: PLC0415  a comparison has loaded it

    return {
        "count": len(group.targets),
        "targets": list(group.targets),
        "fingerprint": group.fingerprint,
        "differences": as_json(group.changes),
        "failed": group.failed,
    }
