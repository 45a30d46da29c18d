"""Read the directives in the first comment block of a script.

yoyo's two, `-- depends: ID ...` and `-- transactional: true|false`, and ours, `-- sqlmigrate: key=value ...`.
Every other comment is prose, block comments too. The block ends with the first statement; blank lines and block
comments do not end it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.errors import Problem
from sqlmigrate.sql.gap import skip_gap
from sqlmigrate.sql.position import place_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

DIRECTIVE = re.compile(r"--[ \t]*(depends|transactional|sqlmigrate)[ \t]*:[ \t]*(.*?)[ \t]*")
_WORDS = re.compile("depends|transactional|sqlmigrate")
_COMMENT = re.compile(r"/\*|--[^\n\r]*")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
REMARK = re.compile(r"--[ \t]*(sqlmigrate-(\w+))[ \t]*(:?)(.*?)[ \t\r]*")
_ALLOW = re.compile(r":[ \t]*([A-Za-z][\w-]*)[ \t]+(\S.*)")
_WORD = re.compile(r"\S+")
PAIR = re.compile(r"""([A-Za-z_][A-Za-z_-]*)=("[^"]*"|'[^']*'|[^\s"']\S*)""")
_DURATION = re.compile(r"([0-9]+)\s*(us|ms|s|min|h|d)?")
_MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, None: 1}
_ISOLATIONS = ("read committed", "repeatable read", "serializable")
BATCH, VERIFY, THROTTLE = "batch", "verify", "throttle"
"""The remarks that `sql.batches` reads."""
PHASES = ("before-deploy", "after-deploy")
"""When a migration belongs: before a new version of the application is out, which is the default, or once it is."""

_LARGEST = 2_147_483_647
_LONGEST = 3_650 * 86_400_000  # ten years
_DIGITS = 20  # of a number that is longer than any time
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Directives:
    """What a script's first comment block asks for; None means that it says nothing.

    `lock_timeout` and `statement_timeout` are in milliseconds, 0 meaning none, as in PostgreSQL. `phase` is one of
    `PHASES`. `unused_for` is for how many milliseconds nothing may have used what the script drops or renames.
    `replaces` are the ids of migrations whose place it has taken.
    `offsets` says where each one stands in the script, by its key and, for `depends`, by each id
    (`Script.directive_place` reads it); what two scripts ask for is equal wherever it stands.
    """

    depends: tuple[str, ...] = ()
    transactional: bool | None = None
    lock_timeout: int | None = None
    statement_timeout: int | None = None
    role: str | None = None
    isolation: str | None = None
    search_path: str | None = None
    phase: str | None = None
    unused_for: int | None = None
    replaces: tuple[str, ...] = ()
    offsets: Mapping[tuple[str, str], int] = field(default_factory=dict, repr=False, compare=False)


