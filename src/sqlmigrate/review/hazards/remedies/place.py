"""The table that a remedy is for, as the statement found it and as it left it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.remedies.names import last_part, with_ending

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.hazards.remedies.phases import Phases
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.schema import Value

_PRIMARY_KEY = re.compile(r'PRIMARY KEY \(((?:"(?:[^"]|"")+"|[^",()])+)\)')


@dataclass(frozen=True, slots=True)
class Place:
    """A table, and the statement that changes it; `older` wants the form that also old versions of PostgreSQL know."""

    one: Traced
    table: str
    older: bool
    phases: Phases

    def before(self, kind: str, name: str) -> Mapping[str, Value]:
        """Return the properties that something had before the statement; empty where it was not there."""
        return self.one.step.before.get(f"{kind} {name}", {})

    def after(self, kind: str, name: str) -> Mapping[str, Value]:
        """Return the properties that something has behind the statement; empty where it is not there."""
        return self.one.step.after.get(f"{kind} {name}", {})

    def column(self, name: str) -> Mapping[str, Value]:
        """Return a column of the table as the statement leaves it."""
        return self.after("column", f"{self.table}.{name}")

    def is_partitioned(self) -> bool:
        """Whether the table has partitions instead of rows."""
        return bool(self.before("table", self.table).get("partition key"))

    def partitions(self) -> list[str]:
        """Return the tables right below it, as the statement found them."""
        return [
            name
            for name, properties in self.one.step.before.of("table").items()
            if properties.get("partition of") == (self.table,)
        ]

    def key(self) -> str | None:
        """Return the one column of its primary key."""
        for name, properties in self.of_table("constraint", before=True):
            if match := _PRIMARY_KEY.match(str(properties.get("definition", ""))):
                return match[1] if name else None
        return None

    def of_table(self, kind: str, *, before: bool = False) -> Iterator[tuple[str, Mapping[str, Value]]]:
        """Yield the parts of a kind that the table has."""
        state = self.one.step.before if before else self.one.step.after
        for name, properties in state.of(kind).items():
            if properties.get("table") == self.table:
                yield name, properties

    def free(self, name: str, ending: str, kind: str = "constraint") -> str:
        """Return a name for a new constraint or column of the table, or an index beside it."""

        def is_taken(made: str) -> bool:
            states = self.one.step.before, self.one.step.after
            if kind == "index":
                schema = self.table.removesuffix(last_part(self.table))
                relations = ("table", "index", "view", "sequence", "materialized view")
                return any(f"{other} {schema}{made}" in state for other in relations for state in states)
            text = f"column {self.table}.{made}" if kind == "column" else f"{kind} {made} on {self.table}"
            return any(text in state for state in states)

        return with_ending(name, ending, is_taken)
