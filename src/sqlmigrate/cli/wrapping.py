"""Prose on a terminal: lines are wrapped between words, and a page of Markdown is laid out."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.foreign_text import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD = re.compile(r"(?:`[^`]*`|\S)+")  # a command between backticks is one word: it is copied as a whole
_CARET = re.compile(r"\s*\d*\s\| ")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_CODE = re.compile(r"`([^`]+)`")
_NARROW, _WIDE = 40, 100  # columns: on less nothing can be laid out, and no prose is read well on more
_INDENT = 4


def columns(stream: Any) -> int | None:
    """Return the width of the terminal behind a stream; None where it is none, or too narrow to wrap."""
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except (AttributeError, OSError, ValueError):
        return None
    return found if found >= _NARROW else None


def wrapped(text: str, width: int | None) -> str:
    """Wrap a line between words, indented below its beginning; a word that is too long stays whole.

    Source with its caret and what other people wrote stay as they are.
    """
    if width is None or len(text) <= width or MARK in text or _CARET.match(click.unstyle(text)):
        return text
    indent = " " * (len(text) - len(text.lstrip(" ")) + 2)
    lines, line, end = [], "", 0
    for word in _WORD.finditer(text):
        gap = text[end : word.start()]
        end = word.end()
        if line.strip() and len(click.unstyle(line + gap + word[0])) > width:
            lines.append(line)
            line, gap = indent, ""
        line += gap + word[0]
    return "\n".join([*lines, line])


def laid_out(markdown: str, width: int) -> Iterator[str]:
    """Lay out a page of Markdown: headings, paragraphs and code are all that our pages have."""
    for number, block in enumerate(_blocks(markdown)):
        if number:
            yield ""
        if block.startswith("```"):
            yield from (
                f"{' ' * _INDENT}{click.style(line, fg='cyan')}" if line else "" for line in block.split("\n")[1:]
            )
        elif block.startswith("#"):
            yield click.style(block.lstrip("# "), bold=True)
        else:
            text = _BOLD.sub(lambda found: click.style(found[1], bold=True), " ".join(block.split()))
            lines = wrapped(text, min(width, _WIDE)).split("\n")
            yield from (_CODE.sub(lambda found: click.style(found[1], fg="cyan"), line.strip()) for line in lines)


def _blocks(markdown: str) -> Iterator[str]:
    """Yield the blocks of a page; a block of code comes without its last fence."""
    block: list[str] = []
    code = False
    for line in [*markdown.split("\n"), ""]:
        fence = line.startswith("```")
        if block and (fence or not (line or code)):
            yield "\n".join(block)
            block = []
        if (fence and not code) or (not fence and (line or code)):
            block.append(line)
        code ^= fence
