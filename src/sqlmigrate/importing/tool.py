"""What a module of `importing.tools` says of its tool: how its files are read, and how its history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.model import Layout, Theirs
    from sqlmigrate.migrations import Migrations


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a tool recorded as applied: which version, and when (in UTC), as far as it says so.

    `label` is how its history names it. `checksum` is what it recorded of the file.
    """

    version: str
    label: str
    applied_at: datetime | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known here while a history is read.

    `versions` are those of our files, by the tool's names of them, with our ids; they are in our order. `theirs` are
    the tool's own files, where they are there.
    """

    versions: Mapping[str, str]
    migrations: Migrations
    theirs: Mapping[str, Theirs] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a history says: what is applied, in that order; what failed half way; what was passed over in silence."""

    applied: tuple[Recorded, ...]
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TheirHistory:
    """Where a tool keeps what it has applied, unless it is told otherwise, and what its rows mean.

    `query` is a block of `queries/importing.sql`, or that of `older` where the table lacks its column; a `schema` of
    None says that the table is looked for. `known` is what `history.foreign` calls the tool.
    The first column of the query names the migration, unless there may be `nameless` rows.
    `texts` are a column that keeps the statements of each migration, and the query of version, name and these.
    """

    table: str
    query: str
    told: Callable[[Sequence[tuple[Any, ...]], Known], Told]
    known: str
    schema: str | None = None
    older: tuple[str, str] | None = None
    texts: tuple[str, str] | None = None
    nameless: bool = False


@dataclass(frozen=True, slots=True)
class Writing:
    """How a tool's history is written, for the way back: blocks of `queries/importing.sql`, and the values of a row.

    `create` makes the table, `add` the columns that an older one lacks. `row` gives the values for a migration, the
    version first, by our id and the text of its script, where that is here; None for one of which the tool could have
    no file. A table of the name `unless` in the same schema says that the history is another tool's.
    """

    create: tuple[str, ...]
    put: str
    row: Callable[[str, str | None], tuple[str | list[str] | None, ...] | None]
    columns: frozenset[str] = frozenset({"version"})
    add: str | None = None
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool. `folders` are where its files are unless somebody says otherwise.

    `streams` says that its migrations are read from what it prints. `version_of` gives the version of a file by our id;
    `by_files` says that only the tool's own files tell it. `writing` is there if `mark --to` can write its history.
    """

    name: str
    label: str
    read: Callable[[Folder], Layout]
    history: TheirHistory
    version_of: Callable[[str], str | None]
    folders: tuple[str, ...] = field(default=("migrations",))
    streams: bool = False
    by_files: bool = False
    writing: Writing | None = None
