"""Which worker may have which target: by tags and resources of the form KEY=VALUE, such as region=eu. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_RESOURCE = re.compile(r"[^\s=,]{1,100}=[^\s=,]{1,100}")
_BETWEEN = re.compile(r"[\s,]+")
_PLENTY = 1_000_000
"""Dask counts resources; ours are there or not."""


def needs_of(tags: Iterable[str]) -> frozenset[str]:
    """Return those tags of a target that ask for a worker with the same resource."""
    return frozenset(tag for tag in tags if _RESOURCE.fullmatch(tag))


def read_resources(texts: Iterable[str]) -> frozenset[str]:
    """Read `KEY=VALUE`, or several with spaces or commas in between; raises UsageError."""
    words = [word for text in texts for word in _BETWEEN.split(text) if word]
    if bad := next((word for word in words if not _RESOURCE.fullmatch(word)), None):
        raise UsageError(f"{bad!r} is no resource", hint="write KEY=VALUE, as in region=eu")
    return frozenset(words)


def supplied(resources: Iterable[str]) -> dict[str, float]:
    """Return the resources of a worker as Dask has them."""
    return dict.fromkeys(sorted(resources), _PLENTY)


def required(needs: Iterable[str]) -> dict[str, float]:
    """Return what an order asks of a worker as Dask has it."""
    return dict.fromkeys(sorted(needs), 1)


def words(needed: Iterable[str]) -> str:
    """Return what is needed as words."""
    return " and ".join(sorted(needed))


def unmet(needs: Mapping[str, frozenset[str]], workers: Iterable[frozenset[str]]) -> dict[frozenset[str], list[str]]:
    """Return the targets that no worker may have, by what they need; `needs` is that of each target by its name."""
    there = list(workers)
    found: dict[frozenset[str], list[str]] = {}
    for name, needed in needs.items():
        found.setdefault(needed, []).append(name)
    return {needed: names for needed, names in found.items() if not any(needed <= has for has in there)}
