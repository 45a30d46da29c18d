"""`sqlmigrate redo`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import App, running
from sqlmigrate.errors import ExecutionError, HistoryError

if TYPE_CHECKING:
    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.history import History
    from sqlmigrate.plan import Plan

EPILOG = """\b
Examples:
  sqlmigrate redo             try the last migration anew, after editing it
"""


@click.command(epilog=EPILOG)
@click.option("--recorded", is_flag=True, help="Run an edited rollback script as it was recorded at apply.")
@running
def command(app: App, *, recorded: bool) -> None:
    """Roll back the migration that was applied last, and apply it again; for work in progress."""
    from sqlmigrate import (  # noqa: PLC0415  --help needs none of it
        engine,
        migrations,
        plan,
    )
    from sqlmigrate.cli.progress import drawer, result_as_json  # noqa: PLC0415  same
    from sqlmigrate.sql.preflight import require_runnable  # noqa: PLC0415  same

    found = migrations.load(app.config.migrations)
    with app.target() as target:
        observer = drawer(app.output)

        def gate(info: ServerInfo, planned: Plan) -> None:
            app.announce(target, info)
            app.warn(info)
            require_runnable([(found.named(item.migration_id).script, item.transactional) for item in planned.steps])
            if planned.steps:
                question = f"Roll back {planned.steps[0].migration_id} in {info.database} and apply it again?"
                app.confirm(question, database=info.database, always=True)

        def backward(history: History) -> Plan:
            _require_not_marked(history)
            planned = plan.plan_rollback(found, history, recorded=recorded)
            gone = {item.migration_id for item in planned.steps}
            left = tuple(row for row in history.applied if row.migration_id not in gone)
            begun = tuple(item for item in history.half_way if item.migration_id not in gone)
            # refuse now what could not be applied again afterwards
            plan.plan_apply(
                found,
                replace(history, applied=left, half_way=begun),
                allow_out_of_order=True,
                outcome="nothing was rolled back",
            )
            return planned

        back = engine.rollback(
            target.conninfo,
            backward,
            app.options(),
            gate=gate,
            observer=observer,
        )

        def forward(history: History) -> Plan:
            gone = {ran.migration_id for ran in back.ran}
            planned = plan.plan_apply(found, history, allow_out_of_order=True)
            return replace(planned, steps=tuple(item for item in planned.steps if item.migration_id in gone))

        try:
            again = engine.apply(target.conninfo, forward, app.options(), gate=lambda *_: None, observer=observer)
        except ExecutionError as error:
            names = ", ".join(ran.migration_id for ran in back.ran)
            done = f"{names} is rolled back; once the cause is mended, `sqlmigrate apply` applies it again"
            error.hint = f"{error.hint}; {done}" if error.hint else done
            raise
    app.output.result(rolled_back=result_as_json(back)["migrations"], applied=result_as_json(again)["migrations"])
    app.output.line("done again" if again.ran else "nothing to do again")


def _require_not_marked(history: History) -> None:
    if history.applied and history.applied[-1].marked and not history.half_way:
        name = history.applied[-1].migration_id
        hint = f"to run both its scripts all the same: `sqlmigrate rollback --include-marked {name}`, then `apply`"
        raise HistoryError(
            f"{name} was marked as applied, not applied by sqlmigrate, so it is not done again", hint=hint
        )
