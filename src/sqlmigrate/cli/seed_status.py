"""What `status` and `history` say of the seed files: changed since they were seeded, or never seeded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.cli.foreign_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlmigrate.cli.call import App
    from sqlmigrate.connection import Connection
    from sqlmigrate.history import History, LastSeeded, SeededRow

_WORDS = {
    "seeded": "as they were seeded",
    "changed": "changed since",
    "never": "never seeded",
    "missing": "seeded, and no longer there",
}


@dataclass(frozen=True, slots=True)
class FileStatus:
    """A seed file: `state` is seeded (as it is now), changed, never or missing; `last` is what is recorded of it."""

    file: str
    state: str
    checksum: str | None
    schema_checksum: str | None
    last: LastSeeded | None


def read(app: App, session: Connection, known: History) -> list[FileStatus]:
    """Compare the files of the data folder with what the history says of them; none without such a folder."""
    from sqlmigrate.errors import HistoryError, SeedError  # noqa: PLC0415  --help needs none of it

    config = app.config
    if not config.data.is_dir():
        return []
    from sqlmigrate import history, seeds  # noqa: PLC0415  only where there is seed data

    try:
        digests = seeds.read_digests(config.data, config.env)
        schema, owners = config.history_schema, config.history_owners
        last = history.last_seeded(session, schema, owners=owners) if known.version is not None and digests else {}
    except (SeedError, HistoryError) as error:
        hint = f" ({error.hint})" if error.hint else ""
        app.output.warning(f"nothing is said of the seed data: {error.message}{hint}")
        return []
    found = []
    for digest in digests:
        seeded = last.get(digest.name)
        is_same = seeded and (seeded.checksum, seeded.schema_checksum) == (digest.checksum, digest.schema_checksum)
        state = "never" if seeded is None else "seeded" if is_same else "changed"
        found.append(FileStatus(digest.name, state, digest.checksum, digest.schema_checksum, seeded))
    gone = (one for name, one in last.items() if not (config.data / name).is_file())
    return [*found, *(FileStatus(one.file, "missing", None, None, one) for one in gone)]


def as_json(one: FileStatus) -> dict[str, Any]:
    """Return what is said of a file as plain values."""
    return {
        "file": one.file,
        "state": one.state,
        "seeded_at": _utc(one.last.at) if one.last else None,
        "checksum": one.checksum,
        "schema_checksum": one.schema_checksum,
        "recorded_checksum": one.last.checksum if one.last else None,
        "recorded_schema_checksum": one.last.schema_checksum if one.last else None,
    }


def lines(found: Sequence[FileStatus]) -> Iterator[str]:
    """Yield how many files there are of each state, and those that `seed` would record."""
    counts = {state: sum(one.state == state for one in found) for state in _WORDS}
    words = ", ".join(f"{count} {_WORDS[state]}" for state, count in counts.items() if count)
    yield f"seed files: {words}"
    for one in found:
        if one.state != "seeded":
            when = f" (seeded {one.last.at:%Y-%m-%d %H:%M:%S} UTC)" if one.last else ""
            yield printable(f"  {one.file}: {_WORDS[one.state]}{when}")


def row_as_json(row: SeededRow) -> dict[str, Any]:
    """Return a recorded file as plain values."""
    return {**asdict(row), "at": _utc(row.at)}


def _utc(moment: datetime) -> str:
    return f"{moment.isoformat()}Z"
