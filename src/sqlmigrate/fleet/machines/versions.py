"""What scheduler, workers and coordinator have to have in common."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

from sqlmigrate import __version__
from sqlmigrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "sqlmigrate"
"""Under this name scheduler and workers tell their versions."""
_HINT = "install the same release of sqlmigrate and its extra `fleet`, and the same Python, on all machines"


def ours() -> dict[str, str]:
    """Return the versions of this process: ours, Dask's, and Python's major and minor."""
    return {
        "sqlmigrate": __version__,
        "dask": metadata.version("distributed"),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }


def require_same(found: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse other versions than ours; `found` has those of each process by what it is called. Raises UsageError."""
    mine = ours()
    other = [
        f"{who} has {name} {versions.get(name) or 'of an unknown version'}, and here is {mine[name]}"
        for who, versions in found.items()
        for name in mine
        if versions.get(name) != mine[name]
    ]
    if other:
        raise UsageError("; ".join(other), hint=_HINT)
