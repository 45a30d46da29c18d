"""`sqlmigrate redo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import running
from sqlmigrate.errors import ExecutionError

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.plan import Plan

EPILOG = """\b
Examples:
  sqlmigrate redo             run the last migration again, after editing it
"""


@click.command(epilog=EPILOG)
@click.option("--recorded", is_flag=True, help="Run an edited rollback script as it was recorded at apply.")
@running
def command(app: App, *, recorded: bool) -> None:
    """Roll back the migration that was applied last, and apply it again; for work in progress.

    Data that the rollback script drops does not come back: it is named first, and --accept-loss accepts it.
    """
    from sqlmigrate import (  # noqa: PLC0415  --help needs none of it
        engine,
        migrations,
        plan,
    )
    from sqlmigrate.cli.progress import drawer, result_as_json  # noqa: PLC0415  same
    from sqlmigrate.cli.questions import confirm_plan, losses_as_json  # noqa: PLC0415  same
    from sqlmigrate.migrations.preflight import require_runnable  # noqa: PLC0415  same

    found = migrations.of_project(app.config)
    with app.target() as target:
        observer = app.observer(drawer(app.output))

        def gate(info: ServerInfo, planned: Plan) -> None:
            app.announce(target, info)
            app.warn(info)
            for note in planned.notes:
                app.output.warning(note)
            require_runnable(found.named(item.migration_id).forward() for item in planned.steps)
            app.require_proofs(found, info, planned)  # what goes back is what is applied again
            if planned.steps:
                question = f"Roll back {planned.steps[0].migration_id} in {info.database} and apply it again?"
                confirm_plan(app, question, planned, found, database=info.database, always=True)
                app.output.recorder.begins(info, (item.migration_id for item in planned.steps))

        request = plan.RollbackRequest(migrations=found, recorded=recorded, again=True)
        try:
            back = engine.run(target.conninfo, request, app.options(), gate=gate, observer=observer)
        except ExecutionError as error:
            accept = "`sqlmigrate accept ID --reason ...` takes an edited rollback script as it is now"
            raise error.replaced(hint=f"{error.hint}; {accept}" if error.hint else accept) from None
        gone = frozenset(ran.migration_id for ran in back.ran)
        forward = plan.ApplyRequest(migrations=found, only=gone, allow_out_of_order=True)
        try:
            again = engine.run(target.conninfo, forward, app.options(), observer=observer)
        except ExecutionError as error:
            names = ", ".join(ran.migration_id for ran in back.ran)
            done = f"{names} is rolled back; fix the cause, then `sqlmigrate apply` applies it again"
            raise error.replaced(hint=f"{error.hint}; {done}" if error.hint else done) from None
    app.output.result(
        rolled_back=result_as_json(back)["migrations"],
        applied=result_as_json(again)["migrations"],
        losses=losses_as_json(back.plan, found),
    )
    app.output.line("done again" if again.ran else "nothing to redo")
