"""Find what psql takes for its variables: `:name`, `:'name'` and `:"name"` outside quotes and comments.

The rules are those of `psqlscan.l`. A name may begin with a digit, so that a slice, `a[1:2]`, names a variable too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.sql.scan import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = r"[A-Za-z0-9_\x80-\U0010ffff]+"
_MAYBE = re.compile(rf":['\"]?{_NAME}")
# `::` is a cast; a colon at the end of a stretch stands before a quote
_COLON = re.compile(rf"::|:({_NAME}|\Z)")
_GOES_ON = frozenset("$'\"&")
_IN_QUOTES = re.compile(rf"'({_NAME})'|\"({_NAME})\"")


def variables(statement: str) -> Iterator[str]:
    """Yield the name of each variable that psql would look for in a statement."""
    return (name for name, _ in _found(statement))


def run_on(statement: str) -> Iterator[str]:
    """Yield the names of variables behind which psql goes on in another way than SQL, for which more is one name.

    To psql, a string without rules of its own begins behind `:E`, and one in dollar quotes behind the `:a` of `:a$$`.
    """
    return (name for name, end in _found(statement) if statement[end : end + 1] in _GOES_ON)


def _found(statement: str) -> Iterator[tuple[str, int]]:
    """Yield each name, and where it ends; a name in quotes has the place behind them."""
    if not _MAYBE.search(statement):
        return
    position = 0
    for start, end in (*quoted(statement), (len(statement), len(statement))):
        for found in _COLON.finditer(statement, position, start):
            if found[1]:
                yield found[1], found.end()
            elif found[1] == "" and (name := _IN_QUOTES.match(statement, start)):
                yield name[1] or name[2], name.end()
        position = end
