"""Convert files of other tools as `sqlmigrate import` does, and see what is there afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlmigrate.config import Order
from sqlmigrate.importing.convert import Imported, convert
from sqlmigrate.importing.tools import named


@dataclass(frozen=True)
class Outcome:
    """What an import said, and the files that are there now, by their names."""

    done: Imported
    files: dict[str, str]

    @property
    def said(self) -> list[str]:
        """Each problem as `FILE:LINE: MESSAGE`."""
        return [
            f"{item.place.path.name}{f':{item.place.line}' if item.place.line else ''}: {item.message}"
            for item in self.done.problems
            if item.place
        ]


def written(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder, byte for byte."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Read all files below a folder, with their line ends."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes().decode() for path in paths}


def imported(
    root: Path,
    tool: str,
    files: Mapping[str, str | bytes],
    *named_files: str,
    order: Order = "name",
    write: bool = True,
) -> Outcome:
    """Import files of a tool, written below `theirs`, into `sql`."""
    theirs = written(root / "theirs", files)
    paths = [theirs / name for name in named_files] or [theirs]
    done = convert(named(tool), paths, root / "sql", order, write=write)
    return Outcome(done, contents(root / "sql") if (root / "sql").is_dir() else {})
