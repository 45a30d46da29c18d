"""Ask the target what the seed data would do there; its rows are only read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmigrate.errors import SeedError
from sqlmigrate.review.seed_model import SeedChange, SeedRow, Seeds, SeedTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlmigrate.config import Config
    from sqlmigrate.errors import Problem
    from sqlmigrate.seeds import SeedFile, SeedSet, TableDifference
    from sqlmigrate.target import Target

_ROWS = 100  # of a file


def proposed(config: Config, target: Target, seeds: SeedSet) -> Seeds:
    """Compare the seed files with the target; those that do not fit its tables are left out, with the reason."""
    problems: list[str] = []
    files = seeds.files
    while files:
        try:
            return _told(_compared(config, target, replace(seeds, files=files)), seeds, problems)
        except SeedError as error:
            left = {problem.place.path for problem in error.problems if problem.place}
            problems += [_said(problem, seeds) for problem in error.problems] or [error.message]
            fitting = tuple(file for file in files if not _is_of(file, left))
            files = () if fitting == files else fitting
    return _told([], seeds, problems)


def _is_of(file: SeedFile, paths: set[Path]) -> bool:
    return any(source.path in paths for source in file.sources)


def _said(problem: Problem, seeds: SeedSet) -> str:
    """Say what is wrong with a file, by its name in the data folder."""
    path = problem.place.path if problem.place else None
    is_ours = path is not None and path.is_relative_to(seeds.directory)
    return f"{path.relative_to(seeds.directory).as_posix()}: {problem.message}" if path and is_ours else str(problem)


def _compared(config: Config, target: Target, seeds: SeedSet) -> list[TableDifference]:
    from sqlmigrate.seeds import difference  # noqa: PLC0415  few reviews ask for it

    return difference(
        target.conninfo,
        seeds,
        role=config.role,
        lock_timeout=config.lock_timeout,
        statement_timeout=config.statement_timeout,
        stages=False,
    )


def _told(found: Sequence[TableDifference], seeds: SeedSet, problems: Sequence[str]) -> Seeds:
    tables = tuple(_table(one, seeds) for one in found)
    inserted, updated = (sum(getattr(one, name) for one in tables) for name in ("inserted", "updated"))
    parts = [f"{inserted} row{'s' * (inserted != 1)} to insert, {updated} to update"]
    if left := len(seeds.files) - len(tables):
        parts.append("1 file does not fit its table yet" if left == 1 else f"{left} files do not fit their tables yet")
    return Seeds(", ".join(parts), tables, tuple(problems))


def _table(one: TableDifference, seeds: SeedSet) -> SeedTable:
    return SeedTable(
        table=str(one.table),
        file=one.file.path.relative_to(seeds.directory).as_posix(),
        inserted=one.inserted,
        updated=one.updated,
        unchanged=one.unchanged,
        unnamed=one.unnamed,
        pruned=one.pruned.count if one.pruned else 0,
        rows=tuple(
            SeedRow(
                "insert" if row.inserted else "update",
                row.row.label,
                row.row.place().line,
                tuple(SeedChange(change.column, change.old, change.new, change.pending) for change in row.changes),
            )
            for row in one.rows[:_ROWS]
        ),
        unnamed_rows=tuple(one.unnamed_rows),
        hides_rows=one.hides_rows,
    )
