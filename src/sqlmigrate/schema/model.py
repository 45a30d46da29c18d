"""A database's schema as plain values: objects by kind and name, each with its properties."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | bool | None | tuple[str, ...]
"""What a property can be; one that is false, empty or not set is absent, which is the same as None."""

TABLE = "table"
"""The property of a part (column, index, trigger, ...) that holds the name of what it belongs to."""
POSITION = "position"
"""The property of a column that holds its rank among the live columns, from 1."""


class Name(NamedTuple):
    """What identifies an object: PostgreSQL's word for its kind, and its name, qualified and quoted.

    A tuple, since schemas look up tens of thousands of them.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Schema:
    """All objects of a database that were read, with their properties."""

    objects: Mapping[Name, Mapping[str, Value]]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the whole schema, in hexadecimal: equal for equal schemas, wherever they were read."""
        kinds: dict[str, dict[str, Mapping[str, Value]]] = {}
        for name, properties in self.objects.items():
            kinds.setdefault(name.kind, {})[name.name] = properties
        text = json.dumps(kinds, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()
