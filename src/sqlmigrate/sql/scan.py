r"""Split a script into statements by psql's own rules.

The rules are those of PostgreSQL's `src/fe_utils/psqlscan.l`: a semicolon ends a statement unless it stands in a quote,
a comment, parentheses, or a `BEGIN ... END` body of CREATE FUNCTION / PROCEDURE. A backslash outside of all these is a
psql command. The data of `COPY ... FROM STDIN` begins on the line after the statement and ends with a line `\.`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What can begin something other than plain text. Everything between two hits is passed over in one step.
_SPECIAL = re.compile(r"""['"$;()\\]|--|/\*""")
_WORD_OR_SPECIAL = re.compile(r"""['"$;()\\]|--|/\*|[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*""")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_LINE_COMMENT = re.compile(r"--[^\n\r]*")
_STRING = re.compile(r"'(?:[^']|'')*'")
_ESCAPE_STRING = re.compile(r"'[^'\\]*(?:(?:''|\\.)[^'\\]*)*'", re.DOTALL)
# SQL joins two strings that only white space with a line end parts; the second one keeps the rules of the first.
_CONTINUED = re.compile(r"[ \t\f\v]*[\n\r](?:\s|--[^\n\r]*[\n\r])*(?=')")
_QUOTED_NAME = re.compile(r'"(?:[^"]|"")*"')
_DOLLAR_TAG = re.compile(r"\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$")
_IDENTIFIER_TAIL = re.compile(r"[A-Za-z0-9_$\x80-\U0010ffff]")
_GAP = re.compile(r"\s+")
_WORD = re.compile(r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*")
_META_LINE = re.compile(r"\\[^\n]*")
_SKIPPED_META = re.compile(r"\\(?:un)?restrict\b")
_COPY_FROM_STDIN = re.compile(r"\bfrom\s+stdin\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    r"""One statement: `text` without its semicolon, at `offset` in the script (both in characters).

    `data` is the slice of COPY data that belongs to it, without the closing `\.`; `problem` says why it cannot be one
    statement (an open quote, a psql command), and `problem_offset` where.
    """

    text: str
    offset: int
    data: tuple[int, int] | None = None
    problem: str | None = None
    problem_offset: int | None = None


class _ScanError(Exception):
    """The text cannot be split any further."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


def split(text: str) -> Iterator[Piece]:
    """Yield the statements of a script in order; comments and white space between them are left out.

    A piece with a `problem` is the last one: what follows could not be told apart.
    """
    position, end = 0, len(text)
    while (start := skip_gap(text, position)) < end:
        if text[start] == ";":  # an empty statement, as after `END;;`
            position = start + 1
            continue
        if text[start] == "\\":
            if not _SKIPPED_META.match(text, start):
                yield _broken(text, start, start, _meta_message(text, start))
                return
            position = _end_of_line(text, start)
            continue
        try:
            stop = _statement_end(text, start)
        except _ScanError as error:
            yield _broken(text, start, error.offset, error.message)
            return
        statement = text[start:stop].rstrip()
        position = min(stop + 1, end)
        if is_copy_from_stdin(statement):
            data_start = _end_of_line(text, position)
            data_end, position = _copy_data_end(text, data_start)
            yield Piece(statement, start, data=(data_start, data_end))
        else:
            yield Piece(statement, start)


def skip_gap(text: str, position: int) -> int:
    """Give the offset of the first character that is neither white space nor comment; an open comment is one."""
    end = len(text)
    while position < end:
        if gap := _GAP.match(text, position):
            position = gap.end()
        elif text.startswith("--", position):
            position = _line_comment_end(text, position)
        elif text.startswith("/*", position):
            try:
                position = _block_comment_end(text, position)
            except _ScanError:
                return position
        else:
            break
    return position


def leading_words(text: str, count: int, *, start: int = 0) -> list[str]:
    """Give up to `count` unquoted words from the beginning of a statement, in lower case, stopping at anything else."""
    words: list[str] = []
    position = start
    while len(words) < count:
        position = skip_gap(text, position)
        if not (word := _WORD.match(text, position)):
            break
        words.append(word[0].lower())
        position = word.end()
    return words


def is_copy_from_stdin(statement: str) -> bool:
    """Tell whether psql would read data from the script after this statement."""
    if leading_words(statement, 1) != ["copy"]:
        return False
    return bool(_COPY_FROM_STDIN.search(_outside_quotes(statement)))


def _outside_quotes(statement: str) -> str:
    """Give the statement with comments, quotes and what stands in parentheses blanked out."""
    parts: list[str] = []
    position, depth = 0, 0
    while hit := _SPECIAL.search(statement, position):
        if depth == 0:
            parts.append(statement[position : hit.start()])
        depth += {"(": 1, ")": -1}.get(hit[0], 0)
        position = _token_end(statement, hit.start(), hit[0])
        parts.append(" ")
    if depth == 0:
        parts.append(statement[position:])
    return "".join(parts)


def _statement_end(text: str, start: int) -> int:
    """Give the offset of the semicolon that ends the statement at `start`, or the end of the text."""
    words = leading_words(text, 4, start=start)
    if _is_routine(words):
        return _routine_end(text, start)
    depth, position = 0, start
    search = _SPECIAL.search
    while hit := search(text, position):
        mark = hit[0]
        if mark == "(":
            depth += 1
        elif mark == ")":
            depth = max(depth - 1, 0)
        elif mark == ";" and depth == 0:
            return hit.start()
        position = _token_end(text, hit.start(), mark)
    return len(text)


def _is_routine(words: list[str]) -> bool:
    if words[:1] != ["create"]:
        return False
    rest = words[3:4] if words[1:3] == ["or", "replace"] else words[1:2]
    return rest in (["function"], ["procedure"])


def _routine_end(text: str, start: int) -> int:
    """Do as `_statement_end` where BEGIN, CASE and END count: SQL-standard bodies hold semicolons of their own."""
    depth, begins, position = 0, 0, start
    while hit := _WORD_OR_SPECIAL.search(text, position):
        mark = hit[0]
        position = hit.end()
        if _WORD.match(mark):
            if mark in "eE" and text.startswith("'", position):
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
        position = _token_end(text, hit.start(), mark)
    return len(text)


def _token_end(text: str, at: int, mark: str) -> int:
    """Give the offset behind the quote, comment or single character that begins at `at`."""
    if mark == "'":
        if _is_escape_prefix(text, at):
            return _escape_string_end(text, at)
        return _closed(_STRING, text, at, "this string is never closed")
    if mark == "--":
        return _line_comment_end(text, at)
    if mark == "$":
        return _dollar_end(text, at)
    if mark == '"':
        return _closed(_QUOTED_NAME, text, at, "this quoted name is never closed")
    if mark == "/*":
        return _block_comment_end(text, at)
    if mark == "\\":
        raise _ScanError(_meta_message(text, at), at)
    return at + 1


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


def _dollar_end(text: str, at: int) -> int:
    """Give the end of a dollar quote; a dollar inside a name or before a number (`$1`) quotes nothing."""
    if at and _IDENTIFIER_TAIL.match(text, at - 1) and not _follows_number(text, at):
        return at + 1
    if not (tag := _DOLLAR_TAG.match(text, at)):
        return at + 1
    close = text.find(tag[0], tag.end())
    if close < 0:
        raise _ScanError(f"this dollar quote {tag[0]} is never closed", at)
    return close + len(tag[0])


def _follows_number(text: str, at: int) -> bool:
    """Tell whether the word before `at` begins with a digit: a dollar after a number is not part of a name."""
    start = at
    while start and _IDENTIFIER_TAIL.match(text, start - 1):
        start -= 1
    return text[start].isdigit() and text[start:at].isdigit()


def _line_comment_end(text: str, at: int) -> int:
    hit = _LINE_COMMENT.match(text, at)
    return hit.end() if hit else at


def _block_comment_end(text: str, at: int) -> int:
    depth, position = 0, at
    while edge := _COMMENT_EDGE.search(text, position):
        position = edge.end()
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return position
    raise _ScanError("this comment is never closed", at)


def _end_of_line(text: str, at: int) -> int:
    """Give the offset of the line after the one that `at` lies in."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _copy_data_end(text: str, start: int) -> tuple[int, int]:
    r"""Give where COPY data ends and where the script goes on: behind a line `\.`, or at the end of the file."""
    at = start
    while at < len(text):
        line_end = _end_of_line(text, at)
        if text[at:line_end].rstrip("\r\n") == "\\.":
            return at, line_end
        at = line_end
    return len(text), len(text)


def _meta_message(text: str, at: int) -> str:
    command = _META_LINE.match(text, at)
    return f"{(command[0] if command else '').split()[0]} is a psql command, not SQL"


def _broken(text: str, start: int, at: int, message: str) -> Piece:
    return Piece(text[start:], start, problem=message, problem_offset=at)
