"""Read the directives in the first comment block of a script.

yoyo's two, `-- depends: ID ...` and `-- transactional: true|false`, and ours, `-- sqlmigrate: key=value ...`.
Every other comment is prose. The block ends with the first statement; blank lines and block comments do not end it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.errors import Problem
from sqlmigrate.sql.position import place_at
from sqlmigrate.sql.scan import skip_gap, split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_DIRECTIVE = re.compile(r"^[ \t]*--[ \t]*(depends|transactional|sqlmigrate)[ \t]*:[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_OURS_ANYWHERE = re.compile(r"^[ \t]*(--[ \t]*sqlmigrate[ \t]*:)", re.MULTILINE)
_PAIR = re.compile(r"""([A-Za-z_]+)=("[^"]*"|'[^']*'|\S+)""")
_DURATION = re.compile(r"(\d+)(us|ms|s|min|h|d)?")
_MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, None: 1}
_ISOLATIONS = ("read committed", "repeatable read", "serializable")
_LARGEST = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Directives:
    """What a script's first comment block asks for; None means that it says nothing.

    `lock_timeout` and `statement_timeout` are in milliseconds, 0 meaning none, as in PostgreSQL.
    """

    depends: tuple[str, ...] = ()
    transactional: bool | None = None
    lock_timeout: int | None = None
    statement_timeout: int | None = None
    role: str | None = None
    isolation: str | None = None
    search_path: str | None = None


def parse_duration(text: str) -> int:
    """Read a time as PostgreSQL's settings do, in milliseconds: `500ms`, `2s`, `10min`; a bare number is milliseconds.

    Raises ValueError where the text is no such time.
    """
    if not (match := _DURATION.fullmatch(text.strip().lower())):
        raise ValueError(f"{text!r} is no duration such as 500ms, 2s or 10min")
    value = round(int(match[1]) * _MILLISECONDS[match[2]])
    if value > _LARGEST:
        raise ValueError(f"{text!r} is more than PostgreSQL's largest time, {_LARGEST} ms")
    return value


def read_directives(path: Path, text: str) -> tuple[Directives, list[Problem]]:
    """Read the directives of a script and every problem in them."""
    block_end = skip_gap(text, 0)
    found: dict[str, object] = {}
    problems: list[Problem] = []
    for match in _DIRECTIVE.finditer(text, 0, block_end):
        name, value = match.groups()
        try:
            found |= _READERS[name](value, found)
        except ValueError as error:
            problems.append(Problem(str(error), place_at(path, text, match.start(2))))
    problems += _misplaced(path, text, block_end)
    return Directives(**found), problems  # type: ignore[arg-type]


def _misplaced(path: Path, text: str, block_end: int) -> list[Problem]:
    """Report directives of ours behind the first statement: they would silently do nothing."""
    hits = [match.start(1) for match in _OURS_ANYWHERE.finditer(text, block_end)]
    if not hits:
        return []
    inside = [(piece.offset, piece.offset + len(piece.text)) for piece in split(text)]
    message = "a `-- sqlmigrate:` directive counts only above the first statement; move it up"
    return [
        Problem(message, place_at(path, text, hit))
        for hit in hits
        if not any(start <= hit < end for start, end in inside)
    ]


def _depends(value: str, found: Mapping[str, object]) -> dict[str, object]:
    earlier = found.get("depends", ())
    return {"depends": (*earlier, *value.split())}  # type: ignore[misc]


def _transactional(value: str, _: Mapping[str, object]) -> dict[str, object]:
    try:
        return {"transactional": {"true": True, "false": False}[value.lower()]}
    except KeyError:
        raise ValueError(f"transactional is true or false, not {value!r}") from None


def _ours(value: str, found: Mapping[str, object]) -> dict[str, object]:
    pairs = _PAIR.findall(value)
    if not pairs or _PAIR.sub("", value).strip():
        raise ValueError(f"write `-- sqlmigrate: key=value ...`, not {value!r}")
    result: dict[str, object] = {}
    for key, raw in pairs:
        if key not in _KEYS:
            raise ValueError(f"unknown key {key!r}; the keys are {', '.join(sorted(_KEYS))}")
        if key in result or key in found:
            raise ValueError(f"{key} is set twice")
        result[key] = _KEYS[key](raw.strip("\"'"))
    return result


def _isolation(text: str) -> str:
    level = " ".join(text.lower().replace("-", " ").replace("_", " ").split())
    if level not in _ISOLATIONS:
        raise ValueError(f"isolation is one of {', '.join(_ISOLATIONS)}, not {text!r}")
    return level


_KEYS: dict[str, Callable[[str], object]] = {
    "lock_timeout": parse_duration,
    "statement_timeout": parse_duration,
    "role": str,
    "isolation": _isolation,
    "search_path": str,
}
_READERS: dict[str, Callable[[str, Mapping[str, object]], dict[str, object]]] = {
    "depends": _depends,
    "transactional": _transactional,
    "sqlmigrate": _ours,
}
