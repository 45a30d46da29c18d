"""What a report says of a statement that runs in batches: the same words in each format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.figures import in_bytes, in_range, in_words
from sqlmigrate.review.render.words import count, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.measured import BatchEstimate, Batching

_MOST = 8  # triggers, keys or indexes by name
_SECOND = 1_000


def facts(batching: Batching) -> Iterator[tuple[str, str]]:
    """Yield what was found, each with the word that it stands under."""
    key = ", ".join(batching.key)
    wanted = f"{batching.time} ms" if batching.time % _SECOND else f"{batching.time // _SECOND} s"
    size = f"of {batching.least_rows:,} to {batching.most_rows:,} rows, each in about {wanted}"
    yield "in batches", f"of {batching.table} by {key}, {size}"
    if batching.indexes:
        named = listed(batching.indexes, _MOST)
        yield "HOT updates", f"none: each new version needs an entry in {named}, as it holds what is set"
    elif batching.hot is not None:
        yield "HOT updates", f"{batching.hot:.0%} of {_measured(batching)}"
    if batching.wal is not None:
        yield "WAL", f"about {in_bytes(batching.wal)} for 1,000 rows, without whole pages ({_measured(batching)})"
    elif batching.rows:
        yield "WAL", f"not measured: of {_measured(batching)} none was changed"
    else:
        yield "WAL", "not measured: the table has no rows here, and none could be made up"
    fires = [f"trigger {name}" for name in batching.triggers]
    fires += [f"foreign key {name}" for name in batching.foreign_keys]
    yield "fires", listed(fires, _MOST) if fires else "no trigger and no foreign key"
    if batching.estimate is not None:
        yield "on the target", _estimate(batching.estimate)


def plans(batching: Batching) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the plans with their names: of the boundary only how the table is read, of a batch the whole."""
    yield "the next keys are found by", tuple(_scan(batching.boundary)) or batching.boundary
    yield "a batch runs by", batching.batch


def _scan(plan: tuple[str, ...]) -> Iterator[str]:
    """Yield the scan of the table and its condition."""
    within = False
    for line in plan:
        text = line.strip().removeprefix("->").strip()
        is_node = "->" in line or ": " not in text
        if is_node:
            within = " Scan " in f"{text} " and not text.startswith("CTE Scan")
        if within:
            yield text if is_node else f"  {text}"


def _measured(batching: Batching) -> str:
    return f"{count(batching.rows, 'made-up row' if batching.made_up else 'row')} here"


def _estimate(found: BatchEstimate) -> str:
    least, most = found.least_batches, found.most_batches
    batches = count(most, "batch", "batches") if least == most else f"{in_words(least)} to {in_words(most)} batches"
    parts = [batches, in_range(found.takes.least, found.takes.most)]
    if found.least_wal is not None and found.most_wal is not None:
        parts.append(f"{in_bytes(found.least_wal)} to {in_bytes(found.most_wal)} of WAL")
    return f"{', '.join(parts)}, if each of {in_words(found.rows)} rows is changed"
