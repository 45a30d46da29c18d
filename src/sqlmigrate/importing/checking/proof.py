"""Prove an import: what the tool's own files make of an empty database is what ours make of one."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import shadow
from sqlmigrate.connection import session
from sqlmigrate.drift import ignoring
from sqlmigrate.errors import Error, Place, Problem, UsageError
from sqlmigrate.importing.checking import layouts, running
from sqlmigrate.importing.checking.running import Ran, Turn
from sqlmigrate.roundtrip import Runner
from sqlmigrate.roundtrip.contents import Contents, compare_contents, read_contents
from sqlmigrate.schema import Name
from sqlmigrate.schema.diff import compare
from sqlmigrate.schema.read import read_schema
from sqlmigrate.sql.statement.needs import cluster_wide

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.config import Config
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.importing.convert import Conversion
    from sqlmigrate.migrations import Migration, Migrations
    from sqlmigrate.roundtrip import DataChange
    from sqlmigrate.schema import Schema
    from sqlmigrate.schema.diff import Change
    from sqlmigrate.shadow import Shadow, ShadowDatabase, TargetFacts, Wanted


@dataclass(frozen=True, slots=True)
class Proof:
    """How what the tool makes of an empty database and what our files make of one compare.

    `migrations` were compared, `left_out` cannot be run as the tool does. `stand_ins` are of those that somebody has
    written here: ours ran on both sides. `theirs` and `ours` are the fingerprints of the catalogs, None where nothing
    was compared; of `changes`, `before` is what the tool makes. `failures` say which file fails on an empty database.
    `apart` are files that fail in the tool's own session, after those before them. `isolation` says what the scripts
    could reach.
    """

    migrations: tuple[str, ...]
    postgresql: str
    theirs: str | None = None
    ours: str | None = None
    changes: tuple[Change, ...] = ()
    rows: tuple[DataChange, ...] = ()
    left_out: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    failures: tuple[Problem, ...] = ()
    apart: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    isolation: str = ""

    @property
    def equal(self) -> bool:
        """Whether both make the same, rows included, as far as the tool's files run."""
        return self.theirs is not None and self.theirs == self.ours and not self.rows

    @property
    def holds(self) -> bool:
        """Whether there is nothing to be said against the import."""
        return self.equal and not (self.left_out or self.failures or self.apart)


@dataclass(frozen=True, slots=True)
class _Turns:
    turns: tuple[Turn, ...]
    left_out: tuple[str, ...]
    stand_ins: tuple[str, ...]
    unread: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """What is in a database; the rows are None where they may not be read."""

    schema: Schema
    contents: Contents | None


def prove(
    config: Config,
    plan: Conversion,
    found: Migrations,
    options: Options,
    observer: Observer,
    *,
    target: TargetFacts | None = None,
    superuser: bool = False,
) -> Proof:
    """Run the tool's files as it does, and ours as we do, each in a throwaway database, and compare what they make.

    `found` are our migrations once the import is done. The `target` decides the version of PostgreSQL. Raises
    UsageError where scripts change the cluster, which needs two servers, and somebody has named one.
    """
    work = _turns(plan, found)
    ids = {found.replaced.get(turn.migration_id, turn.migration_id) for turn in work.turns}
    own = [item for item in found.ordered if item.migration_id in ids]
    asked = shadow.wanted(config, [item.script for item in own], target=target, superuser=superuser)
    apart = any(cluster_wide(item.script, blocks=True) for item in own)
    if apart and config.shadow_url is not None:
        message = "some migrations change the whole cluster, so the two ways need a server each, which no named one is"
        raise UsageError(message, hint="leave out --shadow-url to use private servers")
    with ExitStack() as stack:
        there = stack.enter_context(shadow.opened(asked, observer))
        trial = _Trial(config, asked, there, options, observer, apart=apart)
        return trial.go(work, found)


