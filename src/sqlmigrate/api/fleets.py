"""The functions of `sqlmigrate.api` for many databases: what `sqlmigrate fleet` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate import events
from sqlmigrate.api.arguments import SCHEMA, Time, checked, own_errors
from sqlmigrate.api.fleet_arguments import STATE_DIR, call, listed, read_targets, settings, settings_of_run, share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from sqlmigrate.api.fleet_arguments import Targets
    from sqlmigrate.fleet.catalogs import Likeness
    from sqlmigrate.fleet.ledger import RunRecord
    from sqlmigrate.fleet.model import Wave
    from sqlmigrate.fleet.planning import GroupPlan
    from sqlmigrate.fleet.standing import Group
    from sqlmigrate.migrations import Migrations


@checked
def fleet_status(
    targets: Targets,
    migrations: str | Path | Migrations,
    *,
    concurrency: int = 16,
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
) -> list[Group]:
    """Say where targets stand, in groups of those that stand in the same place, the largest first.

    `first` of a group says where that is and what is odd, `targets` who is there; behind them are those that are odd
    or cannot be reached, which raises nothing. It takes no lock and writes nothing. Raises InventoryError where the
    list is refused.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  most programs have one database

    config, options = settings(targets, history_schema=history_schema, history_owners=history_owners)
    with own_errors():
        return project.stand(read_targets(config, options, targets, migrations), concurrency)


@checked
def fleet_plan(
    targets: Targets,
    migrations: str | Path | Migrations,
    *,
    to: str | None = None,
    phase: str | None = None,
    allow_out_of_order: bool = False,
    concurrency: int = 16,
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
) -> list[GroupPlan]:
    """Return what `fleet_apply` would run with the same arguments, once for all targets in the same place.

    `refused` says why a group has no plan; `losing` names the targets in which data would be lost, and what.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  most programs have one database
    from sqlmigrate.fleet.model import Wanted  # noqa: PLC0415  same

    config, options = settings(targets, history_schema=history_schema, history_owners=history_owners)
    wanted = Wanted(to=to, phase=phase, allow_out_of_order=allow_out_of_order)
    with own_errors():
        return project.plan(config, read_targets(config, options, targets, migrations, to), wanted, concurrency)


@checked
def fleet_apply(
    targets: Targets,
    migrations: str | Path | Migrations,
    *,
    to: str | None = None,
    phase: str | None = None,
    allow_out_of_order: bool = False,
    single_transaction: bool = False,
    exact: bool = False,
    waves: Iterable[str] = (),
    concurrency: int = 16,
    per_cluster: int = 4,
    max_failures: int | str | None = None,
    same_error: int = 3,
    pause: Time = 0,
    approve: Callable[[Wave], bool] | None = None,
    deadline: Time | None = None,
    part: int | None = None,
    of: int | None = None,
    state_dir: str | Path = STATE_DIR,
    control_database: str | None = None,
    role: str | None = None,
    search_path: str | None = None,
    lock_timeout: Time = "2s",
    lock_budget: Time = "10min",
    statement_timeout: Time = 0,
    wait_lock: Time = "5min",
    max_waiters: int = 0,
    max_block: Time = 0,
    max_lag: Time = 0,
    durable: str = "end",
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
    observer: events.Observer = events.ignore,
) -> RunRecord:
    """Apply what is pending to all targets, wave by wave, and return what has become of each.

    `waves` are what `--wave` takes, such as `["canary=5", "1%", "rest"]`; between two, `pause` goes by and `approve` is
    asked. No more targets are opened after `deadline`, a time from now on, once `max_failures` have failed (a number,
    or a share such as `"0.5%"`), or `same_error` with the same error. `part` of `of` shares takes that share of the
    targets. The run is kept in `state_dir`, and in `control_database` if one is named. The other options are those of
    `apply`, for each target.

    An error of a target raises nothing: it is in the `entries` of the run, whose `complete` says that all is well.
    Raises InventoryError, MigrationsError, UsageError and ConnectionFailed where nothing was begun. Ctrl-C raises
    KeyboardInterrupt; the targets that are under way end all the same, and `fleet_resume` goes on.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  most programs have one database
    from sqlmigrate.fleet.model import Wanted  # noqa: PLC0415  same
    from sqlmigrate.fleet.waves import read_wish, share_out  # noqa: PLC0415  same

    config, options = settings_of_run(locals())
    wanted = Wanted(
        to=to,
        phase=phase,
        allow_out_of_order=allow_out_of_order,
        single_transaction=single_transaction,
        exact=exact,
    )
    with own_errors():
        fleet = read_targets(config, options, targets, migrations, to, share(part, of))
        shared = share_out(fleet.tags(), [read_wish(text) for text in waves])
        count = len(fleet.places)
        how = call(observer, count, concurrency, per_cluster, max_failures, same_error, pause, approve, deadline)
        return project.begin(config, fleet, wanted, shared, how)


