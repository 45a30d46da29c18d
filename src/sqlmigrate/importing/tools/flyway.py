"""Flyway: `V1_2__name.sql`, `U1_2__name.sql`, `B1_2__name.sql`, `.conf` beside them (documentation.red-gate.com/fd).

Built from the documentation and Flyway's source, and not tried against the tool itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zlib import crc32

from sqlmigrate.errors import Place, Problem
from sqlmigrate.importing import rows
from sqlmigrate.importing.model import Layout, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool
from sqlmigrate.importing.wrapping import outside_where_needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import Any

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.model import Part, Source
    from sqlmigrate.importing.tool import Known, Recorded

_VERSION = r"(\d+(?:[._]\d+)*)"
_FILE = re.compile(rf"([VUB]){_VERSION}(?:__(.*))?\.sql", re.DOTALL)
_CODE = re.compile(rf"[VUR](?:{_VERSION})?__.*\.(?:java|class|py|ps1|sh|bash|cmd|bat|kt|groovy)", re.DOTALL)
_REPEATABLE = re.compile(r"R__.*\.sql", re.DOTALL)
_CALLBACK = re.compile(r"(?:before|after|create|drop)[A-Z]\w*?(?:__.*)?\.sql", re.DOTALL)
_ID = re.compile(rf"[VB]{_VERSION}(?:__.*)?", re.DOTALL)
_PLACEHOLDER = re.compile(r"\$\{[^}\n]*(\})?")  # of an open one nothing is read twice
_REPEATED = "a repeatable migration runs again whenever it has changed, which no migration of sqlmigrate does"
_REPEATED_HINT = "make a migration of what it is now (sqlmigrate new NAME), and a new one for each change"
_UNDONE, _APPLIED = "UNDO_", ("SQL", "SQL_BASELINE", "JDBC", "SPRING_JDBC", "SCRIPT", "SCRIPT_BASELINE", "CUSTOM")


def version_of(text: str) -> str:
    """Return a version as Flyway compares it: `01_2.0` is 1.2."""
    numbers = [number.lstrip("0") or "0" for number in re.split("[._]", text)]
    while len(numbers) > 1 and numbers[-1] == "0":
        numbers.pop()
    return ".".join(numbers)


def _key(version: str) -> tuple[tuple[int, str], ...]:
    """Return what sorts as the numbers do, which may have more digits than an int is read from."""
    return tuple((len(number), number) for number in version.split("."))


def checksum(text: str) -> str:
    """Return Flyway's checksum: CRC-32 of the lines without their ends, as a signed number of 32 bits."""
    value = 0
    for line in re.split("\r\n|\r|\n", text):
        value = crc32(line.encode(), value)
    return str(value - (1 << 32) if value >= 1 << 31 else value)


def _read(folder: Folder) -> Layout:
    by_kind: dict[str, dict[str, Path]] = {"V": {}, "U": {}, "B": {}}
    problems: list[Problem] = []
    settings = {path.name: path for path in folder.files(deep=True, ending=".conf")}
    for path in folder.entries(deep=True):
        if name := _FILE.fullmatch(path.name):
            first = by_kind[name[1]].setdefault(version_of(name[2]), path)
            if first != path:
                hint = "give one of them a version of its own; Flyway refuses both"
                problems.append(Problem(f"it has the same version as {first.name}", Place(path), hint))
        elif said := _unconverted(path):
            problems.append(said)
    versions = {version: path for version, path in by_kind["B"].items() if _is_first(version, by_kind["V"])}
    problems += [
        Problem("is another way to make what the versions up to it make; it was left out", Place(path), "use those")
        for version, path in by_kind["B"].items()
        if version not in versions
    ]
    versions |= by_kind["V"]
    found = [
        _one(folder, version, path, by_kind["U"].pop(version, None), settings)
        for version, path in sorted(versions.items(), key=lambda pair: _key(pair[0]))
    ]
    problems += [
        Problem("there is no migration of this version that it would undo", Place(path), "it was left out")
        for path in by_kind["U"].values()
    ]
    return Layout(tuple(found), tuple(problems))


