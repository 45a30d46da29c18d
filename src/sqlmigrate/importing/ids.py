"""Give each migration of theirs an id here: one that sorts as their tool ran it, and stays the same in the next run."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from sqlmigrate.migrations.order import sort_key

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlmigrate.config import Order
    from sqlmigrate.importing.model import Layout

_NUMBERED = re.compile(r"(\d{4,})_(.+)", re.DOTALL)
_WIDTH = 4


def assigned(layout: Layout, there: Collection[str]) -> list[str]:
    """Return the ids of all migrations, in their order; `there` are the ids that we have already.

    Where their names give no order, a number stands in front: the one that it has here, or else the next one.
    """
    if not layout.numbered:
        return [item.stem for item in layout.migrations]
    known = {found[2]: name for name in sorted(there) if (found := _NUMBERED.fullmatch(name))}
    last = max((int(name.partition("_")[0]) for name in known.values()), default=0)
    ids = []
    for item in layout.migrations:
        if item.stem not in known:
            last += 1
        ids.append(known.get(item.stem) or f"{last:0{_WIDTH}d}_{item.stem}")
    return ids


def without_number(migration_id: str) -> str:
    """Return an id without the number that stands in front."""
    found = _NUMBERED.fullmatch(migration_id)
    return found[2] if found else migration_id


def order_of(ids: Sequence[str], present: Order) -> Order | None:
    """Return the order of a project in which these ids run as they are given; None where there is none.

    The one that it has at present is kept where it is one.
    """
    orders: tuple[Order, ...] = (present, "name", "natural")
    return next((order for order in orders if ids == sorted(ids, key=lambda name: sort_key(name, order))), None)


def followed(ids: Sequence[str], order: Order) -> dict[str, str]:
    """Return which id must say that it depends on the one before, since their order is not the project's."""
    found = {}
    highest = None
    for before, name in itertools.pairwise(ids):
        highest = before if highest is None else max(highest, before, key=lambda one: sort_key(one, order))
        if sort_key(name, order) < sort_key(highest, order):
            found[name] = before
    return found
