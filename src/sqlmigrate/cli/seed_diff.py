"""What `seed diff` says: lines, JSON and Markdown of what seeding would do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlmigrate.cli import seed_prune
from sqlmigrate.cli.reporting import FINDINGS
from sqlmigrate.cli.seed_progress import with_bar
from sqlmigrate.cli.seed_values import both, key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import click

    from sqlmigrate.cli.call import App
    from sqlmigrate.seeds import SeedSet, TableDifference
    from sqlmigrate.seeds.differences import RowDifference
    from sqlmigrate.target import Target


def run(
    context: click.Context, app: App, found: SeedSet, *, check: bool, prune: bool = False, form: str = "text"
) -> None:
    """Compare the files with the database and say what differs; with `check`, exit with 3 where something does.

    With `prune`, rows that pruning would delete or change count, too.
    """
    with app.target() as target:
        tables = compared(app, target, found)
    document = as_json(tables, prune=prune)
    app.output.result(**document)
    app.output.line(*(_markdown(tables) if form == "markdown" else lines(tables, app.config.data)))
    context.exit(FINDINGS if check and document["differs"] else 0)


def compared(app: App, target: Target, found: SeedSet, *, announce: bool = True) -> list[TableDifference]:
    """Compare the files with a database, which is named before, and warn of what is hidden."""
    from sqlmigrate import seeds  # noqa: PLC0415  --help needs none of it

    config = app.config
    with with_bar(app.output):
        tables = seeds.difference(
            target.conninfo,
            found,
            role=config.role,
            lock_timeout=config.lock_timeout,
            statement_timeout=config.statement_timeout,
            announce=lambda info: app.announce(target, info) if announce else None,
        )
    for name in sorted({one.table for one in tables if one.hides_rows}):
        app.output.warning(seeds.told_of_hidden(name))
    return tables


def as_json(compared: Sequence[TableDifference], *, prune: bool = False) -> dict[str, Any]:
    """Return what differs as plain values."""
    differs = any(one.differs or (prune and one.pruned and one.pruned.count) for one in compared)
    return {"tables": [_as_json(one) for one in compared], "differs": differs}


def _as_json(one: TableDifference) -> dict[str, Any]:
    return {
        "table": str(one.table),
        "file": str(one.file.path),
        "inserted": one.inserted,
        "updated": one.updated,
        "unchanged": one.unchanged,
        "rows": [_row(row) for row in one.rows],
        "unnamed": one.unnamed,
        "unnamed_rows": one.unnamed_rows,
        "hides_rows": one.hides_rows,
        "prune": one.pruned.as_json() if one.pruned else None,
    }


def _row(one: RowDifference) -> dict[str, Any]:
    place = one.row.place()
    return {
        "action": "insert" if one.inserted else "update",
        "row": one.row.label,
        "file": str(place.path),
        "line": place.line,
        "values": dict(one.row.values) if one.inserted else None,
        "changes": [asdict(change) for change in one.changes],
    }


def question(database: str, compared: Sequence[TableDifference], *, prune: bool = False) -> str:
    """Ask whether to write what differs, and with `prune` whether to prune what no file names."""
    pruned = {one.table: f", {one.pruned.what}" for one in compared if prune and one.pruned and one.pruned.count}
    parts = [
        f"{one.table}: {one.inserted} to insert, {one.updated} to update{pruned.pop(one.table, '')}"
        for one in compared
        if one.differs or one.table in pruned
    ]
    return f"Seed {database} ({'; '.join(parts) or 'nothing differs'})?"


def written(compared: Sequence[TableDifference]) -> Iterator[str]:
    """Yield a line for each row that was found to be written, and for each column that changes."""
    for one in compared:
        for row in one.rows:
            yield f"  {'+' if row.inserted else '~'} {row.row.label}  ({row.row.place()})"
            for change in row.changes:
                yield f"      {change.column}: {' -> '.join(both(change))}"
        if left := one.inserted + one.updated - len(one.rows):
            yield f"  and {left} more"


def lines(compared: Sequence[TableDifference], folder: object) -> Iterator[str]:
    """Yield what differs, table after table, with the rows."""
    for one in compared:
        yield f"{one.table}: {_counts(one)}"
        yield from written([one])
        yield from seed_prune.marked(one)
        for unnamed in _left_alone(one):
            yield f"  ? {key(unnamed)}"
        if left := _more_left_alone(one):
            yield f"  and {left} more that no file names"
    if compared and compared[0].pruning:
        yield from (f"--prune, also: {loss}" for loss in compared[0].pruning.losses)
    if not compared:
        yield f"no seed files in {folder}"


def _markdown(compared: Sequence[TableDifference]) -> Iterator[str]:
    from sqlmigrate.review.render.markdown import code  # noqa: PLC0415  few want Markdown

    yield "## sqlmigrate seed diff"
    for one in compared:
        yield ""
        yield f"**{code(str(one.table))}** ({code(one.file.path.name)}): {_counts(one)}"
        yield ""
        for row in one.rows:
            yield f"- {'insert' if row.inserted else 'update'} {code(row.row.label)}"
            for change in row.changes:
                yield f"  - {code(change.column)}: {' → '.join(map(code, both(change)))}"
        if left := one.inserted + one.updated - len(one.rows):
            yield f"- and {left} more"
        for line in seed_prune.marked(one):
            text = line.strip()
            yield f"{'  ' * line.startswith('   ')}- {code(text.removeprefix('- '))}"
        for unnamed in _left_alone(one):
            yield f"- in no file: {code(key(unnamed))}"
        if left := _more_left_alone(one):
            yield f"- and {left} more that no file names"


def _counts(one: TableDifference) -> str:
    words = [f"{one.inserted} to insert", f"{one.updated} to update", f"{one.unchanged} unchanged"]
    if one.unnamed:
        pruned = f" (--prune: {one.pruned.what})" if one.pruned and one.pruned.count else ""
        words.append(f"{one.unnamed} in no file{pruned}")
    return ", ".join(words)


def _left_alone(one: TableDifference) -> list[dict[str, str | None]]:
    """Return the first rows that no file names and that pruning would let be."""
    if one.pruned is None:
        return one.unnamed_rows
    pruned = [row.key for row in one.pruned.rows]
    return [] if one.pruned.action.deletes else [row for row in one.unnamed_rows if row not in pruned]


def _more_left_alone(one: TableDifference) -> int:
    return (one.unnamed or 0) - len(one.unnamed_rows) if one.pruned is None else 0