@dataclass(frozen=True, slots=True)
class _Trial:
    config: Config
    asked: Wanted
    there: Shadow
    options: Options
    observer: Observer
    apart: bool

    def go(self, work: _Turns, found: Migrations) -> Proof:
        """Run their files, then ours of the same migrations on another database; compare what both have made."""
        ran, theirs = self._theirs(work.turns)
        failures = [*work.unread, *([ran.failure] if ran.failure else [])]
        if not ran.done:
            theirs = None
        elif theirs is None and not self.apart:
            _, theirs = self._theirs(work.turns[: len(ran.done)])  # what failed may have left something
        proof = Proof(
            ran.done if theirs else (),
            self.there.version,
            left_out=work.left_out,
            stand_ins=work.stand_ins,
            failures=tuple(failures),
            apart=ran.apart,
            notes=self.there.notes,
            isolation=self.there.isolation,
        )
        if theirs is None:
            return proof
        ids = {found.replaced.get(name, name) for name in ran.done}
        try:
            ours = self._ours([item for item in found.ordered if item.migration_id in ids])
        except Error as error:
            failed = Problem(f"as sqlmigrate runs it: {error.message}", error.place, error.hint)
            return replace(proof, migrations=(), failures=(*failures, failed))
        return _compared(proof, theirs, ours)

    def _theirs(self, turns: Sequence[Turn]) -> tuple[Ran, _Made | None]:
        with self.there.database() as database:
            ran = running.run(database.conninfo, turns, self.options)
            return ran, None if ran.failure else _made(database)

    def _ours(self, migrations: Sequence[Migration]) -> _Made:
        with ExitStack() as stack:
            there = stack.enter_context(shadow.opened(self.asked, self.observer)) if self.apart else self.there
            database = stack.enter_context(there.database())
            Runner(there, self.options).schema_behind(database, migrations)
            return _made(database)


def _made(database: ShadowDatabase) -> _Made:
    with session(database.tester_conninfo) as tester:
        schema = read_schema(tester).schema
        try:
            return _Made(schema, read_contents(tester))
        except psycopg.errors.InsufficientPrivilege:
            return _Made(schema, None)


def _compared(proof: Proof, theirs: _Made, ours: _Made) -> Proof:
    """Compare all but the tables in which tools keep their histories."""
    (before, after), _ = ignoring.without_histories([theirs.schema, ours.schema])
    rows: tuple[DataChange, ...] = ()
    notes = proof.notes
    if theirs.contents is None or ours.contents is None:
        notes = (*notes, "rows were not compared, since row level security hides some")
    else:
        rows = tuple(compare_contents(_of(before, theirs.contents), _of(after, ours.contents), values=False))
    one, other = before.fingerprint(), after.fingerprint()
    changes = tuple(compare(before, after)) if one != other else ()
    return replace(proof, theirs=one, ours=other, changes=changes, rows=rows, notes=notes)


def _of(schema: Schema, contents: Contents) -> Contents:
    """Return the rows of these tables alone; large objects have other numbers in each database."""
    tables = {name: rows for name, rows in contents.tables.items() if Name("table", name) in schema.objects}
    sequences = {name: at for name, at in contents.sequences.items() if Name("sequence", name) in schema.objects}
    return replace(contents, tables=tables, sequences=sequences, objects={})


def _turns(plan: Conversion, found: Migrations) -> _Turns:
    """Say what runs as the tool does, in its order.

    One that it could run only with something that is not known here (a placeholder, a program) is left out; a script
    of ours stands for it where somebody has written one.
    """
    steps = layouts.steps(plan.tool, plan.folder) if plan.entries else []
    ids = {key: entry.migration_id for entry in plan.entries for key in (str(entry.item.path), entry.item.version)}
    own = [(ids[step.key], step) for step in steps if step.key in ids]
    there = {*found.by_id, *found.replaced}
    runs = {entry.migration_id for entry in plan.entries if entry.item.up is not None and entry.migration_id in there}
    turns = [Turn(name, step) for name, step in own if name in runs]
    order = [entry.migration_id for entry in plan.entries]
    stand_ins = [name for name in order if name not in runs and name in found.by_id]
    for name in stand_ins:
        before = set(order[: order.index(name)])
        at = max((number for number, turn in enumerate(turns, 1) if turn.migration_id in before), default=0)
        turns.insert(at, Turn(name, found.by_id[name]))
    known = {name for name, _ in own}
    return _Turns(
        tuple(turns),
        tuple(name for name in order if name not in runs and name not in stand_ins),
        tuple(stand_ins),
        tuple(_unread(plan, runs - known)),
    )


def _unread(plan: Conversion, names: Iterable[str]) -> list[Problem]:
    """Say what the import has taken for a migration, and the tool does not run."""
    wanted = set(names)
    found = (entry for entry in plan.entries if entry.migration_id in wanted)
    return [Problem(f"{plan.tool.label} does not run it in a new database", Place(entry.item.path)) for entry in found]