SILENT = Directives()
"""Those of a script that says nothing."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """A remark `-- sqlmigrate-allow: CODE reason`; `offset` is where the statement begins that it stands before."""

    offset: int
    code: str
    reason: str


def parse_duration(text: str) -> int:
    """Read a time as PostgreSQL's settings do, in milliseconds: `500ms`, `2s`, `10min`; a bare number is milliseconds.

    Raises ValueError where the text is no such time.
    """
    if not (match := _DURATION.fullmatch(text.strip().lower())):
        raise ValueError(f"{text[:_SHOWN]!r} is not a duration such as 500ms, 2s or 10min")
    digits = match[1].lstrip("0")
    value = round(int(digits or "0") * _MILLISECONDS[match[2]]) if len(digits) < _DIGITS else _LARGEST + 1
    if not value and digits:
        value = 1  # not 0, which would mean no limit
    if value > _LARGEST:
        raise ValueError(f"{text[:_SHOWN]!r} is more than PostgreSQL's largest time, {_LARGEST} ms")
    return value


def format_duration(milliseconds: int) -> str:
    """Write a time as `parse_duration` reads it, in the largest unit that needs no fraction; 0 has none."""
    if not milliseconds:
        return "0"
    fitting = {unit: size for unit, size in _MILLISECONDS.items() if unit and size >= 1 and not milliseconds % size}
    unit = max(fitting, key=fitting.__getitem__)
    return f"{milliseconds // int(fitting[unit])}{unit}"


def parse_lock_timeout(text: str) -> int:
    """Read a lock_timeout as `parse_duration` does, except 0: whoever waits without limit blocks all behind him."""
    if (value := parse_duration(text)) == 0:
        raise ValueError(
            "with 0 it would wait for a lock without limit, and everybody else behind it; give a time such as 2s"
        )
    return value


def read_directives(path: Path, text: str) -> tuple[Directives, list[Problem]]:
    """Read the directives of a script and every problem in them."""
    block_end = skip_gap(text, 0)
    if not _WORDS.search(text, 0, block_end) and text.find("sqlmigrate", block_end) < 0:
        return SILENT, []
    values: dict[str, object] = {}
    offsets: dict[tuple[str, str], int] = {}
    problems: list[Problem] = []
    for match in line_comments(DIRECTIVE, text, 0, block_end):
        name, value = match.groups()
        try:
            values |= _READERS[name](value, values)
        except ValueError as error:
            problems.append(Problem(str(error), place_at(path, text, match.start(2))))
        else:
            for key, offset in _offsets(name, value, match.start(2)):
                offsets.setdefault(key, offset)  # a dependency may be named twice
    problems += _misplaced(path, text, block_end) + _remark_problems(path, text)
    return Directives(**values, offsets=offsets), problems  # type: ignore[arg-type]


def _offsets(name: str, value: str, start: int) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield where a directive's keys and ids stand, by key and id; `start` is the offset of its value."""
    if name == "depends":
        yield from (((name, word[0]), start + word.start()) for word in _WORD.finditer(value))
    elif name == "transactional":
        yield (name, ""), start
    else:
        yield from (((pair[1], ""), start + pair.start()) for pair in PAIR.finditer(value))


