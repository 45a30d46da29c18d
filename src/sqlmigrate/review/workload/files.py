"""Read an application's statements from files: what `sqlmigrate stats --workload` has written, and plain SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Error, Place
from sqlmigrate.files import read_json
from sqlmigrate.review.workload.queries import Query, Workload, busiest, from_json, is_asked
from sqlmigrate.sql.markers import marked
from sqlmigrate.sql.script import read_script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# `-- name: GetUser :one` (sqlc, aiosql), `-- name: get-user!` (yesql), `-- :name get-user :? :1` (HugSQL)
_NAMED = re.compile(r"--\s*:?name:?\s+([^\s:!<^$*]+)", re.IGNORECASE)
_MOST_FILES = 20_000


def read_files(path: Path) -> Workload:
    """Read a workload from a JSON file, an SQL file, or all SQL files below a folder.

    Raises Error, with its place, where a file cannot be read or holds no workload.
    """
    if path.is_dir():
        files = sorted(item for item in path.rglob("*.sql") if item.is_file())
        if not files:
            raise Error("there is no .sql file in this folder", place=Place(path))
        if len(files) > _MOST_FILES:
            raise Error(f"there are more than {_MOST_FILES:,} .sql files in this folder", place=Place(path))
        found = [query for file in files for query in _queries(file, file.relative_to(path).as_posix())]
    elif path.suffix.lower() == ".sql":
        found = list(_queries(path, path.name))
    else:
        return _written(path)
    queries, rest = busiest(found)
    return Workload(source=path.name, queries=queries, left_out=rest)


def _written(path: Path) -> Workload:
    try:
        found: Any = read_json(path, pipe=True, anywhere=True)  # the user names it
        written = found["workload"]
        return from_json(written)
    except OSError as error:
        raise Error(f"cannot be read: {error.strerror}", place=Place(path)) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        message = f"is not a file of `sqlmigrate stats --workload`: {reason}"
        hint = "write it with `sqlmigrate stats --workload --output FILE`"
        raise Error(message, place=Place(path), hint=hint) from None


def _queries(path: Path, shown: str) -> Iterator[Query]:
    """Yield the queries of a file with their names and lines; an application sends no other statements."""
    script, _ = read_script(path)
    whole = script.text or ""
    behind = 0
    for statement in script.statements():
        comments = whole[behind : statement.offset]
        behind = statement.offset + len(statement.text)
        if not is_asked(statement.text):
            continue
        name = (_NAMED.findall(comments) or [None])[-1]
        yield Query(marked(statement.text).text, name=name, place=f"{shown}:{statement.line}")
