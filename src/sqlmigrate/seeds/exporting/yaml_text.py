"""Write values as YAML that our reader, and any other, takes for the same values again.

Text stands without quotes only where no reader of YAML 1.1 or 1.2 could take it for anything else.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEPTH_MAX = 90
"""Levels of lists and mappings in a value; a file of rows may have a few more in all."""

_PLAIN = re.compile(r"[^\W\d_](?:[\w.@/+() -]*[\w.@/+()-])?")
_WORDS = frozenset({"y", "yes", "n", "no", "on", "off", "true", "false", "null", "none", "nan", "inf", "infinity"})
_PLAIN_MAX = 200
# What YAML calls printable, less what it calls a line break; a tab is one in a block, but readers differ on it.
_BLOCK = re.compile(r"[\n\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd]+")
_ESCAPED = re.compile(
    r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff\U00010000-\U0010ffff]|(?<=#)#(?=\w*\[)"
)
# what a CI system carries out where it stands in a log: `::` at the start of a line, `##vso[` and the like in any place
_CARRIED_OUT = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)
_encode = json.JSONEncoder(ensure_ascii=False).encode


class Written(float):
    """A number that is to be written with these digits."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> Self:
        """Make it of a text that `float` reads."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str


def scalar(value: Any) -> str:
    """Write text, a number, true, false or null in one line."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Written):
        return value.text
    return _encode(value)


@lru_cache(maxsize=10_000)
def _key(name: str) -> str:
    return scalar(name)


def row(values: Mapping[str, Any]) -> str:
    """Write a mapping as an item of the list of a top-level key."""
    lines = [line for name, value in values.items() for line in _entry(_key(name), value, "    ")]
    return "".join(f"{line}\n" for line in [f"  - {lines[0].removeprefix('    ')}", *lines[1:]])


def _entry(name: str, value: Any, indent: str) -> Iterator[str]:
    """Yield the lines of a key and its value."""
    if isinstance(value, dict) and value:
        yield f"{indent}{name}:"
        for key, inner in value.items():
            yield from _entry(_key(key), inner, f"{indent}  ")
    elif isinstance(value, list):
        yield from _list(name, value, indent)
    elif isinstance(value, str) and _is_block(value):
        yield from _block(f"{indent}{name}: ", value, f"{indent}  ")
    else:
        yield f"{indent}{name}: {scalar(value)}"


def _list(name: str, value: list[Any], indent: str) -> Iterator[str]:
    """Yield a list: in a line where it is short and flat, else with a line for each item."""
    flat = not any(isinstance(item, list | dict) for item in value)
    line = f"{indent}{name}: [{', '.join(_flow(item) for item in value)}]" if flat else ""
    if flat and (not value or len(line) <= 100):  # noqa: PLR2004  as wide as a page
        yield line
        return
    yield f"{indent}{name}:"
    for item in value:
        yield f"{indent}  - {_flow(item)}"


def _flow(value: Any) -> str:
    """Write a value in one line, in the way of JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return scalar(value)


def _text(value: str) -> str:
    plain = len(value) <= _PLAIN_MAX and _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if plain else _ESCAPED.sub(_escape, _encode(value))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == ord("#"):
        return r"\x23"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  four digits


def _is_block(value: str) -> bool:
    """Tell whether a text of several lines can stand as it is."""
    if "\n" not in value.rstrip("\n") or value[0] in " \n" or value.endswith(" ") or " \n" in value:
        return False  # editors take blanks at the end of a line away
    return bool(_BLOCK.fullmatch(value)) and not _CARRIED_OUT.search(value)


def _block(start: str, value: str, indent: str) -> Iterator[str]:
    body = value.rstrip("\n")
    ends = len(value) - len(body)
    yield f"{start}|{'-' if not ends else '+' if ends > 1 else ''}"
    for line in body.split("\n"):
        yield f"{indent}{line}" if line else ""
    yield from [""] * (ends - 1)
