"""A mapping that can be had with changes at the cost of the changes, and stays as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

K = TypeVar("K")
V = TypeVar("V")

_SHARE = 4  # of the whole that may be changed before it is copied


class Layered(Mapping[K, V]):
    """A mapping under a few changes; iterated like a dict from which they were deleted, then added again."""

    __slots__ = ("_below", "_gone", "_new")

    def __init__(self, below: Mapping[K, V]) -> None:
        self._below: Mapping[K, V] = below if isinstance(below, dict) else dict(below)
        self._gone: frozenset[K] = frozenset()
        self._new: dict[K, V] = {}

    def changed(self, gone: Iterable[K], new: Mapping[K, V]) -> Layered[K, V]:
        """Return another one without some keys, then with some values; this one stays."""
        gone = frozenset(gone)
        found: Layered[K, V] = Layered(self._below)
        found._new = {**{key: value for key, value in self._new.items() if key not in gone}, **new}
        found._gone = self._gone | (gone & self._below.keys())
        too_many = (len(found._new) + len(found._gone)) * _SHARE > len(self._below)
        return Layered(dict(found.items())) if too_many else found

    def shares(self, other: Layered[K, V]) -> bool:
        """Tell whether both are changes of the same mapping."""
        return self._below is other._below

    def touched(self) -> frozenset[K]:
        """Return the keys that were changed, or taken out."""
        return self._gone.union(self._new)

    def __getitem__(self, key: K) -> V:
        if key in self._new:
            return self._new[key]
        if key in self._gone:
            raise KeyError(key)
        return self._below[key]

    def __contains__(self, key: object) -> bool:
        return key in self._new or (key not in self._gone and key in self._below)

    def __iter__(self) -> Iterator[K]:
        if self._gone or self._new:
            for key in self._below:
                if key not in self._gone and key not in self._new:
                    yield key
            yield from self._new
        else:
            yield from self._below

    def __len__(self) -> int:
        more = sum(key in self._gone or key not in self._below for key in self._new)
        return len(self._below) - len(self._gone) + more


def may_differ(one: Mapping[K, V], other: Mapping[K, V]) -> Iterable[K]:
    """Return the keys under which two mappings may differ: all, unless both are changes of the same one."""
    first, second = layered(one), layered(other)
    if not first.shares(second):
        return one.keys() | other.keys()
    return first.touched() | second.touched()


def layered(below: Mapping[K, V]) -> Layered[K, V]:
    """Return a mapping as one that can be had with changes."""
    return below if isinstance(below, Layered) else Layered(below)
