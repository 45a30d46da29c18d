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
