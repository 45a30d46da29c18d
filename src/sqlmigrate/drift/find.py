"""Compare a live database with what its applied migrations make on a shadow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.connection import allow
from sqlmigrate.drift import ignoring
from sqlmigrate.drift.comparable import comparable
from sqlmigrate.drift.live import read_live
from sqlmigrate.drift.model import Drift
from sqlmigrate.drift.replay import replayed
from sqlmigrate.events import ignore as unobserved
from sqlmigrate.schema.diff import compare
from sqlmigrate.schema.meaning import without_equal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlmigrate.config import Config
    from sqlmigrate.connection import Gate
    from sqlmigrate.drift.model import Live, Replayed
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.schema import Schema
    from sqlmigrate.schema.diff import Change

_SUPABASE = (
    "this is Supabase: what it creates and changes by itself is not compared, only what the migrations made of it"
)


def find(
    config: Config,
    conninfo: str,
    found: Migrations,
    *,
    ignore: Collection[str] = (),
    gate: Gate[Migrations] = allow,
    observer: Observer = unobserved,
) -> Drift:
    """Say how a database differs from its files; it is only read, and no lock is taken but for reading.

    `ignore` are patterns beside those of the settings. `gate` is called once with the server and the files before
    anything is read, `observer` hears of each script that begins on the shadow. Raises ExecutionError with the place of
    a script that fails on the shadow, HistoryError where a script can be had nowhere, and what opening the shadow
    raises.
    """
    return between(config, read_live(config, conninfo, found, gate), ignore=ignore, observer=observer)


def between(config: Config, live: Live, *, ignore: Collection[str] = (), observer: Observer = unobserved) -> Drift:
    """Say how what was read of a database differs from what its steps make on a shadow; raises what `find` does."""
    with replayed(live, config, observer) as made:
        return _found(config, live, made, ignore)


def _found(config: Config, live: Live, made: Replayed, ignore: Collection[str]) -> Drift:
    both = ignoring.without_ours(comparable(live, made), config.history_schema)
    both, histories = ignoring.without_histories(both)
    both, unheard = ignoring.without(both, ignoring.YOYO)
    patterns = tuple(dict.fromkeys((*config.drift_ignore, *ignore)))
    kept, useless = ignoring.without(both, patterns)
    changes = _differences(made, kept)
    notes = [*live.notes, *made.notes, *([_SUPABASE] if live.supabase else []), *histories]
    if len(unheard) < len(ignoring.YOYO):
        notes.append("the tables of yoyo's own history are not compared")
    notes += [f"nothing matches the ignored {pattern!r}" for pattern in useless]
    return Drift(
        changes,
        ignored=len(_differences(made, both)) - len(changes) if patterns else 0,
        migrations=len(live.steps),
        half_way=live.half_way,
        notes=tuple(notes),
    )


def _differences(made: Replayed, both: Sequence[Schema]) -> tuple[Change, ...]:
    """Compare by what definitions mean: a dump, or another version, writes them differently."""
    mine, theirs = both
    return without_equal(made.conninfo, mine, theirs, compare(mine, theirs))
