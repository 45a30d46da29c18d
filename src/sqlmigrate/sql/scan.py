r"""Split a script into statements by psql's own rules.

The rules are those of PostgreSQL's `src/fe_utils/psqlscan.l`: a semicolon ends a statement unless it stands in a quote,
a comment, parentheses, or a `BEGIN ... END` body of CREATE FUNCTION / PROCEDURE. A backslash outside of all these is a
psql command. The data of `COPY ... FROM STDIN` begins on the line after the statement and ends with a line `\.`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.sql.gap import SPACE, comment_end, skip_gap
from sqlmigrate.sql.source import CopyData, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

# What begins a name (letters, the underscore, everything beyond ASCII), and what goes on in it (digits, dollars too).
# Written by what they are not, which compiles ten times faster.
_START = r"[^\x00-@\[-\^`{-\x7f]"
_TAIL = r"[^\x00-#%-/:-@\[-\^`{-\x7f]"
_TAG_TAIL = r"[^\x00-/:-@\[-\^`{-\x7f]"
# Steps over what needs no thought: plain characters, strings without backslash rules, quoted names, line comments,
# parentheses around nothing but these. Left to look at: nesting, semicolons, dollars, block comments, E strings.
_STEP = r"""[^'"$\-/;()\\]++|(?<![eE])'[^']*+'|"[^"]*+"|-(?!-)|/(?!\*)|\$(?=[0-9])"""
# Groups are atomic, `(?>(?:...)*)`, and not possessive, `(?:...)*+`: Python up to 3.11.4 gives a step back (gh-106052).
_PLAIN = re.compile(rf"(?:{_STEP}|--[^\n\r]*+|\((?>(?:{_STEP})*)\)){{1,100000}}")
_WORD_OR_SPECIAL = re.compile(rf"""['"$;()\\]|--|/\*|{_START}{_TAIL}*""")
_LINE_COMMENT = re.compile(r"--[^\n\r]*")
_STRING = re.compile(r"'[^']*+'")  # a doubled quote reads as two strings side by side, which splits alike
_ESCAPE_STRING = re.compile(r"'(?>(?:[^'\\]++|''|\\.)*)'", re.DOTALL)
# SQL joins two strings that only white space with a line end parts; the second one keeps the rules of the first.
_CONTINUED = re.compile(r"(?>(?:[ \t\f\v]|--[^\n\r]*+)*)[\n\r](?>(?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*)(?=')")
_QUOTED_NAME = re.compile(r'"[^"]*+"')
_DOLLAR_TAG = re.compile(rf"\$(?:{_START}{_TAG_TAIL}*)?\$")
_IDENTIFIER_TAIL = re.compile(_TAIL)
_IDENTIFIER_REST = re.compile(rf"{_TAIL}*+")
_NUMBERS = re.compile(r"(?>(?:\$?[0-9]++)*)")  # `1e5$$` and `1_000$$` are names to PostgreSQL's scanner
_WORD = re.compile(rf"{_START}{_TAIL}*")
_NEXT_WORD = re.compile(rf"[{SPACE}]*+({_START}{_TAIL}*)")
_META_LINE = re.compile(r"\\[^\n]*")
_SKIPPED_META = re.compile(r"\\(?:un)?restrict[ \t]+[A-Za-z0-9]+[ \t\r]*(?=\n|\Z)")
_COPY_FROM_STDIN = re.compile(r"\bfrom\s+std(?:in|out)\b", re.IGNORECASE)  # the grammar takes FROM STDOUT for a slip
_LINE = 10_000  # no psql command has a longer line
_ROUTINES = tuple(
    [*create, kind] for create in (["create"], ["create", "or", "replace"]) for kind in ("function", "procedure")
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement: `text` without its semicolon; it begins at `offset` of the script, on `line` and in `column`.

    `data` is the COPY data that belongs to it; it must be read before the next piece. `problem` says why this cannot
    be one statement (an open quote, a psql command), and `problem_offset` where.
    """

    text: str
    offset: int
    line: int = 1
    column: int = 1
    data: CopyData | None = None
    problem: str | None = None
    problem_offset: int | None = None


class _ScanError(Exception):
    """The text cannot be split any further; `open` says that more text might help."""

    def __init__(self, message: str, offset: int, *, is_open: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.is_open = is_open


def split(script: str | Source) -> Iterator[Piece]:
    """Yield the statements of a script in order; comments and white space between them are left out.

    A piece with a `problem` is the last one: what follows could not be told apart.
    """
    source = script if isinstance(script, Source) else Source(script)
    index = 0
    last, line, column = 0, 1, 1
    while True:
        line, column = _moved(source.text, last, index, line, column)
        last = index = source.forget(index)
        text = source.text
        start = skip_gap(text, index)
        if start == len(text):
            if source.more():
                continue
            return
        if text[start] == ";":  # an empty statement, as after `END;;`
            index = start + 1
            continue
        if text[start] == "\\" and "\n" not in text[start : start + _LINE] and source.more():
            continue
        if text[start] == "\\" and _SKIPPED_META.match(text, start):
            index = _end_of_line(text, start)
            continue
        try:
            stop = _statement_end(text, start)
        except _ScanError as error:
            if error.is_open and source.more():
                continue
            line, column = _moved(text, last, start, line, column)
            yield _broken(source, start, _copy_without_end(text, start, error) or error, line, column)
            return
        if stop == len(text) and source.more():
            continue
        line, column = _moved(text, last, start, line, column)
        last = start
        piece, index = _piece(source, start, stop, line, column)
        yield piece
        if piece.problem is not None:
            return
        if piece.data is not None:
            index = piece.data.skip()
            line, column = source.position(index)
            last = index


def _piece(source: Source, start: int, stop: int, line: int, column: int) -> tuple[Piece, int]:
    """Make a piece, and give the index behind it."""
    statement = source.text[start:stop].rstrip(SPACE)
    offset = source.offset + start
    if not is_copy_from_stdin(statement):
        return Piece(statement, offset, line, column), min(stop + 1, len(source.text))
    while "\n" not in source.text[stop:] and source.more():
        pass
    data_start = _end_of_line(source.text, stop)
    rest = source.text[stop + 1 : data_start]
    if (gap := skip_gap(rest, 0)) < len(rest):
        message = "nothing may follow COPY FROM STDIN on its line: the next line is data"
        return _broken(source, start, _ScanError(message, stop + 1 + gap), line, column), stop
    data = CopyData(source, data_start)
    return Piece(text=statement, offset=offset, line=line, column=column, data=data), stop


def _copy_without_end(text: str, start: int, error: _ScanError) -> _ScanError | None:
    r"""Say it where a COPY has swallowed its data, up to the line `\.`, since its semicolon is missing."""
    if text.startswith("\\.", error.offset) and is_copy_from_stdin(text[start : error.offset]):
        return _ScanError("the ; is missing after COPY FROM STDIN, so its data is read as SQL", start)
    return None


def _moved(text: str, last: int, start: int, line: int, column: int) -> tuple[int, int]:
    """Move a line and a column on from one index to a later one."""
    lines = text.count("\n", last, start)
    if not lines:
        return line, column + start - last
    return line + lines, start - text.rfind("\n", last, start)


def leading_words(text: str, count: int, *, start: int = 0) -> list[str]:
    """Return up to `count` unquoted words that begin a statement, in lower case; anything else ends them."""
    words: list[str] = []
    position = start
    while len(words) < count:
        if not (word := _NEXT_WORD.match(text, position) or _NEXT_WORD.match(text, skip_gap(text, position))):
            break
        words.append(word[1].lower())
        position = word.end()
    return words


def is_copy_from_stdin(statement: str) -> bool:
    """Tell whether psql would read data from the script after this statement."""
    if statement[:1] not in "cC-/" or leading_words(statement, 1) != ["copy"]:
        return False
    return bool(_COPY_FROM_STDIN.search(_outside_quotes(statement)))


def _outside_quotes(statement: str) -> str:
    """Return the statement with comments, quotes and what stands in parentheses blanked out."""
    parts: list[str] = []
    position, depth = 0, 0
    while hit := _WORD_OR_SPECIAL.search(statement, position):
        mark = hit[0]
        if _WORD.match(mark):
            parts += [mark] if depth == 0 else []
            position = hit.end()
            continue
        depth += {"(": 1, ")": -1}.get(mark, 0)
        position = _end_or_rest(statement, hit.start(), mark, position)
        if mark not in {"--", "/*"}:
            parts.append(",")
    return " ".join(parts)


def quoted(statement: str) -> Iterator[tuple[int, int]]:
    """Yield each quote and comment of a statement as a slice."""
    position = 0
    while hit := _WORD_OR_SPECIAL.search(statement, position):
        floor, position = position, hit.end()
        if hit[0] in {"'", '"', "$", "--", "/*"}:
            position = _end_or_rest(statement, hit.start(), hit[0], floor)
            yield hit.start(), position


def is_closed(statement: str) -> bool:
    """Tell whether psql sees that a statement ends at a semicolon behind it: it counts BEGIN and END by the word."""
    text = f"{statement}\n;"
    try:
        return not _is_routine(statement, 0) or _statement_end(text, skip_gap(text, 0)) == len(text) - 1
    except _ScanError:
        return False


def hides_semicolon(statement: str) -> bool:
    """Tell whether a semicolon in a statement does not end it only because BEGIN and END were counted."""
    try:
        return ";" in statement and _is_routine(statement, 0) and _plain_end(statement, 0) < len(statement)
    except _ScanError:
        return False


def _statement_end(text: str, start: int) -> int:
    """Return the offset of the semicolon that ends the statement at `start`, or the end of the text."""
    if text[start] in "cC" and _is_routine(text, start):
        return _routine_end(text, start)
    return _plain_end(text, start)


def _plain_end(text: str, start: int) -> int:
    """Do as `_statement_end` where words do not count."""
    depth, position, end = 0, start, len(text)
    plain = _PLAIN.match
    while True:
        floor = position
        if skipped := plain(text, position):
            position = skipped.end()
        if position >= end:
            return end
        mark = text[position]
        if mark == "(":
            depth += 1
            position += 1
        elif mark == ")":
            depth = max(depth - 1, 0)
            position += 1
        elif mark == ";":
            if depth == 0:
                return position
            position += 1
        else:
            position = _token_end(text, position, text[position : position + 2] if mark in "-/" else mark, floor)


def _is_routine(text: str, start: int) -> bool:
    """Tell whether CREATE [OR REPLACE] FUNCTION or PROCEDURE begins at `start`."""
    words = leading_words(text, 2, start=start)
    if words == ["create", "or"]:
        words = leading_words(text, 4, start=start)
    return words in _ROUTINES


def _routine_end(text: str, start: int) -> int:
    """Do as `_statement_end` where BEGIN, CASE and END count: SQL-standard bodies hold semicolons of their own."""
    depth, begins, position = 0, 0, start
    while hit := _WORD_OR_SPECIAL.search(text, position):
        mark = hit[0]
        floor, position = position, hit.end()
        if _WORD.match(mark):
            if mark in {"e", "E"} and text.startswith("'", position):
                position = _escape_string_end(text, position)
            elif depth == 0:
                word = mark.lower()
                if word == "begin" or (word == "case" and begins):
                    begins += 1
                elif word == "end" and begins:
                    begins -= 1
            continue
        if mark == "(":
            depth += 1
        elif mark == ")":
            depth = max(depth - 1, 0)
        elif mark == ";" and depth == 0 and begins == 0:
            return hit.start()
        position = _token_end(text, hit.start(), mark, floor)
    return len(text)


def _token_end(text: str, at: int, mark: str, floor: int) -> int:
    """Return the offset behind the quote, comment or single character at `at`; what came before ended at `floor`."""
    if mark == "'":
        if _is_escape_prefix(text, at):
            return _escape_string_end(text, at)
        return _closed(_STRING, text, at, "this string is never closed")
    if mark == "--":
        return _line_comment_end(text, at)
    if mark == "$":
        return _dollar_end(text, at, floor)
    if mark == '"':
        return _closed(_QUOTED_NAME, text, at, "this quoted name is never closed")
    if mark == "/*":
        return _comment_end(text, at)
    if mark == "\\":
        raise _ScanError(_meta_message(text, at), at, is_open="\n" not in text[at : at + _LINE])
    return at + 1


def _end_or_rest(text: str, at: int, mark: str, floor: int) -> int:
    """Do as `_token_end` in a text that may be no statement: what is never closed goes on to its end."""
    try:
        return _token_end(text, at, mark, floor)
    except _ScanError:
        return at + 1 if mark == "\\" else len(text)


def _closed(pattern: re.Pattern[str], text: str, at: int, message: str) -> int:
    if hit := pattern.match(text, at):
        return hit.end()
    raise _ScanError(message, at)


def _is_escape_prefix(text: str, at: int) -> bool:
    """Tell whether the quote at `at` follows a lone E: only then does a backslash escape (psqlscan.l, `xestart`)."""
    if at == 0 or text[at - 1] not in "eE":
        return False
    return at < 2 or not _IDENTIFIER_TAIL.match(text, at - 2)  # noqa: PLR2004  two characters back


def _escape_string_end(text: str, at: int) -> int:
    end = _closed(_ESCAPE_STRING, text, at, "this string is never closed")
    while joined := _CONTINUED.match(text, end):
        end = _closed(_ESCAPE_STRING, text, joined.end(), "this string is never closed")
    return end


def _dollar_end(text: str, at: int, floor: int) -> int:
    """Return the end of a dollar quote, or of the name that the dollar is part of; `$1` quotes nothing."""
    start = at
    while start > floor and _IDENTIFIER_TAIL.match(text, start - 1):
        start -= 1
    if not _NUMBERS.fullmatch(text, start, at):
        rest = _IDENTIFIER_REST.match(text, at)
        return rest.end() if rest else at + 1
    if not (tag := _DOLLAR_TAG.match(text, at)):
        return at + 1
    close = text.find(tag[0], tag.end())
    if close < 0:
        raise _ScanError(f"this dollar quote {tag[0]} is never closed", at)
    return close + len(tag[0])


def _line_comment_end(text: str, at: int) -> int:
    hit = _LINE_COMMENT.match(text, at)
    return hit.end() if hit else at


def _comment_end(text: str, at: int) -> int:
    if (end := comment_end(text, at)) is None:
        raise _ScanError("this comment is never closed", at)
    return end


def _end_of_line(text: str, at: int) -> int:
    """Return the offset of the line after the one that `at` lies in."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _meta_message(text: str, at: int) -> str:
    command = _META_LINE.match(text, at)
    return f"{(command[0] if command else '').split()[0]} is a psql command, not SQL"


def _broken(source: Source, start: int, error: _ScanError, line: int, column: int) -> Piece:
    return Piece(
        source.text[start:],
        source.offset + start,
        line,
        column,
        problem=error.message,
        problem_offset=source.offset + error.offset,
    )
