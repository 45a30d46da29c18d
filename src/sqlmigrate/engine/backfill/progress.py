"""How far a batched statement is, as its journal entry keeps it in `found`."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import HistoryError
from sqlmigrate.files.reading import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.engine.backfill.key import Bounds
    from sqlmigrate.sql.batches import Batched

KIND = "backfill"
"""What `found` holds beside the progress, to be told from what other statements note there."""
PAUSE, CANCEL = "pause", "cancel"
"""What somebody may ask of batches that run."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: every row up to `position` (None: of the first) had its batch, and none behind it.

    `token` is another one after each step: who moves on names the one that it has found. `rows` had their batch in
    `batches`, of about `estimate`; `changed` of them were changed, `seconds` is how long the batches took together.
    `wanted` is what somebody asks for (`steering`), and `waits` why the next batch waited when this was read.
    """

    table: str
    key: list[str]
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    position: list[str] | None = None
    batches: int = 0
    rows: int = 0
    changed: int = 0
    seconds: float = 0.0
    estimate: int | None = None
    wanted: str | None = None
    waits: str | None = None

    @classmethod
    def of(cls, batched: Batched) -> Progress:
        """Begin with nothing done."""
        return cls(".".join(batched.table), list(batched.key))

    @classmethod
    def read(cls, found: Mapping[str, Any] | None) -> Progress | None:
        """Read what a journal entry has found; None where that is no progress of a batched statement.

        Raises HistoryError where its values are of other types: somebody has written them by hand.
        """
        if not found or found.get("kind") != KIND:
            return None
        known = {item.name for item in fields(cls)}
        try:
            made = record(cls, {name: value for name, value in found.items() if name in known})
        except TypeError as error:
            raise _made_up(str(error)) from None
        if not all(isinstance(text, str) for text in (*made.key, *(made.position or ()))):
            raise _made_up("a column or a bound is no text")
        return made

    @property
    def seconds_left(self) -> float | None:
        """About how long the rest takes at the rate until now, None where that cannot be told."""
        if not self.rows or not self.seconds or self.estimate is None or self.estimate <= self.rows:
            return None
        return round((self.estimate - self.rows) * self.seconds / self.rows, 1)

    @property
    def held_by(self) -> str | None:
        """Why the next batch waits, where somebody runs them; None where it does not."""
        return "somebody wants a pause" if self.wanted == PAUSE else self.waits

    def written(self) -> dict[str, Any]:
        """Return it as a journal entry keeps it."""
        return {"kind": KIND, **asdict(self)}

    def moved(self, bounds: Bounds) -> Progress:
        """Return the progress behind a batch; what it has changed is not known yet."""
        rows = self.rows + bounds.rows
        estimate = self.estimate if bounds.left is None else rows + bounds.left
        token, batches = uuid.uuid4().hex, self.batches + 1
        return replace(self, token=token, position=bounds.last, batches=batches, rows=rows, estimate=estimate)

    def again(self) -> Progress:
        """Return it at the beginning of the table once more; the next step writes that down."""
        return replace(self, position=None)

    def took(self, changed: int, seconds: float) -> Progress:
        """Return it with what the last batch has changed, and how long it took; the next step writes that down."""
        return replace(self, changed=self.changed + changed, seconds=round(self.seconds + seconds, 3))


def _made_up(reason: str) -> HistoryError:
    message = f"the journal's progress of batches is none that sqlmigrate has written: {reason}"
    return HistoryError(message, hint="restore the row of the journal as it was")
