"""Write seed files and say what was written: for `seed`, and for `apply --seed`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlmigrate.cli import seed_diff
from sqlmigrate.cli.seed_progress import with_bar, without

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.cli import seed_prune
    from sqlmigrate.cli.call import App
    from sqlmigrate.connection import Gate, ServerInfo
    from sqlmigrate.events import Observer
    from sqlmigrate.runlock import RunLock
    from sqlmigrate.seeds import Proposal, SeedResult, SeedSet, TableDifference
    from sqlmigrate.target import Target

_BEGIN = (
    "start with two files: NAME.yaml with the rows, and NAME.schema.json, which says what a row looks like and, "
    "under x-sqlmigrate, which table it goes to; docs/seeding.md shows both"
)


@dataclass(slots=True)
class SeedRun:
    """One run of the seed files; they are read when it is made, and what is wrong with them is raised then."""

    app: App
    pruning: seed_prune.Asked | None = None
    found: SeedSet = field(init=False)
    _compared: list[TableDifference] = field(default_factory=list)
    _result: SeedResult | None = None
    _waits: bool = False

    def __post_init__(self) -> None:
        """Read the files."""
        self.found = load(self.app)

    @property
    def count(self) -> str:
        """How many files there are, in words."""
        return "1 seed file" if len(self.found.files) == 1 else f"{len(self.found.files)} seed files"

    def write(
        self,
        target: Target,
        observer: Observer,
        *,
        announces: bool = True,
        asks: bool = True,
        lock: RunLock | None = None,
    ) -> None:
        """Write them; before that, the database is named and, if it is in a protected environment, asked for."""
        from sqlmigrate import seeds  # noqa: PLC0415  --help needs none of it
        from sqlmigrate.events import RowsWritten  # noqa: PLC0415  same

        config = self.app.config
        with with_bar(self.app.output):
            self._result = seeds.run(
                target.conninfo,
                self.found,
                role=config.role,
                lock_timeout=config.lock_timeout,
                statement_timeout=config.statement_timeout,
                lock_budget=config.lock_budget,
                wait_lock=config.wait_lock,
                gate=without(self._gate(target, announces=announces, asks=asks)),
                accept=self.pruning.accept if self.pruning else None,
                observer=observer,
                history_schema=config.history_schema,
                history_owners=config.history_owners,
                lock=lock,
            )
        for item in self._result.tables:
            observer(RowsWritten(str(item.table), item.inserted, item.updated, item.unchanged, item.kept, item.pruned))

    def after(self, target: Target, observer: Observer) -> Callable[[RunLock | None], None]:
        """Return what writes them when migrations have been applied, which has been asked for then."""
        return lambda lock: self.write(target, observer, announces=False, asks=lock is None, lock=lock)

    def previewed(self, target: Target, *, after: int) -> dict[str, Any]:
        """Compare them with the database, unless so many migrations come before: as plain values."""
        self._waits = after > 0
        if self._waits:
            return {"seeds": None}
        self._compared = seed_diff.compared(self.app, target, self.found, announce=False)
        return {"seeds": seed_diff.as_json(self._compared)}

    def say_preview(self) -> None:
        """Say what would be written."""
        if self._waits:
            self.app.output.line(f"then {self.count}; what would be written is known once these migrations are applied")
        else:
            self.app.output.line(*seed_diff.lines(self._compared, self.app.config.data))

    def _gate(self, target: Target, *, announces: bool, asks: bool) -> Gate[Proposal]:
        """Return what happens before anything is written: the comparison, where somebody sees it, and the question."""
        app = self.app

        def gate(info: ServerInfo, proposal: Proposal) -> None:
            is_asked = asks and app.config.protected
            if announces:
                app.announce(target, info)
            if is_asked or app.output.verbose:
                self._compared = proposal.compare()
            if is_asked:
                asked = seed_diff.question(info.database, self._compared, prune=self.pruning is not None)
                app.confirm(asked, database=info.database, always=False)
            if self.pruning:
                self.pruning.before(proposal)
            if asks:
                app.output.recorder.begins(info)

        return gate

    def as_json(self) -> dict[str, Any]:
        """Return what was done as plain values."""
        result = self._done
        return {
            "tables": [
                {
                    "table": str(item.table),
                    "inserted": item.inserted,
                    "updated": item.updated,
                    "unchanged": item.unchanged,
                    "kept": item.kept,
                    "pruned": item.pruned,
                    "prune_kept": item.prune_kept,
                }
                for item in result.tables
            ],
            "written": result.written,
            "pruned": result.pruned,
            "pruning": self.pruning.found.as_json() if self.pruning and self.pruning.found else None,
            "warnings": result.warnings,
            "notes": result.notes,
        }

    def say(self) -> None:
        """Say what was done."""
        output, result = self.app.output, self._done
        for warning in result.warnings:
            output.warning(warning)
        for item in result.tables:
            kept = f", {item.kept} kept by a trigger" if item.kept else ""
            pruned = f", {item.pruned} pruned" if self.pruning and (item.pruned or item.prune_kept) else ""
            words = f"{item.inserted} inserted, {item.updated} updated, {item.unchanged} unchanged{kept}{pruned}"
            output.line(f"{item.table}: {words}")
        if output.verbose:
            output.line(*seed_diff.written(self._compared))
        for text in result.notes:
            output.line(text)
        if not result.tables:
            output.line(f"no seed files in {self.app.config.data}")
            output.line(_BEGIN)

    @property
    def _done(self) -> SeedResult:
        assert self._result is not None  # noqa: S101  for mypy: nothing is said before it is done
        return self._result


def load(app: App) -> SeedSet:
    """Read the seed files of the settings, and say what they are warned of."""
    from sqlmigrate import seeds  # noqa: PLC0415  --help needs none of it

    with with_bar(app.output):
        found = seeds.load(app.config.data, app.config.env)
    for warning in found.warnings:
        app.output.warning(str(warning))
    return found


def say_how_to_begin(app: App) -> None:
    """Say what to write where there are no files yet."""
    app.output.line(_BEGIN)
