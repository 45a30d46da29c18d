"""Alembic: what `upgrade --sql` and `downgrade --sql` print (alembic/runtime/migration.py).

The stream is cut at its comments `-- Running upgrade a, b -> c`, between statements only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlmigrate.importing import ids, rows
from sqlmigrate.importing.model import Layout, Part, Span, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool
from sqlmigrate.importing.wrapping import cut, outside_where_needed, pieces
from sqlmigrate.sql.directives import gaps, line_comments
from sqlmigrate.sql.statement.effect import Kind, classify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.model import Source
    from sqlmigrate.importing.tool import Known

_REVISION = r"[^\s,>\\/]+"
_STEP = re.compile(
    rf"--[ \t]*Running (upgrade|downgrade)[ \t]++((?:{_REVISION}(?:,[ \t]*{_REVISION})*)?)[ \t]*+->[ \t]*+"
    rf"((?:{_REVISION}(?:,[ \t]*{_REVISION})*)?)[ \t\r]*"
)
_TABLE = r"(?:\"?[\w$]+\"?\.)?\"?alembic_version\"?"
_BOOKKEEPING = re.compile(
    rf"(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|CREATE\s+TABLE|DROP\s+TABLE)\s+{_TABLE}(?![\w$\"])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a stream: from which revisions to which, where it stands, and where its SQL is."""

    up: bool
    revision: str
    below: tuple[str, ...]
    source: Source
    start: int
    end: int


def _read(folder: Folder) -> Layout:
    steps = [step for path in folder.named if (source := folder.read(path)) for step in _steps(source, folder)]
    downs = {step.revision: step for step in steps if not step.up}
    found: dict[str, Theirs] = {}
    for step in (step for step in steps if step.up):
        if step.revision in found:
            folder.problems.append(step.source.problem(f"revision {step.revision} is there twice", step.start))
            continue
        down = downs.pop(step.revision, None)
        back = _part(down) if down else None
        name = step.revision
        found[name] = Theirs(name, name, step.source.path, _part(step), back, step.below)
    left = [step.source.problem("there is no upgrade of this revision", step.start) for step in downs.values()]
    return Layout(tuple(found.values()), tuple(left), numbered=True)


def _steps(source: Source, folder: Folder) -> Iterator[_Step]:
    between = gaps(source.text, 0)
    marks = [hit for gap in between for hit in line_comments(_STEP, source.text, *gap)]
    if not marks:
        hint = "write it with `alembic upgrade head --sql` and `alembic downgrade head:base --sql`"
        folder.problems.append(source.problem("it has no comment `-- Running upgrade ... -> ...`", hint=hint))
    for at, hit in enumerate(marks):
        end = marks[at + 1].start() if at + 1 < len(marks) else len(source.text)
        up = hit[1] == "upgrade"
        above, below = (hit[3], hit[2]) if up else (hit[2], hit[3])
        revisions = _split(above)
        if len(revisions) != 1:
            folder.problems.append(source.problem("this step is of no one revision; it was left out", hit.start()))
            continue
        yield _Step(up, revisions[0], _split(below), source, _line_end(source.text, hit.end()), end)


def _split(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _line_end(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)


def _part(step: _Step) -> Part:
    """Return the SQL of a step, without what Alembic writes itself: BEGIN, COMMIT and its table."""
    part = Part(step.source, (Span(step.start, step.end),))
    found = pieces(part)
    own = [piece for piece in found if _is_own(piece.text)]
    part = outside_where_needed(part.without([cut(part, piece) for piece in own]))
    return _trimmed(part)


def _is_own(statement: str) -> bool:
    return bool(_BOOKKEEPING.match(statement)) or classify(statement) is Kind.TRANSACTION_CONTROL


def _trimmed(part: Part) -> Part:
    """Leave out the empty lines at both ends, which stood between Alembic's statements."""
    spans = [span for span in part.spans if part.source.text[span.start : span.end].strip()]
    if not spans:
        return replace(part, spans=())
    text = part.source.text
    first, last = spans[0], spans[-1]
    while text[first.start : first.end].partition("\n")[0].strip() == "" and "\n" in text[first.start : first.end]:
        first = replace(first, start=text.index("\n", first.start) + 1)
    spans[0] = first
    last = spans[-1] if len(spans) == 1 else last
    kept = text[last.start : last.end].rstrip()
    end = last.start + len(kept)
    spans[-1] = replace(last, end=end, closing="\n")
    return replace(part, spans=tuple(spans))


def _told(found: Sequence[tuple[Any, ...]], known: Known) -> Told:
    """Read rows of the heads: all that they depend on is applied, too, before them."""
    applied: list[str] = []
    for (head,) in found:
        before = _below(head, known)
        applied += [version for version in (*before, head) if version not in applied]
    order = list(known.versions)
    applied.sort(key=lambda version: order.index(version) if version in known.versions else len(order))
    return Told(tuple(rows.recorded(version) for version in applied), notes=(rows.NO_TIMES,) if found else ())


def _below(head: str, known: Known) -> list[str]:
    """Return the versions that a head depends on, by our own files."""
    names = {name: version for version, name in known.versions.items()}
    found: set[str] = set()
    waiting = [known.versions[head]] if head in known.versions else []
    while waiting:
        for name in _depends(waiting.pop(), known):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return [names[name] for name in found if name in names]


def _depends(name: str, known: Known) -> tuple[str, ...]:
    """Return what a migration depends on; for one whose place another has taken, all that this one names before it."""
    if item := known.migrations.get(name):
        return (*item.depends, *item.replaces)
    item = known.migrations.get(known.migrations.replaced.get(name, ""))
    return item.replaces[: item.replaces.index(name)] if item else ()


TOOL = Tool(
    "alembic",
    "Alembic",
    _read,
    TheirHistory("alembic_version", "alembic", _told, "Alembic"),
    ids.without_number,
    streams=True,
)