@checked
def fleet_resume(
    targets: Targets,
    migrations: str | Path | Migrations,
    run: str,
    *,
    concurrency: int = 16,
    per_cluster: int = 4,
    max_failures: int | str | None = None,
    same_error: int = 3,
    pause: Time = 0,
    approve: Callable[[Wave], bool] | None = None,
    deadline: Time | None = None,
    accept_loss: bool = False,
    state_dir: str | Path = STATE_DIR,
    control_database: str | None = None,
    role: str | None = None,
    search_path: str | None = None,
    lock_timeout: Time = "2s",
    lock_budget: Time = "10min",
    statement_timeout: Time = 0,
    wait_lock: Time = "5min",
    max_waiters: int = 0,
    max_block: Time = 0,
    max_lag: Time = 0,
    durable: str = "end",
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
    observer: events.Observer = events.ignore,
) -> RunRecord:
    """Go on with what is left of a run, under its id: `run` is that, the beginning of it, or `last`.

    What was wanted is what the run was begun with, with the migrations of now. Targets that failed are tried again.
    With `accept_loss`, a rollback goes on even where data is lost. Raises UsageError for a run that is not there.
    """
    from dataclasses import replace  # noqa: PLC0415  here alone

    from sqlmigrate.fleet import project  # noqa: PLC0415  most programs have one database

    config, options = settings_of_run(locals())
    with own_errors():
        fleet = read_targets(config, options, targets, migrations)
        record = project.ledger_of(config).find(run)
        wanted = replace(record.head.wanted, accept_loss=accept_loss or record.head.wanted.accept_loss)
        count = len(fleet.places)
        how = call(observer, count, concurrency, per_cluster, max_failures, same_error, pause, approve, deadline)
        return project.resume(config, fleet, replace(record, head=replace(record.head, wanted=wanted)), how)


@checked
def fleet_rollback(
    targets: Targets,
    migrations: str | Path | Migrations,
    run: str,
    *,
    recorded: bool = False,
    accept_loss: bool = False,
    concurrency: int = 16,
    per_cluster: int = 4,
    max_failures: int | str | None = None,
    same_error: int = 3,
    deadline: Time | None = None,
    state_dir: str | Path = STATE_DIR,
    control_database: str | None = None,
    role: str | None = None,
    search_path: str | None = None,
    lock_timeout: Time = "2s",
    lock_budget: Time = "10min",
    statement_timeout: Time = 0,
    wait_lock: Time = "5min",
    max_waiters: int = 0,
    max_block: Time = 0,
    max_lag: Time = 0,
    durable: str = "end",
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
    observer: events.Observer = events.ignore,
) -> RunRecord:
    """Take back what a run has applied, and only that, target by target in reverse: a run of its own.

    `recorded` is as for `rollback`. A target in which data would be lost fails unless `accept_loss` is true; one in
    which another run has applied something since always does. Raises UsageError for a run that is not there.
    """
    from sqlmigrate.fleet import project  # noqa: PLC0415  most programs have one database

    config, options = settings_of_run(locals())
    with own_errors():
        fleet = read_targets(config, options, targets, migrations)
        taken = project.ledger_of(config).find(run)
        wanted, waves, _ = project.taking_back(fleet, taken, recorded=recorded, accept_loss=accept_loss)
        count = len(fleet.places)
        how = call(observer, count, concurrency, per_cluster, max_failures, same_error, 0, None, deadline)
        return project.begin(config, fleet, wanted, waves, how)


@checked
def fleet_runs(*, state_dir: str | Path = STATE_DIR, control_database: str | None = None) -> list[RunRecord]:
    """Return the runs that were kept, the newest first, each with what has become of its targets."""
    from sqlmigrate.fleet import project  # noqa: PLC0415  most programs have one database

    config, _ = settings((), state_dir=state_dir, control_database=control_database)
    with own_errors():
        return project.ledger_of(config).runs()


@checked
def fleet_drift(
    targets: Targets,
    *,
    ignore: Iterable[str] = (),
    concurrency: int = 16,
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
) -> list[Likeness]:
    """Put targets together that have the same schema; the others come with how they differ from the largest group.

    Those that cannot be read are a group, too, and raise nothing.
    """
    from dataclasses import replace  # noqa: PLC0415  here alone

    from sqlmigrate.fleet import project  # noqa: PLC0415  most programs have one database

    config, _ = settings(targets, history_schema=history_schema, history_owners=history_owners)
    config = replace(config, drift_ignore=tuple(ignore))
    with own_errors():
        return project.compare(config, project.located(config, targets=listed(targets)), concurrency)
