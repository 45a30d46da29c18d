"""Find the statements in the body of a DO block or function, as far as they stand there.

It is a cheap attempt: statements that are written as such or as the literal of an EXECUTE are seen, what is put
together while it runs is not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.scan import leading_words, split
from sqlmigrate.sql.statement.parse import parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXECUTED = re.compile(r"\bexecute\s+(?:'((?:[^']|'')*)'|(\$\w*\$)(.*?)\2)", re.IGNORECASE | re.DOTALL)


def bodies_of(options: Any) -> Iterator[str]:
    """Yield the bodies among the options of a parsed DO or CREATE FUNCTION."""
    for option in options:
        element = option.def_elem
        if element.defname == "as":
            if element.arg.WhichOneof("node") == "list":
                yield from (item.string.sval for item in element.arg.list.items)
            else:
                yield element.arg.string.sval


def candidates(body: str, start: re.Pattern[str]) -> Iterator[list[str]]:
    """Yield for each statement of a body the texts that it may be: what begins where `start` matches.

    Behind an IF, for instance, it is the first one that can be parsed.
    """
    for piece in split(body):
        yield [piece.text[match.start() :] for match in start.finditer(piece.text)]
    for executed in _EXECUTED.finditer(body):
        yield [(executed[1] or "").replace("''", "'") or executed[3] or ""]


def run_by_block(statement: str, start: re.Pattern[str]) -> Iterator[str]:
    """Yield the statements that a DO block runs by these rules, and none where the statement is no DO block."""
    if leading_words(statement, 1) != ["do"] or not start.search(statement):
        return
    tree = parse_tree(statement)
    for raw in tree.stmts if tree else ():
        for body in bodies_of(raw.stmt.do_stmt.args):
            for texts in candidates(body, start):
                yield from texts


def itself_and_run_by_block(statement: str, start: re.Pattern[str]) -> Iterator[str]:
    """Yield a statement, and where it is a DO block, the statements in it that begin where `start` matches."""
    yield statement
    yield from run_by_block(statement, start)
