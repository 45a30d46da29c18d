"""What a server answers: rows that are read with care, since it may be none of PostgreSQL's, and its messages."""

from __future__ import annotations

from contextlib import contextmanager
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

import psycopg
from psycopg.rows import class_row

from sqlmigrate.errors import ConnectionFailed, Error, ServerMessage, as_bug, redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg.abc import Params
    from psycopg.errors import Diagnostic
    from psycopg.rows import RowFactory, RowMaker

T = TypeVar("T")
Row_co = TypeVar("Row_co", covariant=True)
_TEXT_MAX = 10_000  # characters of a message: a function may raise one of 200 MB
_POSITION_DIGITS = 9  # no statement is longer
_SHOWN = 200  # characters
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What values of other types, columns of other names and bytes that are no text end with while they are read."""


class Cursor(psycopg.Cursor[Row_co]):
    """A cursor whose rows may be anybody's: raises ConnectionFailed for those that are not what was asked for."""

    def execute(self, query: Any, params: Params | None = None, **options: Any) -> Cursor[Row_co]:
        """Run a query, as psycopg does."""
        try:
            super().execute(query, params, **options)
        except UnicodeDecodeError as error:  # the name of a column
            raise odd_answer(error) from None
        return self

    def fetchone(self) -> Row_co | None:
        """Return the next row, as psycopg does."""
        try:
            return super().fetchone()
        except _UNREADABLE as error:
            raise odd_answer(error) from None

    def fetchall(self) -> list[Row_co]:
        """Return the rows that are left, as psycopg does."""
        try:
            return super().fetchall()
        except _UNREADABLE as error:
            raise odd_answer(error) from None


def typed_row(kind: type[T]) -> RowFactory[T]:
    """Make a dataclass of each row, as psycopg's `class_row`, whose values are of the types of its fields.

    Reading a row of others raises TypeError, and with a `Cursor` ConnectionFailed.
    """
    kinds = _kinds(kind)

    def factory(cursor: psycopg.Cursor[Any]) -> RowMaker[T]:
        make = class_row(kind)(cursor)

        def row(values: Sequence[Any]) -> T:
            made = make(values)
            for name, types in kinds.items():
                if not isinstance(getattr(made, name), types):
                    raise TypeError(f"{name} is of another type")
            return made

        return row

    return factory


def _kinds(kind: type[Any]) -> dict[str, tuple[type[Any], ...]]:
    hints: dict[str, Any] = get_type_hints(kind)
    parts = {name: get_args(hint) if isinstance(hint, UnionType) else (hint,) for name, hint in hints.items()}
    return {name: tuple(get_origin(part) or part for part in found) for name, found in parts.items()}


@contextmanager
def careful() -> Iterator[None]:
    """Take what rows hold in a block, or a function, for anybody's too: it raises ConnectionFailed as `Cursor` does."""
    try:
        yield
    except _UNREADABLE as error:
        raise odd_answer(error) from None


def odd_answer(reason: object = "") -> ConnectionFailed:
    """Return the error for an answer that PostgreSQL never gives."""
    said = redact(str(reason))[:_SHOWN]
    return ConnectionFailed(
        f"the server answers what PostgreSQL never would{said and f': {said}'}",
        hint="find out what the connection string leads to, and whether a proxy stands between",
    )


def in_words(error: Exception) -> Error:
    """Return an exception that no other place knew as an Error: in the words of PostgreSQL or the system, or a bug."""
    if isinstance(error, Error):
        return error
    if isinstance(error, (psycopg.Error, OSError)):
        return Error(redact(str(error).strip() or type(error).__name__))
    return as_bug(error)


def server_message(diag: Diagnostic, fallback: str = "") -> ServerMessage:
    """Take over the parts of an error or notice that people read; what is too long to be read is cut."""
    return ServerMessage(
        message=_short(diag.message_primary) or _short(fallback.strip()) or "",
        severity=diag.severity_nonlocalized or diag.severity or "ERROR",
        sqlstate=diag.sqlstate,
        detail=_short(diag.message_detail),
        hint=_short(diag.message_hint),
        context=_short(diag.context),
        internal_query=_short(diag.internal_query),
        internal_position=_position(diag.internal_position),
    )


def raised_in(diag: Diagnostic) -> str | None:
    """Return a hint that tells what code an error was raised in; None where a command itself was refused.

    Around commands of ours that is mostly the function of an event trigger.
    """
    context = _short((diag.context or "").replace("\n", ", "))
    return f"it was raised in: {context}; \\dy in psql lists the event triggers of the database" if context else None


def statement_position(diag: Diagnostic) -> int | None:
    """Return the 1-based place in a statement that an error names; None where it names none."""
    return _position(diag.statement_position)


def _position(text: str | None) -> int | None:
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= _POSITION_DIGITS
    return (int(text) or None) if text and is_number else None


def _short(text: str | None) -> str | None:
    if text is None or len(text) <= _TEXT_MAX:
        return text
    return f"{text[:_TEXT_MAX]} ... ({len(text) - _TEXT_MAX} more characters)"
