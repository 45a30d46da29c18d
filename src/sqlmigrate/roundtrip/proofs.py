"""Recorded proofs: one small file for each migration, `proofs/ID.json` in the migrations' folder, reviewed in git.

A proof is of this pair of files, its samples and everything that comes before it. It is stale as soon as one of them
changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping  # noqa: TC003  its fields are checked by their types
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlmigrate import __version__
from sqlmigrate.errors import Error, MigrationsError, Place, Problem
from sqlmigrate.files import make_folder, read_json, record, write_text
from sqlmigrate.migrations import BOOTSTRAP, PROOFS
from sqlmigrate.roundtrip import PROVEN, Samples, Verdict, find_samples
from sqlmigrate.sql.script import read_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sqlmigrate.migrations import Migration, Migrations
    from sqlmigrate.roundtrip import RoundTrip
    from sqlmigrate.sql.script import Script

VERSION = 1
_TRY = "`sqlmigrate roundtrip --write` tries the pairs and records the proofs"
_MEANS = {
    **dict.fromkeys(("exact", "text_only", "order_only"), "the rollback brings back the schema of before"),
    "lossy": "the rollback brings back the schema of before, but not the data of what it makes anew",
    "not_restored": "the rollback leaves something that is not as before",
    "fails": "a script of the pair stopped with an error",
}
_MEND = "fix the rollback script, or apply without --require-proof"


@dataclass(frozen=True, slots=True)
class Proof:
    """A recorded round trip.

    `sha256` is of the script and `rollback_sha256` of its rollback, `samples` of the sample files by their names, all
    of the files' bytes. `before` is a digest of all files that come before (the bootstrap's too), `base` the
    fingerprint of the schema that they make. `postgresql` is the major version that it ran on, `settings` are
    those of the database that are not what they mostly are.
    """

    migration_id: str
    verdict: str
    sha256: str
    rollback_sha256: str | None
    samples: Mapping[str, str]
    before: str
    base: str | None
    postgresql: int
    tool: str = __version__
    settings: Mapping[str, str] = field(default_factory=dict)
    version: int = VERSION


def path_of(migrations: Migrations, migration_id: str) -> Path:
    """Return where the proof of a migration is recorded."""
    return migrations.directory / PROOFS / f"{migration_id}.json"


def any_recorded(migrations: Migrations) -> bool:
    """Tell whether there are proofs at all."""
    return any((migrations.directory / PROOFS).glob("*.json"))


def write(migrations: Migrations, trips: Iterable[RoundTrip]) -> list[Path]:
    """Record round trips that were tried; gives the files. One that is recorded already stays byte for byte.

    One that says nothing of what the target will have is not recorded: see `is_proof`.
    """
    paths = []
    for proof in _proofs(migrations, trips):
        path = path_of(migrations, proof.migration_id)
        make_folder(path.parent)
        write_text(path, json.dumps(_as_json(proof), indent=2) + "\n")
        paths.append(path)
    return paths


def is_proof(trip: RoundTrip) -> bool:
    """Tell whether a round trip was tried as it would run, on everything that comes before it, and to its end."""
    return trip.verdict is not Verdict.NOT_TRIED and not trip.left_out and trip.bug is None


def _as_json(proof: Proof) -> dict[str, Any]:
    """Return what a file holds; where no setting is worth a word, none is there."""
    found = {"version": VERSION} | asdict(proof)
    return found if proof.settings else {name: value for name, value in found.items() if name != "settings"}


def outdated(migrations: Migrations, trips: Iterable[RoundTrip]) -> list[Problem]:
    """Say which recorded proofs are not what these round trips found, or cannot be read.

    The schema before is compared only where the recorded one was read by this version of us on the same major version
    of PostgreSQL: another one may see more of it.
    """
    found = []
    for proof in _proofs(migrations, trips):
        path = path_of(migrations, proof.migration_id)
        try:
            recorded = read(path)
        except Error as error:
            found.append(Problem(error.message, Place(path)))
            continue
        if recorded is None:
            continue
        comparable = (recorded.postgresql, recorded.tool) == (proof.postgresql, proof.tool)
        made_with = {name: getattr(proof, name) for name in ("tool", "postgresql", "base", "settings")}
        base = recorded.base if comparable else proof.base
        if replace(recorded, **made_with) != proof:
            found.append(
                Problem(
                    "this proof is stale: the files, what comes before them or the verdict has changed", Place(path)
                )
            )
        elif base != proof.base:
            found.append(Problem("this proof is stale: the schema that it starts from has changed", Place(path)))
    return found


def _proofs(migrations: Migrations, trips: Iterable[RoundTrip]) -> Iterator[Proof]:
    samples, _ = find_samples(migrations)
    before = _before(migrations)
    for trip in trips:
        if trip.postgresql is None or not is_proof(trip):
            continue
        migration = migrations.named(trip.migration_id)
        yield Proof(
            trip.migration_id,
            trip.verdict.value,
            migration.script.sha256,
            migration.rollback.sha256 if migration.rollback else None,
            _digests(samples.get(trip.migration_id, Samples()).scripts()),
            before[trip.migration_id],
            trip.base,
            trip.postgresql,
            settings=trip.settings,
        )


def read(path: Path) -> Proof | None:
    """Read a recorded proof, None where there is none; raises Error where the file is not one of ours."""
    try:
        values: Any = read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(getattr(error, "strerror", None) or error)) from None
    if isinstance(values, dict) and (version := values.get("version")) not in (None, VERSION):
        raise _unreadable(path, f"it has version {version}, this is {VERSION}")
    try:
        return record(Proof, values)
    except (TypeError, AttributeError):
        raise _unreadable(path, "its fields are not those of a proof") from None


def _unreadable(path: Path, reason: str) -> Error:
    return Error(
        f"is not a proof of a round trip: {reason}",
        place=Place(path),
        hint="record it again with `sqlmigrate roundtrip --write`",
    )


def require(
    migrations: Migrations, wanted: Iterable[Migration], *, major: int, outcome: str = "nothing was run"
) -> list[str]:
    """Raise MigrationsError where one of these migrations has no proof, a stale one, or one that failed.

    Gives what is to be said of good ones: that they were made on another major version than `major`. `outcome` says
    in the error what did not happen.
    """
    samples, _ = find_samples(migrations)
    before = _before(migrations)
    problems: list[Problem] = []
    notes: list[str] = []
    hints: set[str] = set()
    for migration in wanted:
        name = migration.migration_id
        proof = read(path_of(migrations, name))
        of_samples = _digests(samples.get(name, Samples()).scripts())
        if reason := _stale(migration, proof, of_samples, before[name]):
            hints.add(_TRY)
            problems.append(Problem(reason, Place(migration.script.path)))
        elif proof is not None and proof.verdict not in {verdict.value for verdict in PROVEN}:
            hints.add(_MEND)
            reason = f"its rollback is not proven: the recorded round trip is {proof.verdict}"
            problems.append(Problem(reason, Place(migration.script.path)))
        elif proof is not None and proof.postgresql != major:
            notes.append(f"{name} is proven on PostgreSQL {proof.postgresql}, and this is {major}")
    if problems:
        raise MigrationsError(
            f"{outcome}, since a proof is required and these migrations have no valid one",
            problems,
            hint="; ".join(sorted(hints)),
        )
    return notes


def said(migrations: Migrations, of: Iterable[Migration]) -> dict[str, tuple[str | None, str]]:
    """Return by id what recorded proofs say: the verdict, `stale`, or None, and the same in words."""
    samples, _ = find_samples(migrations)
    before = _before(migrations)
    return {
        migration.migration_id: _said(migrations, migration, samples, before.get(migration.migration_id, ""))
        for migration in of
    }


def _said(
    migrations: Migrations, migration: Migration, samples: Mapping[str, Samples], before: str
) -> tuple[str | None, str]:
    name = migration.migration_id
    if migrations.get(name) is None:
        return None, "its rollback is not proven: its files are missing"
    try:
        proof = read(path_of(migrations, name))
    except Error as error:
        return None, f"its rollback is not proven: the recorded proof {error.message}"
    of_samples = _digests(samples.get(name, Samples()).scripts())
    if reason := _stale(migration, proof, of_samples, before):
        return "stale" if proof else None, reason
    verdict = proof.verdict if proof else ""
    return verdict, f"its recorded proof says {verdict}: {_MEANS.get(verdict, 'its rollback is not proven')}"


def _stale(migration: Migration, proof: Proof | None, samples: Mapping[str, str], before: str) -> str | None:
    if proof is None:
        return "its rollback is not proven: no round trip is recorded"
    rollback = migration.rollback.sha256 if migration.rollback else None
    if proof.sha256 != migration.script.sha256:
        return "its proof is stale: the script has changed since"
    if proof.rollback_sha256 != rollback:
        return "its proof is stale: the rollback script has changed since"
    if dict(proof.samples) != samples:
        return "its proof is stale: its samples have changed since"
    if proof.before != before:
        return "its proof is stale: what comes before it has changed since"
    return None


def _before(migrations: Migrations) -> dict[str, str]:
    """Return for each migration the digest of the files that come before it, each by its name and its content."""
    digest = hashlib.sha256()
    folder = migrations.directory / BOOTSTRAP
    for path in sorted(folder.glob("*.sql")) if folder.is_dir() else ():
        digest.update(f"{path.name} {read_script(path)[0].sha256}\n".encode())
    found = {}
    for migration in migrations.ordered:
        found[migration.migration_id] = digest.hexdigest()
        digest.update(f"{migration.migration_id} {migration.script.sha256}\n".encode())
    return found


def _digests(scripts: Iterable[Script]) -> dict[str, str]:
    return {script.path.name: script.sha256 for script in scripts}
