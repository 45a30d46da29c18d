"""The functions of `sqlmigrate.api.functions` that need a throwaway server."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate import config, errors, events
from sqlmigrate.api.arguments import SCHEMA, Time, checked, conninfo, own_errors, read_files, run_options
from sqlmigrate.errors import UsageError
from sqlmigrate.files import since as changed
from sqlmigrate.migrations import branch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.drift import Drift
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.review.model import Report
    from sqlmigrate.roundtrip import RoundTrips, Seen
    from sqlmigrate.seeds import SeedSet


@checked
def roundtrip(
    migrations: str | Path | Migrations,
    ids: Iterable[str] = (),
    *,
    since: str | None = None,
    database: str | None = None,
    shadow_url: str | None = None,
    superuser: bool = False,
    data: str | Path | SeedSet | None = None,
    role: str | None = None,
    search_path: str | None = None,
    statement_timeout: Time = 0,
) -> RoundTrips:
    """Run pairs up, down and up again on a throwaway database and compare: those of the `ids`, or all of them.

    With `since`, a revision of git, those that are added or changed since its merge base with HEAD; there may be none,
    and then no server is started.

    A throwaway server is started for it, unless `shadow_url` names one where databases may be made and dropped. On a
    server of our own scripts run as an ordinary role, or as a `superuser`. Sample rows in `samples/` count, and so
    does what fits of the seed data in `data`. No error of a script is raised, not even where a file cannot be read as
    one: each migration gets its verdict. What is given is a sequence of these; its `notes` say what is not like the
    target on that server, and which files took no part.

    `database` is only asked which server it is on: the throwaway one is of the same major version where there is one,
    and a `shadow_url` on its own cluster is refused.

    Raises MigrationsError where the files do not fit, UsageError for an id or a revision that is not there, for `ids`
    together with `since` and for such a `shadow_url`, Error where git does not answer, ServerError or ConnectionFailed
    where there is no server to be had, and ExecutionError where `bootstrap/` fails.
    """
    from sqlmigrate import roundtrip as trips  # noqa: PLC0415  most programs prove nothing

    found = read_files(migrations, one_by_one=True)
    named = tuple(ids)
    if since is not None:
        if named:
            raise UsageError("give either ids or since")
        if not (named := tuple(item.migration_id for item in branch.new(found, changed(found.directory, since)))):
            return trips.RoundTrips((), ())
    options = run_options(role=role, search_path=search_path, statement_timeout=statement_timeout)
    settings = config.Config(migrations=found.directory, shadow_url=shadow_url, role=options.role)
    notes: list[str] = []
    request = trips.RoundTripRequest(migrations=found, ids=named, superuser=superuser, seeds=_seeds(data))

    def ask() -> Seen:
        return trips.read_server(conninfo(database)) if database is not None else trips.Seen()

    opened = trips.opened(settings, options, request, notes.append, ask)
    with own_errors(), opened as trials, closing(trials.run()) as run:
        made = tuple(run)
    return trips.RoundTrips(made, tuple(notes))


@checked
def drift(
    database: str,
    migrations: str | Path | Migrations,
    *,
    ignore: Iterable[str] = (),
    shadow_url: str | None = None,
    role: str | None = None,
    search_path: str | None = None,
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
    observer: events.Observer = events.ignore,
) -> Drift:
    """Say how a database differs from what its applied migrations make of an empty one.

    The database is only read, in one transaction. The migrations are replayed on a throwaway server, unless
    `shadow_url` names one where databases may be made and dropped; each as the role that it ran as, and where that is
    not recorded, as `role` or the login. `ignore` are patterns such as `table public.tmp_*`.

    Raises ExecutionError with the place of a script that fails on the shadow, HistoryError where the history cannot be
    read or a script can be had nowhere, UsageError where `shadow_url` is on the database's own cluster, ServerError or
    ConnectionFailed where there is no server to be had.
    """
    from sqlmigrate import drift as drifts  # noqa: PLC0415  few ask for it

    found = read_files(migrations)
    options = run_options(
        role=role, search_path=search_path, history_schema=history_schema, history_owners=history_owners
    )
    settings = config.Config(
        migrations=found.directory,
        shadow_url=shadow_url,
        role=options.role,
        search_path=options.search_path,
        history_schema=options.schema,
        history_owners=options.history_owners,
    )
    with own_errors():
        return drifts.find(settings, conninfo(database), found, ignore=tuple(ignore), observer=observer)


@checked
def review(
    migrations: str | Path | Migrations,
    ids: Iterable[str] = (),
    *,
    database: str | None = None,
    since: str | None = None,
    everything: bool = False,
    stats: str | Path | None = None,
    workload: bool = False,
    base: str = "replay",
    shadow_url: str | None = None,
    superuser: bool = False,
    data: str | Path | SeedSet | None = None,
    role: str | None = None,
    search_path: str | None = None,
    statement_timeout: Time = 0,
    history_schema: str = SCHEMA,
    history_owners: Sequence[str] = (),
    observer: events.Observer = events.ignore,
) -> Report:
    """Say what migrations lock, rewrite and risk: those of the `ids`, those new `since` a revision of git, or all.

    Without any of them it is what is pending in the `database`, or without one the last migration. The database is only
    read: its history, and how large and busy its tables are; `stats` is a file of such figures instead, and `workload`
    asks it for the statements of the application too. With `base="dump"` the scripts run on a dump of its schema. They
    run on a throwaway server, unless `shadow_url` names one, as for `roundtrip`. The folder is read anew. What fits of
    the seed data in `data` is loaded as sample rows, and compared with the `database`.

    Raises MigrationsError where the files do not fit, UsageError for an id or a revision that is not there,
    HistoryError where the history cannot be read, ServerError or ConnectionFailed where there is no server to be had.
    """
    from sqlmigrate.review.project import review_project  # noqa: PLC0415  few ask for it
    from sqlmigrate.target import Target  # noqa: PLC0415  same

    found = read_files(migrations, one_by_one=True)
    options = run_options(
        role=role,
        search_path=search_path,
        statement_timeout=statement_timeout,
        history_schema=history_schema,
        history_owners=history_owners,
    )
    settings = config.Config(
        migrations=found.directory,
        order=found.order,
        shadow_url=shadow_url,
        role=options.role,
        search_path=options.search_path,
        history_schema=options.schema,
        history_owners=options.history_owners,
    )
    if base == "dump" and database is None:
        raise errors.UsageError('base="dump" takes a dump of the database, and none is named')
    target = Target(conninfo(database), "named by an argument", private=False) if database is not None else None
    with own_errors():
        return review_project(
            settings,
            options,
            tuple(ids),
            since=since,
            everything=everything,
            target=target,
            stats=Path(stats) if stats is not None else None,
            base=base,
            superuser=superuser,
            workload=workload,
            seeds=_seeds(data),
            observer=observer,
        )


def _seeds(data: str | Path | SeedSet | None) -> SeedSet | None:
    """Return what was read before, or read the folder, where there is one."""
    from sqlmigrate import seeds  # noqa: PLC0415  most programs need none of it

    return data if data is None or isinstance(data, seeds.SeedSet) else seeds.load(Path(data))
