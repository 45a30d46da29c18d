"""The one reader of markers: comment lines that cut a file into its directions, found as the tools find them.

Most tools look for them line by line, in quotes and comments too, so that is where they are looked for here. What is
cut in the wrong place then is no SQL any more, and is reported as such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping

    from sqlmigrate.importing.model import Source, Span


@dataclass(frozen=True, slots=True)
class Marker:
    """A line that is a marker: its kind, where it begins, where the next line begins, and what it says."""

    kind: str
    start: int
    end: int
    said: str


def markers(source: Source, kinds: Mapping[str, re.Pattern[str]]) -> Iterator[Marker]:
    """Yield the lines that match one of the patterns as a whole, without their line ends and the space there."""
    offset = 0
    for line in source.text.splitlines(keepends=True) if _has_odd_ends(source.text) else _lines(source.text):
        said = line.rstrip()
        for kind, pattern in kinds.items():
            if found := pattern.fullmatch(said):
                yield Marker(kind, offset, offset + len(line), found[found.lastindex or 0])
                break
        offset += len(line)


def _has_odd_ends(text: str) -> bool:
    """Tell whether a CR alone ends lines: only then does anybody mean it."""
    return "\r" in text and "\n" not in text


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def lines(spans: Iterator[Span]) -> tuple[Span, ...]:
    """Return the stretches that are not empty."""
    return tuple(span for span in spans if span.end > span.start or span.closing)
