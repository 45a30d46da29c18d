"""What other people wrote, made safe for every format: characters that cannot be seen, and texts of any length."""

from __future__ import annotations

import json
import unicodedata
from urllib.parse import quote

_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def visible(text: str) -> str:
    """Write what cannot be seen as its code point; line feeds and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text.replace("\r\n", "\n"))


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"\N{MATHEMATICAL LEFT ANGLE BRACKET}U+{ord(character):04X}\N{MATHEMATICAL RIGHT ANGLE BRACKET}"


def in_log(text: str) -> str:
    """Write a text for a log that others print: no line of it looks like one of theirs, or is carried out by CI.

    GitHub's runner takes `::` at the start of a line for a command, others take `##vso[` and the like in any place.
    """
    lines = visible(text).replace("##", "# #").split("\n")
    first = f"| {lines[0]}" if lines[0].lstrip().startswith("::") else lines[0]
    return "\n".join([first, *(f"| {line}" for line in lines[1:])])


def brief(text: str, most: int) -> str:
    """Cut a text that is longer than so many characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def json_text(document: object) -> str:
    """Write JSON in which nothing is a command of a system that reads a log: `##vso[` in any place is one."""
    return json.dumps(document, indent=2).replace("##", r"#\u0023") + "\n"


def address(path: str) -> str:
    """Write a path as a relative address (RFC 3986): each byte that an address cannot hold as %XX."""
    written = quote(path.encode("utf-8", "surrogateescape"), safe="/-._~!$&'()*+,;=@")
    return written if path.startswith("/") else written.replace(":", "%3A")
