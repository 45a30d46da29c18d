"""Stop psql before a statement that it would read differently from us, since a script has changed what it reads by.

psql takes strings and characters apart by two settings of the session: `standard_conforming_strings`, without which a
backslash in a string takes the sense from the quote behind it, and `client_encoding`, in some of which a byte of UTF-8
swallows the next one. A script can change both, in a function where nobody sees it. What is a string for us could then
be a command for psql, such as one that starts a program on the machine of whoever runs the plan.
https://www.postgresql.org/docs/current/multibyte.html#MULTIBYTE-CHARSET-SUPPORTED (those that only clients may have)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.engine.as_psql.text import DATA_END, do_block, statement_text
from sqlmigrate.sql.gap import skip_gap
from sqlmigrate.sql.scan import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.sql.script import Script, Statement

_MISREAD = "'BIG5', 'GB18030', 'GBK', 'JOHAB', 'SHIFT_JIS_2004', 'SJIS', 'UHC'"
_SETTING = "pg_catalog.current_setting('{}') OPERATOR(pg_catalog.{}) "
_STRINGS = _SETTING.format("standard_conforming_strings", "<>") + "'on'"
_CHARACTERS = _SETTING.format("client_encoding", "=") + f"ANY (ARRAY[{_MISREAD}]::pg_catalog.text[])"
# a number, and what goes on without a space: up to psql 14, `1e` before a quote is `1` and the E of a string
_BEFORE_E = frozenset("$.0123456789")  # behind these, an E may be a name, the end of a number, or of a string to come
_NUMBER = re.compile(r"(?<![A-Za-z0-9_\x80-\U0010ffff])[0-9][A-Za-z0-9_.\x80-\U0010ffff]*+")


def in_doubt(statement: str) -> str | None:
    """Return what a quote or a dollar follows at once and psql, or one of its versions, may read differently."""
    position = 0
    for start, end in (*quoted(statement), (len(statement), len(statement))):
        for found in _NUMBER.finditer(statement, position, start):
            if statement[found.end() : found.end() + 1] in {"'", '"', "$"}:
                return found[0]
        prefix = statement[max(start - 2, 0) : start]
        if statement.startswith("'", start) and prefix[1:] in {"e", "E"} and prefix[0] in _BEFORE_E:
            return prefix
        position = end
    return None


def guard(text: str, *, risky: bool) -> str:
    """Return what stops psql before it reads a text, empty where its settings do not matter to that.

    `risky` says that there is a backslash in the plan: without one psql finds no command of its own in it.
    """
    conditions = {
        "standard_conforming_strings": _STRINGS if "\\'" in text else "",
        "client_encoding": _CHARACTERS if risky and not text.isascii() else "",
    }
    return "".join(
        do_block(
            f"    IF {condition} THEN\n"
            f"        RAISE EXCEPTION 'psql would misread the next statement under this {name}; use sqlmigrate';\n"
            "    END IF;\n"
        )
        for name, condition in conditions.items()
        if condition
    )


def parts(script: Script, *, risky: bool) -> Iterator[str]:
    """Yield the bytes of a script, with a guard before each statement that wants one.

    A script that is too large to hold comes without the comments between its statements where it wants a guard.
    """
    if script.text is not None:
        yield from _spliced(script, script.text, risky=risky)
    elif any(guard(part, risky=risky) for part in script.parts()):
        for statement in script.statements():
            yield guard(statement.text, risky=risky) + statement_text(statement)
    else:
        yield from script.parts()


def _spliced(script: Script, text: str, *, risky: bool) -> Iterator[str]:
    """Yield a text, cut where a guard goes."""
    if not guard(text, risky=risky):
        yield text
        return
    written = end = 0
    for statement in script.statements():
        at = _reading_begins(text, end, statement.offset)
        end = _end(text, statement)
        if found := guard(text[at:end], risky=risky):
            yield f"{text[written:at]}\n{found}"
            written = at
    at = _reading_begins(text, end, len(text))
    yield f"{text[written:at]}\n{guard(text[at:], risky=risky)}{text[at:]}"


def _reading_begins(text: str, end: int, start: int) -> int:
    """Return where the settings count for what is between two statements and the second one.

    What is not ASCII matters in a comment only if that has an end to be missed.
    """
    gap = text[end:start]
    return end if "/*" in gap and not gap.isascii() else start


def _end(text: str, statement: Statement) -> int:
    """Return the offset behind a statement, its semicolon and its COPY data."""
    end = skip_gap(text, statement.offset + len(statement.text))
    if statement.data is None:
        return min(end + 1, len(text))
    found = DATA_END.search(text, end)
    return found.end() if found else len(text)
