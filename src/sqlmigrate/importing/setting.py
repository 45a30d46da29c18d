"""The project's order, where the one that an import needs is not the one that it has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.errors import UsageError
from sqlmigrate.files import write_new

if TYPE_CHECKING:
    from sqlmigrate.config import Config, Order

_NAME = "sqlmigrate.toml"


def settle(config: Config, order: Order, into: Path, *, write: bool) -> tuple[str, ...]:
    """Set the order in a new configuration where there is none, or else say what to write into the one there is.

    Gives what there is to say.
    """
    if order == config.order:
        return ()
    setting = f'order = "{order}"'
    if config.file is not None:
        return (f"these names run in their order only with {setting}: write that into {config.file}",)
    path = Path.cwd() / _NAME
    if not write:
        return (f"{_NAME} would be created, with {setting}: these names run in their order only with it",)
    folder = Path(os.path.relpath(into.absolute(), path.parent)).as_posix()
    if '"' in folder or "\\" in folder or not folder.isprintable():
        raise UsageError(f"write into {_NAME}: {setting}")
    try:
        write_new(path, f'migrations = "{folder}"\n{setting}\n')
    except FileExistsError:
        return (f"these names run in their order only with {setting}: write that into {path}",)
    return (f"{_NAME} was created, with {setting}: these names run in their order only with it",)
