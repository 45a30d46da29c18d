"""Tell what scripts could find of what ran before them, beside the schema and its rows.

In a session that they share, DISCARD ALL does not clear everything.

A setting with a dot in its name that somebody has set stays known, and is empty, where a new session knows none of that
name. So do libraries, and what procedural languages and dblink hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.sql.script import Script

_ASKS = re.compile(r'\bcurrent_setting"?\s*\(\s*', re.IGNORECASE)
_NAMED = re.compile(r"'+([\w.$-]+)'+\s*(?:::[\w. ]+?)?\s*[,)]")
_SHOWS = re.compile(r'\bshow\s+("?[\w$]+"?\s*\.\s*[\w$.\s"]*[\w$"])', re.IGNORECASE)
_LASTS = re.compile(
    r"\bload\s+'|\bdblink_connect|\breplication_origin_session|\bpl(?:perl|python[23]?|tcl|lua)u?\b|\bplv8\b|\bplr\b|\bpg_my_temp_schema\b",
    re.IGNORECASE,
)

_NUMBERS = re.compile(
    r"\b(?:attnum|attisdropped|ordinal_position|conf?key|indkey|ctid|pg_stat\w*|pg_(?:total_)?relation_size)\b",
    re.IGNORECASE,
)
_USUAL = re.compile(r"\battnum\b\"?\s*>\s*0\b|\bnot\s+(?:\w+\s*\.\s*)?attisdropped\b", re.IGNORECASE)


def asks_for_numbers(scripts: Iterable[Script]) -> bool:
    """Tell whether scripts ask where columns and rows lie, so that a column that was dropped before shows.

    To ask for all columns that are there, as most do, is no such thing.
    """
    return any(_NUMBERS.search(_USUAL.sub("", text)) for text in _texts(scripts))


def settings_asked(scripts: Iterable[Script]) -> frozenset[str] | None:
    """Return the settings with a dot in their names that the scripts, and the functions in them, ask for.

    None says that they could find more than that: they put a name together, or use what lasts as long as its session.
    What an extension's own code asks for is not seen.
    """
    found: set[str] = set()
    for text in _texts(scripts):
        names = _asked(text)
        if names is None:
            return None
        found |= names
    return frozenset(found)


def _texts(scripts: Iterable[Script]) -> Iterator[str]:
    for script in scripts:
        if script.text is not None:
            yield script.text
        else:
            yield from (statement.text for statement in script.readable_statements())


def _asked(text: str) -> set[str] | None:
    if _LASTS.search(text):
        return None
    names = [match[1] for match in _SHOWS.finditer(text)]
    for call in _ASKS.finditer(text):
        name = _NAMED.match(text, call.end())
        if name is None:
            return None
        names.append(name[1])
    return {re.sub(r'[\s"]', "", name).lower() for name in names if "." in name}
