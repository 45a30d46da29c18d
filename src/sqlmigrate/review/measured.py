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
