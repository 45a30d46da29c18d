"""Look for a file from a folder upwards, where only what the user or root has made counts, and for programs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.files.owners import why_not_trusted, writable_by_others

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def program_on_path(name: str) -> Path | None:
    """Find a program in an absolute folder of PATH: one relative to where we are may be the repository's own."""
    folders: Sequence[str] = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = shutil.which(name, path=os.pathsep.join(folder for folder in folders if Path(folder).is_absolute()))
    return Path(found) if found else None


def upwards(
    start: Path, names: Sequence[str], is_meant: Callable[[Path], bool], passed_over: list[str]
) -> Iterator[Path]:
    """Yield the paths at which a file counts, the nearest first, whether one is there or not.

    `start` is taken as it is. Above it the search ends at the root of a git repository, or at the first folder that
    others may write to, and files of others do not count. What of those `is_meant` is told in `passed_over`.
    """
    for folder in (start, *start.parents):
        if folder != start and (reason := _checked(writable_by_others, folder)):
            passed_over += _beyond(folder, names, is_meant, reason)
            return
        for path in (folder / name for name in names):
            reason = _checked(why_not_trusted, path) if folder != start else None
            if reason is None:
                yield path
            elif is_meant(path):
                passed_over.append(f"{path} is ignored: {reason}")
        if os.path.lexists(folder / ".git"):
            return


def _checked(check: Callable[[Path], str | None], path: Path) -> str | None:
    """Ask whether something is ours; of a file that is not there or cannot be looked at, its reader will say so."""
    try:
        return check(path)
    except OSError:
        return None


def _beyond(closed: Path, names: Sequence[str], is_meant: Callable[[Path], bool], reason: str) -> Iterator[str]:
    """Name the file that would have counted, had the search not ended below a folder that others may write to."""
    for folder in (closed, *closed.parents):
        for path in filter(is_meant, (folder / name for name in names)):
            where = "" if folder == closed else f"of {closed}: "
            yield f"{path} is ignored, and so is everything above {closed}: {where}{reason}"
            return
        if os.path.lexists(folder / ".git"):
            return