def _is_first(version: str, versions: Iterable[str]) -> bool:
    """Tell whether a baseline replaces files that are gone: then it is where a history begins."""
    return all(_key(version) < _key(other) for other in versions)


def _unconverted(path: Path) -> Problem | None:
    if _REPEATABLE.fullmatch(path.name):
        return Problem(_REPEATED, Place(path), _REPEATED_HINT)
    if _CODE.fullmatch(path.name):
        hint = "write what it does as SQL, under the same version"
        return Problem("a migration that is no SQL cannot be converted", Place(path), hint)
    if _CALLBACK.fullmatch(path.name):
        return Problem("a callback cannot be converted", Place(path), "call it as a hook: see docs/events.md")
    return None


def _one(folder: Folder, version: str, path: Path, undo: Path | None, settings: dict[str, Path]) -> Theirs:
    problems: list[Problem] = []

    def part(path: Path | None) -> tuple[Source | None, Part | None]:
        source = folder.read(path) if path else None
        if source is None:
            return None, None
        said = _said(folder, settings.get(f"{source.name}.conf"))
        if said.get("shouldexecute", "true") != "true":
            message = "Flyway runs this only under a condition (shouldExecute), which cannot be converted"
            problems.append(source.problem(message, hint="leave it out, or import it without the condition"))
            return source, None
        if said.get("placeholderreplacement", "true") != "false" and (hit := _placeholder(source.text)):
            hint = "write its value, and import it again; or say placeholderReplacement=false in its .conf"
            problems.append(source.problem(f"Flyway fills in the placeholder {hit[0]} here", hit.start(), hint))
            return source, None
        outside = said.get("executeintransaction") == "false"
        whole = source.part(transactional=not outside)
        return source, whole if outside else outside_where_needed(whole)

    (source, up), (_, down) = part(path), part(undo)
    sums = (checksum(source.text),) if source else ()
    return Theirs(version, path.stem, path, up, down, checksums=sums, problems=tuple(problems))


def _placeholder(text: str) -> re.Match[str] | None:
    return next((hit for hit in _PLACEHOLDER.finditer(text) if hit[1]), None)


def _said(folder: Folder, path: Path | None) -> dict[str, str]:
    """Read a `.conf` beside a script."""
    source = folder.read(path) if path else None
    lines = source.text.splitlines() if source else []
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith(("#", "--")))
    return {key.strip().removeprefix("flyway.").lower(): value.strip().lower() for key, _, value in pairs}


def _told(found: Sequence[tuple[Any, ...]], known: Known) -> Told:
    """Read rows of version, description, type, checksum, time and success, in the order of their ranks."""
    applied: dict[str, Recorded] = {}
    failed: dict[str, str] = {}
    for version, description, kind, said, at, success in found:
        key = version_of(version) if version and re.fullmatch(_VERSION, version) else None
        if key is None:
            continue
        label = f"{version} ({description})"
        failed.pop(key, None)
        if not success:
            failed[key] = label
        elif kind.startswith(_UNDONE) or kind == "DELETE":
            applied.pop(key, None)
        elif kind == "BASELINE":
            older = (other for other in known.versions if _key(other) <= _key(key))
            applied |= {other: rows.recorded(other, at) for other in older}
        elif kind in _APPLIED:
            applied.pop(key, None)
            applied[key] = rows.recorded(key, at, label, None if said is None else str(said))
    repeated = sum(version is None and kind != "SCHEMA" for version, _, kind, *_ in found)
    notes = (f"{repeated} rows are of repeatable migrations, which have no file here",) if repeated else ()
    return Told(tuple(applied.values()), failed=tuple(failed.values()), notes=notes)


def _by_id(migration_id: str) -> str | None:
    found = _ID.fullmatch(migration_id)
    return version_of(found[1]) if found else None


TOOL = Tool(
    "flyway",
    "Flyway",
    _read,
    TheirHistory("flyway_schema_history", "flyway", _told, "Flyway", nameless=True),
    _by_id,
    folders=("src/main/resources/db/migration", "db/migration", "sql", "migrations"),
)
