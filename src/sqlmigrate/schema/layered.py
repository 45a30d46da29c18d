"""A mapping that can be had with changes at the cost of the changes, and stays as it was."""

from __future__ import annotations

from collections.abc import ItemsView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

K = TypeVar("K")
V = TypeVar("V")
P = TypeVar("P")
T = TypeVar("T")

_SHARE = 4  # of the whole that may be changed before it is copied


class Layered(Mapping[K, V]):
    """A mapping under a few changes; iterated like a dict from which they were deleted, then added again."""

    __slots__ = ("_below", "_gone", "_made", "_new")

    def __init__(self, below: Mapping[K, V]) -> None:
        self._below: dict[K, V] = below if isinstance(below, dict) else dict(below)
        self._made: dict[Callable[[Mapping[K, V]], Any], Any] = {}
        self._gone: frozenset[K] = frozenset()
        self._new: dict[K, V] = {}

    def changed(self, gone: Iterable[K], new: Mapping[K, V]) -> Layered[K, V]:
        """Return another one without some keys, then with some values; this one stays."""
        gone = frozenset(gone)
        found: Layered[K, V] = Layered(self._below)
        found._made = self._made
        found._new = {**{key: value for key, value in self._new.items() if key not in gone}, **new}
        found._gone = self._gone | (gone & self._below.keys())
        too_many = (len(found._new) + len(found._gone)) * _SHARE > len(self._below)
        return Layered(dict(found.items())) if too_many else found

    def below(self, make: Callable[[Mapping[K, V]], T]) -> T:
        """Return what a function makes of the mapping below; it is called once for all changes of the same one."""
        if make not in self._made:
            self._made[make] = make(self._below)
        found: T = self._made[make]
        return found

    def part(self, below: Mapping[P, V], key_there: Callable[[K], P | None]) -> Layered[P, V]:
        """Return a part of the mapping below, under the changes of it; the others have no key there."""
        gone = [there for key in self._gone if (there := key_there(key)) is not None]
        new = {there: value for key, value in self._new.items() if (there := key_there(key)) is not None}
        return Layered(below).changed(gone, new)

    def pairs(self) -> Iterator[tuple[K, V]]:
        """Yield keys and values, without a look for each value."""
        if not self._gone and not self._new:
            yield from self._below.items()
            return
        for key, value in self._below.items():
            if key not in self._gone and key not in self._new:
                yield key, value
        yield from self._new.items()

    def items(self) -> ItemsView[K, V]:
        """View keys and values."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """View values."""
        return _Values(self)

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


class _Items(ItemsView[K, V]):
    _mapping: Layered[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping.pairs()


class _Values(ValuesView[V]):
    _mapping: Layered[Any, V]

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping.pairs())


def may_differ(one: Mapping[K, V], other: Mapping[K, V]) -> Iterable[K]:
    """Return the keys under which two mappings may differ: all, unless both are changes of the same one."""
    first, second = layered(one), layered(other)
    if not first.shares(second):
        return one.keys() | other.keys()
    return first.touched() | second.touched()


def layered(below: Mapping[K, V]) -> Layered[K, V]:
    """Return a mapping as one that can be had with changes."""
    return below if isinstance(below, Layered) else Layered(below)