def line_comments(pattern: re.Pattern[str], text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """Yield the line comments that match, in what lies between statements, with nothing before them on their line."""
    depth, position = 0, start
    while mark := (_COMMENT_EDGE if depth else _COMMENT).search(text, position, end):
        position = mark.end()
        if mark[0] in {"/*", "*/"}:
            depth += 1 if mark[0] == "/*" else -1
            continue
        line = max(text.rfind("\n", 0, mark.start()), text.rfind("\r", 0, mark.start())) + 1
        if not text[line : mark.start()].strip() and (match := pattern.fullmatch(text, *mark.span())):
            yield match


def gaps(text: str, begin: int) -> list[tuple[int, int]]:
    """Return what lies between the statements and their COPY data: white space and comments."""
    from sqlmigrate.sql.scan import split  # noqa: PLC0415  few scripts are taken apart for what stands in them

    pieces = list(split(text))
    gaps, position = [], begin
    for piece in pieces:
        gaps.append((position, max(piece.offset, position)))
        position = max(piece.data.end if piece.data else piece.offset + len(piece.text), position)
    return [*gaps, (position, len(text))]


def _misplaced(path: Path, text: str, block_end: int) -> list[Problem]:
    """Report directives of ours behind the first statement: they would silently do nothing."""
    if text.find("sqlmigrate", block_end) < 0:
        return []
    message = "a `-- sqlmigrate:` directive counts only above the first statement; move it up"
    found = (match for start, end in gaps(text, block_end) for match in line_comments(DIRECTIVE, text, start, end))
    return [Problem(message, place_at(path, text, match.start())) for match in found if match[1] == "sqlmigrate"]


def _remark_problems(path: Path, text: str) -> list[Problem]:
    """Report remarks before statements that are unknown, or no `-- sqlmigrate-allow: CODE reason`."""
    if "sqlmigrate-" not in text:
        return []
    between = gaps(text, 0)
    found = ((hit, gap == between[-1]) for gap in between for hit in line_comments(REMARK, text, *gap))
    return [
        Problem(message, place_at(path, text, hit.start(1)))
        for hit, is_last in found
        if (message := _remark_problem(hit, is_last=is_last))
    ]


def read_allowed(text: str) -> list[Allowed]:
    """Read the remarks before statements that allow a hazard; what is badly written is a problem, no remark."""
    if "sqlmigrate-" not in text:
        return []
    found = ((end, hit) for start, end in gaps(text, 0)[:-1] for hit in line_comments(REMARK, text, start, end))
    return [
        Allowed(end, allow[1].upper(), allow[2])
        for end, hit in found
        if hit[2] == "allow" and (allow := _ALLOW.fullmatch(hit[3] + hit[4]))
    ]


def _remark_problem(hit: re.Match[str], *, is_last: bool) -> str | None:
    if hit[2] in (BATCH, VERIFY, THROTTLE):
        return None
    if hit[2] != "allow":
        known = ", ".join(f"`-- sqlmigrate-{name}:`" for name in ("allow", BATCH, THROTTLE, VERIFY))
        return f"unknown remark {hit[1]}; there are {known}" if hit[3] else None
    if not _ALLOW.fullmatch(hit[3] + hit[4]):
        return "write `-- sqlmigrate-allow: CODE reason`, with a code and why it is allowed here"
    return "no statement follows for which this could allow anything" if is_last else None


def _depends(value: str, found: Mapping[str, object]) -> dict[str, object]:
    earlier = found.get("depends", ())
    return {"depends": (*earlier, *value.split())}  # type: ignore[misc]


def _transactional(value: str, found: Mapping[str, object]) -> dict[str, object]:
    if "transactional" in found:
        raise ValueError("transactional is set twice")
    try:
        return {"transactional": {"true": True, "false": False}[value.lower()]}
    except KeyError:
        raise ValueError(f"transactional is true or false, not {value!r}") from None


def _ours(value: str, found: Mapping[str, object]) -> dict[str, object]:
    pairs = PAIR.findall(value)
    if not pairs or PAIR.sub("", value).strip():
        raise ValueError(f"write `-- sqlmigrate: key=value ...`, not {value!r}")
    result: dict[str, object] = {}
    for key, raw in pairs:
        if key not in KEYS:
            raise ValueError(f"unknown key {key!r}; the keys are {', '.join(sorted(KEYS))}")
        if _field(key) in result or _field(key) in found:
            raise ValueError(f"{key} is set twice")
        result[_field(key)] = KEYS[key](raw[1:-1] if raw[0] in "\"'" else raw)
    return result


def _field(key: str) -> str:
    return key.replace("-", "_")


def _role(text: str) -> str:
    if not text:
        raise ValueError("role is empty")
    return text


def _isolation(text: str) -> str:
    level = " ".join(text.lower().replace("-", " ").replace("_", " ").split())
    if level not in _ISOLATIONS:
        raise ValueError(f"isolation is one of {', '.join(_ISOLATIONS)}, not {text!r}")
    return level


def _phase(text: str) -> str:
    if text not in PHASES:
        raise ValueError(f"phase is {' or '.join(PHASES)}, not {text[:_SHOWN]!r}")
    return text


def _unused_for(text: str) -> int:
    """Read for how long nothing may have used an object: unlike PostgreSQL's settings it may be months."""
    match = _DURATION.fullmatch(text.strip().lower())
    if not match or not match[2] or len(match[1]) > _DIGITS:
        raise ValueError(f"unused-for is a duration with its unit, such as 14d or 36h, not {text[:_SHOWN]!r}")
    milliseconds = round(int(match[1]) * _MILLISECONDS[match[2]])
    if not 0 < milliseconds <= _LONGEST:
        raise ValueError(f"unused-for is more than 0 and at most {_LONGEST // _MILLISECONDS['d']:.0f}d")
    return milliseconds


def _replaces(text: str) -> tuple[str, ...]:
    if not (ids := tuple(dict.fromkeys(text.split()))):
        raise ValueError('replaces names the migrations that this one replaces: replaces="ID ID ..."')
    return ids


KEYS: dict[str, Callable[[str], object]] = {
    "lock_timeout": parse_lock_timeout,
    "statement_timeout": parse_duration,
    "role": _role,
    "isolation": _isolation,
    "search_path": str,
    "phase": _phase,
    "unused-for": _unused_for,
    "replaces": _replaces,
}
_READERS: dict[str, Callable[[str, Mapping[str, object]], dict[str, object]]] = {
    "depends": _depends,
    "transactional": _transactional,
    "sqlmigrate": _ours,
}
