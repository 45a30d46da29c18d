"""The project that is tested: its settings, and the key of what its files make."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlmigrate import __version__
from sqlmigrate.config import load
from sqlmigrate.files import folder_of_files, open_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlmigrate.config import Config

_PART = 1 << 20  # bytes
_BOOTSTRAP = "bootstrap"


@dataclass(frozen=True, slots=True)
class Project:
    """The settings of the project; `not_exact` are ids whose round trip need not be exact."""

    config: Config
    not_exact: tuple[str, ...] = ()

    @property
    def migrations(self) -> Path:
        """The folder of the migrations."""
        return self.config.migrations

    @property
    def data(self) -> Path:
        """The folder of the seed data."""
        return self.config.data

    @property
    def has_seeds(self) -> bool:
        """Whether there are seed files."""
        return self.data.is_dir() and any(self.data.iterdir())

    def place(self) -> str:
        """Return a short name of the project on this machine."""
        return _short([socket.gethostname(), os.fspath(self.config.project)])

    def key(self) -> str:
        """Return a short name of all that decides the template, but for the server.

        That is every file, the settings that scripts run under, and the day in UTC: what a script makes may depend on
        it, as partitions do.
        """
        config = self.config
        settings = (config.role, config.search_path, config.history_schema, config.order)
        scripts = (*_digests(self.migrations, ".sql"), *_digests(self.migrations / _BOOTSTRAP, ".sql"))
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        return _short([__version__, day, *map(repr, settings), *scripts, "seeds", *_digests(self.data)])


def project_of(root: Path, *, migrations: str, data: str, not_exact: Sequence[str]) -> Project:
    """Read the settings of the project in a folder, over which the given folders count; raises ConfigError."""
    named = {"migrations": migrations, "data": data}
    options = {name: root / path for name, path in named.items() if path}
    return Project(load(options, cwd=root), tuple(not_exact))


def _digests(folder: Path, ending: str = "") -> Iterator[str]:
    """Yield the name and the SHA-256 of each file of a folder."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(ending) and entry.is_file())
    with folder_of_files(folder) as descriptor:
        for name in names:
            found = hashlib.sha256()
            with open_file(folder / name, folder=descriptor) as file:
                while part := file.read(_PART):
                    found.update(part)
            yield f"{name} {found.hexdigest()}"


def _short(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode(errors="surrogateescape")).hexdigest()[:12]
