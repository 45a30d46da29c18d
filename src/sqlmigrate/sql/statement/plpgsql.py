"""Read the body of a PL/pgSQL function: the variables that it declares, and the SQL that it runs.

It is an attempt, as for `bodies`: what is put together while it runs is not seen, and what cannot be read is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.sql.scan import split
from sqlmigrate.sql.statement.expressions import relations_read
from sqlmigrate.sql.statement.parse import parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = r'(?:[A-Za-z_][\w$]*|"(?:[^"]|"")+")'
_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(?P<dollar>\$\w*\$).*?(?P=dollar)"""
_COMMENT = re.compile(rf"({_QUOTED})|--[^\n]*|/\*.*?\*/", re.DOTALL)
_DECLARED = re.compile(
    rf"(?P<name>{_NAME})\s+(?:CONSTANT\s+)?(?P<type>.+?)(?:\s+COLLATE\s+\S+)?(?:\s+NOT\s+NULL)?"
    r"(?:\s*(?::=|=|\bDEFAULT\b)\s*(?P<value>.+))?",
    re.IGNORECASE | re.DOTALL,
)
_ALIAS = re.compile(r"ALIAS\s+FOR\b", re.IGNORECASE)
_UNTYPED = re.compile(r"(?:record|refcursor)\b|.*\bCURSOR\b", re.IGNORECASE | re.DOTALL)
_LABEL = re.compile(r"<<.*?>>\s*", re.DOTALL)
_PLAIN = re.compile(r"(?:BEGIN|LOOP|ELSE|EXCEPTION)\b(?!\s*;)\s*", re.IGNORECASE)
_UP_TO = re.compile(r"(?P<word>IF|ELSIF|ELSEIF|WHEN|WHILE|CASE)\b\s*", re.IGNORECASE)
_ENDS = {"IF": "THEN", "ELSIF": "THEN", "ELSEIF": "THEN", "WHEN": "THEN", "WHILE": "LOOP", "CASE": "WHEN"}
_FOR = re.compile(
    rf"FOR(?:EACH)?\s+(?P<names>{_NAME}(?:\s*,\s*{_NAME})*)\s+(?:SLICE\s+\d+\s+)?IN\s+(?:REVERSE\s+)?(?:ARRAY\s+)?",
    re.IGNORECASE,
)
_RETURN = re.compile(r"RETURN(?:\s+(?P<how>QUERY|NEXT))?\b\s*(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_ASSIGNED = re.compile(rf"(?P<target>{_NAME}(?:\.{_NAME})*)(?:\[[^\]]*\])*\s*:?=\s*(?P<value>.+)", re.DOTALL)
_EXECUTED = re.compile(
    r"EXECUTE\s+(?:'(?P<plain>(?:[^']|'')*)'|(?P<tag>\$\w*\$)(?P<dollar>.*?)(?P=tag))(?!\s*\|\|)",
    re.IGNORECASE | re.DOTALL,
)
_OPENED = re.compile(rf"OPEN\s+{_NAME}\s+(?:(?:NO\s+)?SCROLL\s+)?FOR\s+(?P<query>.+)", re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(r"(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES|TABLE)\b", re.IGNORECASE)
_PERFORM = re.compile(r"PERFORM\b", re.IGNORECASE)
_INTO = re.compile(
    rf"(?<!INSERT)(?<!MERGE)\s+INTO\s+(?:STRICT\s+)?{_NAME}(?:\.{_NAME})*(?:\s*,\s*{_NAME}(?:\.{_NAME})*)*",
    re.IGNORECASE,
)
_WORD = re.compile(r'"(?:[^"]|"")+"|[\w$]+')
_NO_SQL = re.compile(r"(?:RAISE|NULL|GET|CLOSE|FETCH|MOVE|EXIT|CONTINUE|END|ASSERT|COMMIT|ROLLBACK)\b", re.IGNORECASE)


@dataclass(slots=True)
class Body:
    """What a body declares and runs.

    `variables` have their types as they are written, None where a variable gets its columns only as it runs. `queries`
    are statements that can be parsed as such; `relations` are what other statements name, quoted as the catalogs do.
    """

    variables: dict[str, str | None] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    relations: list[tuple[str, str]] = field(default_factory=list)

    def expression(self, text: str) -> None:
        """Add an expression, which runs as a query."""
        if text.strip():
            self.queries.append(f"SELECT {text.strip()}")


def without_comments(text: str) -> str:
    """Return the text of a body with a space in the place of each comment."""
    return _COMMENT.sub(lambda match: match[1] or " ", text)


def read_body(text: str) -> Body:
    """Read a body; what it cannot tell is left out."""
    body, declaring = Body(), False
    for piece in split(without_comments(text)):
        rest = _LABEL.sub("", piece.text.strip().rstrip(";").strip(), count=1)
        if rest[:7].upper() == "DECLARE" and not rest[7:8].isalnum():
            declaring, rest = True, rest[7:].strip()
        if declaring and not re.match(r"BEGIN\b", rest, re.IGNORECASE):
            _declare(body, rest)
            continue
        declaring = False
        _run(body, rest)
    return body


def _declare(body: Body, text: str) -> None:
    match = _DECLARED.fullmatch(text)
    if match is None:
        return
    kind = match["type"].strip()
    is_typed = not _UNTYPED.match(kind) and not _ALIAS.match(kind)
    plain = re.sub(r"\s*%\s*ROWTYPE$", "", kind, flags=re.IGNORECASE)
    body.variables.setdefault(_folded(match["name"]), plain if is_typed else None)
    if match["value"]:
        body.expression(match["value"])
    if query := re.search(r"\bCURSOR\b.*?\b(?:FOR|IS)\s+(.+)", kind, re.IGNORECASE | re.DOTALL):
        body.queries.append(query[1])


def _folded(name: str) -> str:
    return name if name.startswith('"') else name.lower()


def _run(body: Body, text: str) -> None:
    """Take what controls the flow from the front of a piece, and then the statement behind it."""
    while True:
        text = _LABEL.sub("", text, count=1) if text.startswith("<<") else text
        if match := _PLAIN.match(text):
            text = text[match.end() :]
        elif match := _FOR.match(text):
            text = _loop(body, match["names"], text[match.end() :])
        elif match := _UP_TO.match(text):
            head, text = _parted(text[match.end() :], _ENDS[match["word"].upper()])
            if head is not None:
                body.expression(head)
        else:
            _simple(body, text.strip())
            return


def _loop(body: Body, names: str, text: str) -> str:
    """Read the head of a FOR loop; give what is behind it."""
    for head, rest in _partings(text, "LOOP"):
        bounds = head.split("..")
        if len(bounds) == 2:  # noqa: PLR2004  from and to
            body.expression(f"{bounds[0]}, {bounds[1].partition(' BY ')[0]}")
            body.variables.setdefault(_folded(names), "integer")
            return rest
        if _QUERY.match(head) and parse_tree(head) is not None:
            body.queries.append(head)
        elif not re.match(r"EXECUTE\b", head, re.IGNORECASE) and parse_tree(f"SELECT {head}") is None:
            continue
        for name in names.split(","):
            body.variables.setdefault(_folded(name.strip()), None)
        return rest
    return ""


def _parted(text: str, word: str) -> tuple[str | None, str]:
    """Cut an expression off at the first such word that is not within it, as in a CASE."""
    for head, rest in _partings(text, word):
        if not head or parse_tree(f"SELECT {head}") is not None:
            return head, rest
    return None, ""


def _partings(text: str, word: str) -> Iterator[tuple[str, str]]:
    quoted = [match.span() for match in re.finditer(_QUOTED, text, re.DOTALL)]
    for match in re.finditer(rf"\b{word}\b", text, re.IGNORECASE):
        if not any(start <= match.start() < end for start, end in quoted):
            rest = text[match.start() :] if word == "WHEN" else text[match.end() :]
            yield text[: match.start()].strip(), rest.strip()


def _simple(body: Body, text: str) -> None:
    if match := _RETURN.fullmatch(text):
        _returned(body, match["how"], match["rest"])
    elif match := _EXECUTED.match(text):
        statement = (match["plain"] or "").replace("''", "'") or match["dollar"] or ""
        if "$" not in statement:
            _statement(body, statement)
    elif match := _OPENED.fullmatch(text):
        _statement(body, match["query"])
    elif match := _PERFORM.match(text):
        body.queries.append(f"SELECT {text[match.end() :].strip()}")
    elif text and not _NO_SQL.match(text):
        _statement(body, text)


def _returned(body: Body, how: str | None, rest: str) -> None:
    if how and how.upper() == "QUERY":
        _simple(body, rest)
    else:
        body.expression(rest)


def _statement(body: Body, text: str) -> None:
    if _QUERY.match(text):
        body.queries.append(_INTO.sub("", text))
    elif (match := _ASSIGNED.fullmatch(text)) and parse_tree(text) is None:
        body.expression(match["value"])
        if "." in match["target"]:
            body.expression(match["target"])
    else:
        body.relations += [(text, name) for name in sorted(relations_read(text))]


def words_of(text: str) -> set[str]:
    """Return the words of a text by which it may name something: in small letters and without quotes."""
    return {word.strip('"').lower() for word in _WORD.findall(text)}
