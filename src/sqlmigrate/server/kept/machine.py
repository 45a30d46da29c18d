"""What of the machine and of this program decides what a server makes of scripts.

Files are told by name, size and time of change, so what an update of a package touches is another one.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmigrate import __version__
from sqlmigrate.server.account import program_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.server.binaries import Binaries

_SYSTEM_PREFIXES = frozenset({Path("/"), Path("/usr"), Path("/usr/local")})
_OURS = Path(__file__).parents[2]
# Any library that is installed or updated changes the linker's cache; so libc, ICU and OpenSSL need no look of their
# own. Behind it: locales of libc, and the time zones of a PostgreSQL that uses the system's.
_SYSTEM = (
    "/etc/ld.so.cache", "/usr/lib/locale/locale-archive", "/usr/lib/locale", "/usr/lib/locale/C.utf8",
    "/usr/share/zoneinfo", "/usr/share/zoneinfo/tzdata.zi", "/usr/share/zoneinfo/+VERSION", "/etc/localtime",
)  # fmt: skip


def identity(binaries: Binaries) -> dict[str, Any]:
    """Return all of it as plain data: programs, extensions, libraries, time zones, environment, and our own code."""
    environment = program_environment()
    environment.pop("PATH", None)  # programs are told by their place
    return {
        "sqlmigrate": [__version__, _digest(_OURS, ".py", ".sql")],
        "postgresql": [binaries.version, str(binaries.bindir), _digest(binaries.bindir)],
        "installation": [[str(place), _digest(place)] for place in places(binaries)],
        "libc": [*platform.libc_ver(), platform.machine(), platform.system()],
        "system": [_told(path) for path in _SYSTEM],
        "environment": environment,
    }


def places(binaries: Binaries) -> list[Path]:
    """Return the folders in which an installation may have its share and library files, where they are there.

    What a server says of itself (`pg_config`) must be among them.
    """
    return [place for place in dict.fromkeys(_likely(binaries)) if place.is_dir()]


def _likely(binaries: Binaries) -> Iterator[Path]:
    yield Path("/usr/share/postgresql") / str(binaries.major)  # Debian, with lib beside bin
    for bindir in dict.fromkeys([binaries.bindir, binaries.bindir.resolve()]):
        prefix = bindir.parent
        names = ("share", "lib", "lib64")
        if prefix in _SYSTEM_PREFIXES:
            yield from (prefix / name / own for name in names for own in ("postgresql", "pgsql"))
        else:
            yield from (prefix / name for name in names)
            yield prefix.parent.with_name(f"{prefix.parent.name}.libs")  # a wheel's


def _digest(folder: Path, *ends: str) -> str:
    """Hash the names, sizes and times of the files below a folder."""
    digest = hashlib.sha256()
    for base, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if not ends or name.endswith(ends):
                path = os.path.join(base, name)  # noqa: PTH118  thousands of them
                digest.update(repr((os.path.relpath(path, folder), _told(path))).encode())
    return digest.hexdigest()


def _told(path: str) -> list[int | str] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  as above
    except OSError:
        return None
    return [path, found.st_size, found.st_mtime_ns]
