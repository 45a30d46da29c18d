"""What a report says of time and place: how long things take on the target, who waits, and whose files these are.

Values of the public model beside `review.model`, which names the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Duration:
    """How long something takes on the target: from `least` to `most` seconds, by its figures.

    `basis` says in words what that rests on, such as `21 GiB rewritten at 25 to 60 MB/s`; `unknown` are the numbers of
    the statements whose time is not known and comes on top.
    """

    least: float
    most: float
    basis: tuple[str, ...] = ()
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchEstimate:
    """What a statement in batches takes on the target, if it changes each of the table's `rows`: ranges by its figures.

    `least_wal` and `most_wal` are in bytes, None where it was not measured; the most is with each page of the table
    written whole once more, as after a checkpoint.
    """

    rows: int
    least_batches: int
    most_batches: int
    takes: Duration
    least_wal: int | None = None
    most_wal: int | None = None


@dataclass(frozen=True, slots=True)
class Batching:
    """How a statement runs in batches of a `table` by a `key`, as it was found on the throwaway database.

    `boundary` is the plan of the query that finds the bounds of a batch, `batch` that of a batch, in PostgreSQL's
    lines. `rows` were measured, `made_up` where the table had none of its own; `changed` of them were changed, and
    `hot` is the share of these whose new version needs no entry in an index (of an UPDATE), `wal` the bytes of WAL
    for 1,000 changed rows, without whole pages. What was not measured is None. `indexes` hold what an UPDATE sets, so
    that nothing can be HOT; `triggers` and `foreign_keys` fire. A batch has `least_rows` to `most_rows` rows and should
    take `time` milliseconds.
    """

    table: str
    key: tuple[str, ...]
    boundary: tuple[str, ...]
    batch: tuple[str, ...]
    time: int
    least_rows: int
    most_rows: int
    rows: int = 0
    made_up: bool = False
    changed: int = 0
    hot: float | None = None
    wal: int | None = None
    indexes: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    foreign_keys: tuple[str, ...] = ()
    estimate: BatchEstimate | None = None


@dataclass(frozen=True, slots=True)
class Harm:
    """What stands still on the target for more than a moment.

    `stops` is `reads` (then writes, too) or `writes` of the `relation`; `writes` are those a second that wait, None
    where the target does not tell; `said` says it in words.
    """

    relation: str
    stops: Literal["reads", "writes"]
    takes: Duration
    said: str
    writes: float | None = None


@dataclass(frozen=True, slots=True)
class LockWait:
    """What the target's oldest transaction means for locks: `seconds` it had been open, and the `statements` that wait.

    `said` says it in words, `of` whose transaction it was.
    """

    seconds: float
    statements: tuple[int, ...]
    said: str
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """Whose migrations these are: the `name` of the project, and the git `commit` and `branch` that they were read at.

    `modified` says that reviewed files are not as that commit has them.
    """

    name: str
    commit: str | None = None
    branch: str | None = None
    modified: bool = False


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table of the target: `rows` is PostgreSQL's estimate, None where it was never analyzed.

    `size` is in bytes with indexes and TOAST. Writes (inserted, updated and deleted rows), index scans and sequential
    scans are per second since `since`, an ISO 8601 time; None where the target does not tell.
    """

    name: str
    rows: int | None
    size: int
    writes: float | None = None
    index_scans: float | None = None
    scans: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """The database that the change is for.

    `name` is its description without a password, `source` where its figures come from (the target itself, or a file),
    `read_at` and `since` are ISO 8601 times, `oldest_transaction` is in seconds. `tables` are those that the reviewed
    scripts lock, rewrite or scan.
    """

    name: str
    version: str
    source: str
    read_at: str
    since: str | None = None
    oldest_transaction: float | None = None
    oldest_transaction_of: str | None = None
    tables: tuple[TableSize, ...] = ()


@dataclass(frozen=True, slots=True)
class BranchProblem:
    """What a branch does to the migrations of the revision that it is compared with, which may be applied somewhere.

    `rule` is edited-applied, renamed-applied, gone-applied, number-taken or number-twice. `in_repository` is the path
    from the root of the git repository, and `link` an address that shows the file there. `hint` says what to do.
    """

    rule: str
    severity: Literal["danger", "warning"]
    message: str
    path: str
    in_repository: str | None = None
    link: str | None = None
    hint: str | None = None
