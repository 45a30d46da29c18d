"""Do from Python what the command does: read, review, status, plan, apply, rollback, roundtrip, drift, seed, fleet.

::

    from sqlmigrate import api

    api.apply("postgresql://me@localhost/shop", "sql")

What the functions have in common:

- `database` is a URL or a libpq connection string. No configuration file and no SQLMIGRATE_ variable is read.
- `migrations` is a folder, or what `read` made of it: read once where you call several functions.
- Times are milliseconds (`2000`) or text (`"2s"`, `"500ms"`, `"10min"`).
- `history_schema` holds the history tables; `history_owners` are roles that are trusted as their owners beside the
  login's own. `role` is the role that scripts run as (SET ROLE).
- An `observer` is called with each event while it happens. It should not raise: the run stops then.
- Results are frozen. Nothing is printed and nothing is asked: a `protected` environment is a matter of the command.
- What goes wrong is an `errors.Error`; no message holds a password. Hints are worded for the command line.
- The functions block and keep no state: each opens its own sessions and closes them. Threads may call them.
"""

from __future__ import annotations

from sqlmigrate import errors, events
from sqlmigrate.api.arguments import Time
from sqlmigrate.api.fleets import (
    fleet_apply,
    fleet_drift,
    fleet_plan,
    fleet_resume,
    fleet_rollback,
    fleet_runs,
    fleet_status,
)
from sqlmigrate.api.functions import (
    apply,
    needs_attention,
    plan,
    plan_as_sql,
    plan_rollback,
    plan_rollback_as_sql,
    read,
    read_seeds,
    rollback,
    seed,
    status,
)
from sqlmigrate.api.recorded import Log, accept, history, mark
from sqlmigrate.api.throwaway import drift, review, roundtrip
from sqlmigrate.engine import Result
from sqlmigrate.migrations import Migration, Migrations
from sqlmigrate.plan import Loss, Plan, Running, State, Status
from sqlmigrate.seeds import SeedResult, SeedSet

__all__ = [
    "Log", "Loss", "Migration", "Migrations", "Plan", "Result", "Running", "SeedResult", "SeedSet", "State", "Status",
    "Time", "accept", "apply", "drift", "errors", "events", "fleet_apply", "fleet_drift", "fleet_plan", "fleet_resume",
    "fleet_rollback", "fleet_runs", "fleet_status", "history", "mark", "needs_attention", "plan", "plan_as_sql",
    "plan_rollback", "plan_rollback_as_sql", "read", "read_seeds", "review", "rollback", "roundtrip", "seed", "status",
]  # fmt: skip
