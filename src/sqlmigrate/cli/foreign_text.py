"""What other people wrote, made safe to print: it moves no cursor, forges no line and commands no CI system.

All output goes through here, whoever has built it, so that no caller can forget it.
"""

from __future__ import annotations

import json
import re
import unicodedata

MARK = "| "
"""Stands before what other people wrote where it would begin a line: CI systems take some lines as commands."""

# the breaks of str.splitlines: whatever a terminal or a log may take for the end of a line
_BREAKS = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
LINE_BREAK = re.compile(rf"\r\n|[{_BREAKS}]")
_CODE = "(?:[0-47]|3[0-7]|9[0-7])"  # bold, dim, reverse and colours: ours
_STYLE = re.compile(rf"(\x1b\[{_CODE}(?:;{_CODE})*m)")
# GitHub's runner takes `::` at the start of a line, and `##[` in any place of it; the agent of Azure Pipelines takes
# `##vso[` in any place, TeamCity `##teamcity[` (ActionCommand.cs of actions/runner, Command.cs of the agent)
_AT_START = rf"(?:^|(?<=[{_BREAKS}]))(?=(?:\x1b\[[0-9;]*m|[^\S{_BREAKS}])*::)"
_ANYWHERE = r"#(?=(?:\x1b\[[0-9;]*m)*#(?:\x1b\[[0-9;]*m|\w)*\[)"
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def printable(text: str) -> str:
    """Replace control characters of files and servers, which could move the cursor or colour the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in "\t\n" or unicodedata.category(c) not in {"Cc", "Cf"} else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def one_line(text: str, *, styled: bool) -> str:
    """Make a line safe; what follows a line break in it is marked. Where it is `styled`, it keeps bold and colours."""
    kept = _STYLE.split(text) if styled else [re.sub(_STYLE, "", text)]
    return page("\n".join(marked_lines("".join(part if at % 2 else _shown(part) for at, part in enumerate(kept)))))


def marked_lines(text: str) -> list[str]:
    """Split a line at the breaks in it, which are none of ours, and mark what follows each."""
    first, *rest = LINE_BREAK.split(text)
    if rest == [""]:  # a line break at the end begins no line of theirs
        return [first]
    return [first, *(f"  {MARK}{line}" for line in rest)]


def _shown(text: str) -> str:
    """Replace control characters, but leave line breaks."""
    breaks = LINE_BREAK.findall(text)
    parts = map(printable, LINE_BREAK.split(text))
    return next(parts) + "".join(end + part for end, part in zip(breaks, parts, strict=True))


def page(text: str) -> str:
    """Take the sense out of what a CI system would carry out, in a text of many lines that is printed as it is."""
    if "::" not in text and "#" not in text:
        return text
    return re.sub(_ANYWHERE, "# ", re.sub(_AT_START, MARK, text))


def json_text(document: object, *, ascii_only: bool = False) -> str:
    """Write JSON in which each control character is an escape, as is what a CI system would carry out."""
    text = json.dumps(document, indent=2, default=str, ensure_ascii=ascii_only)
    if not (text.isascii() and text.isprintable()):
        hidden = {c for c in set(text) if c != "\n" and unicodedata.category(c) in _HIDDEN}
        text = text.translate({ord(c): json.dumps(c)[1:-1] if ord(c) > 0x7F else f"\\u{ord(c):04x}" for c in hidden})  # noqa: PLR2004  ASCII
    return text.replace("##", r"#\u0023")
