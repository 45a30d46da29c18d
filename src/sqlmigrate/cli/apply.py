"""`sqlmigrate apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import running
from sqlmigrate.sql.directives import PHASES

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.cli.comparing import Check
    from sqlmigrate.cli.seed_run import SeedRun
    from sqlmigrate.connection import Gate, ServerInfo
    from sqlmigrate.engine import Preview
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.plan import ApplyRequest, Plan
    from sqlmigrate.target import Target

EPILOG = """\b
Examples:
  sqlmigrate apply                        everything that is pending
  sqlmigrate apply --dry-run              only show what would run
  sqlmigrate apply --to 20260304_change   up to this one, and no further
  sqlmigrate apply --steps 1              the next one
  sqlmigrate apply --phase before-deploy  before a new version is out
  sqlmigrate apply --seed                 and then what `seed` writes
"""

_NOT_BETWEEN = (
    "the hooks before_migration and after_migration run between transactions, and --single-transaction has only one"
)
_NOT_TOGETHER = (
    "--seed writes the seed data in a transaction of its own, after the migrations, and --single-transaction has only "
    "one: run `sqlmigrate seed` afterwards"
)


@click.command(epilog=EPILOG)
@click.option("--to", metavar="ID", help="Apply up to and including this migration.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Apply the next N migrations.")
@click.option("--phase", type=click.Choice(PHASES), help="Stop before the first migration of the other phase.")
@click.option("--dry-run", is_flag=True, help="Show what would run, and run nothing.")
@click.option(
    "--allow-out-of-order", is_flag=True, default=None, help="Also apply migrations that are older than applied ones."
)
@click.option("--single-transaction", is_flag=True, help="Apply all of it in one transaction, or nothing.")
@click.option("--exact", is_flag=True, help="Refuse a database that is ahead of the files.")
@click.option(
    "--require-proof", is_flag=True, default=None, help="Apply only migrations whose rollback is proven by `roundtrip`."
)
@click.option(
    "--resume-at", type=click.IntRange(min=1), metavar="N", help="Resume a script that stopped half way at statement N."
)
@click.option(
    "--check-drift", is_flag=True, default=None, help="Compare the database with its files, before and after."
)
@click.option("--seed", "seeds", is_flag=True, help="Then write the seed data, under the same run lock.")
@running
def command(
    app: App,
    *,
    to: str | None,
    steps: int | None,
    phase: str | None,
    dry_run: bool,
    single_transaction: bool,
    exact: bool,
    resume_at: int | None,
    seeds: bool,
) -> None:
    """Apply pending migrations, each in one transaction together with its history row.

    Every script is checked before the first one runs. An environment that is `protected` asks first.
    What data is lost is said before.
    """
    if to is not None and steps is not None:
        raise click.UsageError("give either --to or --steps, not both")
    if single_transaction and app.config.hooks.between:
        raise click.UsageError(_NOT_BETWEEN)
    if single_transaction and seeds:
        raise click.UsageError(_NOT_TOGETHER)
    seeding = _seeding(app) if seeds else None
    early = app.connecting()
    from sqlmigrate import (  # noqa: PLC0415  --help needs none of it
        engine,
        migrations,
        plan,
    )
    from sqlmigrate.cli.progress import drawer, result_as_json  # noqa: PLC0415  same
    from sqlmigrate.cli.questions import losses_as_json  # noqa: PLC0415  same
    from sqlmigrate.target import for_development  # noqa: PLC0415  same

    if early is not None:
        engine.look(early, app.options())
    found = migrations.of_project(app.config)
    with app.target() as target:
        request = plan.ApplyRequest(
            migrations=found,
            to=to,
            steps=steps,
            phase=phase,
            allow_out_of_order=app.config.allow_out_of_order,
            single_transaction=single_transaction,
            exact=exact,
            resume_at=resume_at,
            developing=for_development(target, app.config),
        )
        check = _check(app, target.conninfo, found)
        if dry_run:
            gate_ = app.announcing(target)
            preview = engine.preview(target.conninfo, request, app.options(), gate=gate_, early=early)
            app.require_proofs(found, preview.info, preview.plan, outcome=plan.NO_PLAN)
            _show(app, target, preview, request, seeding)
            return
        observer = app.observer(drawer(app.output), hooks=True)
        gate = _gate(app, target, found, check, seeding)
        after = seeding.after(target, observer) if seeding else None
        result = engine.run(
            target.conninfo, request, app.options(), gate=gate, observer=observer, early=early, after=after
        )
        compared = check.after(result) if check else {}
    if app.config.dump_after_apply:
        from sqlmigrate.cli.dump import after_apply  # noqa: PLC0415  only where the settings ask for it

        compared |= after_apply(app, found, result)
    if seeding:
        compared |= {"seeds": seeding.as_json()}
    app.output.result(**result_as_json(result), losses=losses_as_json(result.plan, found), **compared)
    app.output.line(f"{len(result.ran)} applied" if result.ran else _nothing(result.plan, to))
    if result.plan.waits:
        from sqlmigrate.cli.plan import say_what_waits  # noqa: PLC0415  only with --phase

        say_what_waits(app, result.plan)
    if seeding:
        seeding.say()
    if check:
        check.end()


def _show(app: App, target: Target, preview: Preview, request: ApplyRequest, seeding: SeedRun | None) -> None:
    """Show what would run, and what would be seeded."""
    from sqlmigrate.cli.plan import say_what_waits, show_dry_run  # noqa: PLC0415  only for a dry run

    more = seeding.previewed(target, after=len(preview.plan.steps)) if seeding else {}
    nothing = _nothing(preview.plan, request.to)
    show_dry_run(app, preview, nothing, request.migrations, request.resume_at, **more)
    say_what_waits(app, preview.plan)
    if seeding:
        seeding.say_preview()


def _seeding(app: App) -> SeedRun:
    """Read the seed files before anything runs."""
    from sqlmigrate.cli.seed_run import SeedRun  # noqa: PLC0415  only where it was asked for

    return SeedRun(app)


def _gate(
    app: App, target: Target, found: Migrations, check: Check | None, seeding: SeedRun | None = None
) -> Gate[Plan]:
    """Return what happens before the first script runs: warnings, proofs, the look for drift, and the question."""

    def gate(info: ServerInfo, planned: Plan) -> None:
        from sqlmigrate.cli.questions import confirm_plan  # noqa: PLC0415  --help needs none of it

        app.announce(target, info)
        app.warn(info)
        app.require_proofs(found, info, planned)
        for note in planned.notes:
            app.output.warning(note)
        if check:
            check.before()
        if planned.steps:
            then = f" and then write {seeding.count}" if seeding else ""
            question = f"Apply {_count(planned)} to {info.database}{then}?"
            confirm_plan(app, question, planned, found, database=info.database, always=False)
            app.output.recorder.begins(info, (item.migration_id for item in planned.steps))

    return gate


def _check(app: App, conninfo: str, found: Migrations) -> Check | None:
    """Return the comparisons that --check-drift asks for."""
    if not app.config.check_drift:
        return None
    from sqlmigrate.cli.comparing import Check  # noqa: PLC0415  only where it was asked for

    return Check(app, conninfo, found)


def _count(planned: Plan) -> str:
    return "1 migration" if len(planned.steps) == 1 else f"{len(planned.steps)} migrations"


def _nothing(planned: Plan, to: str | None) -> str:
    if planned.waits:
        return "nothing to apply in this phase"
    if to is None or not planned.left:
        return "nothing to apply: no migration is pending"
    behind = "1 later migration is" if planned.left == 1 else f"{planned.left} later migrations are"
    return f"nothing to apply up to {to}; {behind} pending"
