"""Everything that people and programs read: results on stdout, progress on stderr, one renderer of carets."""

from __future__ import annotations

import os
import sys
import tempfile
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli.foreign_text import LINE_BREAK, MARK, json_text, marked_lines, one_line, printable
from sqlmigrate.cli.live import Block
from sqlmigrate.cli.recording import Recorder
from sqlmigrate.cli.wrapping import columns, laid_out, wrapped
from sqlmigrate.errors import (
    Error,
    ExecutionError,
    InventoryError,
    LossNotAccepted,
    MigrationsError,
    Place,
    SeedError,
    redact,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.errors import Problem, ServerMessage

JSON_VERSION = 1
_CARET_WIDTH = 160
_CONTEXT_SHOWN = 20  # lines


@dataclass(frozen=True, slots=True)
class Output:
    """How a command speaks: as JSON or text, quiet or verbose, with colours or without.

    `live` are the lines of a terminal that are drawn in place; all that is printed takes them away first. Where stdout
    is `taken`, it holds a report in another format, which lines of text would spoil.
    """

    command: str
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
    color: bool | None = None
    live: Block = field(default_factory=Block, repr=False, compare=False)
    recorder: Recorder = field(default_factory=lambda: Recorder(""))
    taken: bool = False

    def document(self, **values: Any) -> dict[str, Any]:
        """Return the result as plain values."""
        return {"version": JSON_VERSION, "command": self.command, **values, **self.recorder.result()}

    def result(self, **values: Any) -> None:
        """Print the result as one JSON document, where JSON was asked for."""
        if self.as_json:
            self.live.erase()
            document = self.document(**values)
            utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
            click.echo(json_text(document, ascii_only=not utf8))

    def line(self, *lines: str) -> None:
        """Print lines of the result, unless it is JSON; without any, an empty one."""
        self._log(lines)
        if not (self.as_json or self.taken):
            self.live.erase()
            for text in lines or ("",):
                colors = self._colors(sys.stdout)
                click.echo(one_line(text, styled=colors), color=colors)

    def prose(self, *lines: str) -> None:
        """Print lines of the result that are words: they wrap on a terminal."""
        width = columns(sys.stdout)
        marked = (line for text in lines for line in marked_lines(text))
        self.line(*(part for text in marked for part in wrapped(text, width).split("\n")))

    def page(self, markdown: str) -> None:
        """Print a page: laid out on a terminal, elsewhere as it is."""
        if width := columns(sys.stdout):
            self.line(*laid_out(markdown, width))
        else:
            self.line(*markdown.rstrip("\n").split("\n"))

    def progress(self, *lines: str) -> None:
        """Print lines about what is going on to stderr, unless quiet."""
        if self.quiet:
            self._log(lines)
        else:
            self._err(*lines)

    def detail(self, *lines: str) -> None:
        """Print lines to stderr that only --verbose asks for."""
        if self.verbose:
            self._err(*lines)
        else:
            self._log(lines)

    def always(self, *lines: str) -> None:
        """Print lines to stderr, even when quiet."""
        self._err(*lines)

    def warning(self, text: str) -> None:
        """Print a warning to stderr, even when quiet."""
        self._err(f"{click.style('warning:', fg='yellow', bold=True)} {text}")

    def error(self, error: Error) -> None:
        """Print an error with everything that is known of it, and as JSON on stdout where that was asked for."""
        self.recorder.failed = error
        self._err(*render_error(error))
        if self.as_json:
            self.result(error=error_as_json(error))

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]], *, words: bool = False) -> None:
        """Print a table whose cells are never cut, whatever the width of the terminal.

        A last column of `words` goes below its row, and wraps, where the terminal is too narrow for it.
        """
        if self.as_json or self.taken:
            return
        self.live.erase()
        from rich.cells import cell_len  # noqa: PLC0415  only tables ask how wide a character is

        styled = self._colors(sys.stdout)
        cells = [[one_line(LINE_BREAK.sub(" ", cell), styled=styled) for cell in row] for row in rows]
        bare = [[click.unstyle(cell) for cell in row] for row in cells] if styled else cells
        sizes = [[cell_len(cell) for cell in row] for row in (headers, *bare)]
        widths = [max(column) for column in zip(*sizes, strict=True)]
        heads = [click.style(header, bold=True) if styled else header for header in headers]
        room = columns(sys.stdout) if words else None
        below = room is not None and sum(widths) + 2 * (len(widths) - 1) > room
        shown = widths[:-1] if below else widths
        lines = []
        for row, row_sizes in zip((heads, *cells), sizes, strict=True):
            padded = (cell + " " * (width - size) for cell, width, size in zip(row, shown, row_sizes, strict=False))
            lines.append("  ".join(padded).rstrip())
            if below and row[-1]:
                lines.append(wrapped(f"    {row[-1]}", room))
        click.echo("\n".join(lines), color=styled)

    def has_live_stderr(self) -> bool:
        """Tell whether lines on stderr can be drawn in place."""
        return is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"

    def _log(self, lines: Iterable[str]) -> None:
        for text in lines:
            self.recorder.say(one_line(text, styled=False))

    def _err(self, *lines: str) -> None:
        self._log(lines)
        self.live.erase()
        width = columns(sys.stderr)
        for text in lines:
            colors = self._colors(sys.stderr)
            click.echo(wrapped(one_line(redact(text), styled=colors), width), err=True, color=colors)

    def _colors(self, stream: Any) -> bool:
        if self.color is not None:
            return self.color
        return is_terminal(stream) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def is_terminal(stream: Any) -> bool:
    """Tell whether a person sits at a standard stream; one that was closed before we started (None) is no terminal."""
    return stream is not None and stream.isatty()


def render_error(error: Error, *, head: str = "error:", outcome: bool = True) -> list[str]:
    """Say what failed, where, in the server's words, and what to do next; with `outcome` also what is left of it."""
    lines = [f"{click.style(head, fg='red', bold=True)} {printable(str(error))}"]
    if error.place:
        lines += caret(error.place)
    if isinstance(error, ExecutionError):
        lines += _server_lines(error)
        if outcome and error.migration_id and not error.kept:
            lines.append(f"  {_left(error, error.migration_id)}")
    for problem in _problems(error):
        lines += render_problem(problem, mark="  ")
    if error.hint:
        lines.append(f"  {click.style('what to do:', bold=True)} {printable(error.hint)}")
    return lines


def _left(error: ExecutionError, migration_id: str) -> str:
    if error.together:
        return "nothing of this run is in the database, since its scripts share one transaction"
    if error.operation == "rollback":
        return f"nothing of this rollback is in the database; {migration_id} is as it was before"
    return f"{migration_id} was rolled back; nothing of this run of it is in the database"


def _problems(error: Error) -> Sequence[Problem]:
    """Return the problems of an error that its own message does not say already, as one of a single one does."""
    if not isinstance(error, (InventoryError, MigrationsError, SeedError)):
        return ()
    return [problem for problem in error.problems if problem.message != error.message]


def render_problem(problem: Problem, *, mark: str = "") -> list[str]:
    """Say one problem with its place, its line and what to do next."""
    lines = [f"{mark}{printable(str(problem))}"]
    if problem.place:
        lines += [mark + line for line in caret(problem.place)]
    lines += [f"{mark}  {MARK}{_diff_color(line)}" for line in problem.detail]
    if problem.hint:
        lines.append(f"{mark}  {click.style('what to do:', bold=True)} {printable(problem.hint)}")
    return lines


def _diff_color(line: str) -> str:
    """Colour a line of a unified diff."""
    color = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
    return click.style(printable(line), fg=color) if color else printable(line)


def caret(place: Place) -> list[str]:
    """Show the line of a place with a caret under its column; wide characters and tabs keep the caret in its place.

    Passwords in it are blanked out.
    """
    if place.text is None or place.line is None or place.column is None:
        return []
    text, column = redact(place.text), len(redact(place.text[: place.column - 1]))
    cut = max(column - _CARET_WIDTH // 2, 0) if len(text) > _CARET_WIDTH else 0
    shown = printable(text[cut : cut + _CARET_WIDTH])
    pad = "".join(_blank(character) for character in printable(text[cut:column]))
    number = str(place.line)
    return [f"  {number} | {shown}", f"  {' ' * len(number)} | {pad}{click.style('^', fg='red', bold=True)}"]


def _blank(character: str) -> str:
    if character == "\t":
        return "\t"
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "


def _server_lines(error: ExecutionError) -> list[str]:
    lines = []
    if said := error.server:
        lines += [printable(f"  {said.severity} {said.sqlstate or ''}: {said.message}".replace(" :", ":"))]
        lines += server_details(said)
    return lines


def server_details(said: ServerMessage) -> list[str]:
    """Return DETAIL, HINT, QUERY and CONTEXT as psql shows them."""
    parts = (("DETAIL", said.detail), ("HINT", said.hint), ("QUERY", said.internal_query), ("CONTEXT", said.context))
    lines = []
    for name, text in parts:
        if text:
            first, *rest = _cut(printable(text).split("\n")) if name == "CONTEXT" else printable(text).split("\n")
            lines += [f"  {name}: {first}", *(f"  {MARK}{line}" for line in rest)]
        if text and name == "QUERY" and said.internal_position:
            lines += ["  " + line for line in caret(_place_in(text, said.internal_position))]
    return lines


def _cut(lines: list[str]) -> list[str]:
    """Leave out what a recursion says again and again."""
    left = len(lines) - _CONTEXT_SHOWN
    return lines if left <= 0 else [*lines[:_CONTEXT_SHOWN], f"... ({left} more lines)"]


def _place_in(query: str, position: int) -> Place:
    """Return the place of a 1-based position in a query that is in no file."""
    before = query[: position - 1]
    line, start = before.count("\n") + 1, before.rfind("\n") + 1
    return Place(Path(), line, position - start, query[start:].partition("\n")[0])


def place_as_json(place: Place | None) -> dict[str, Any] | None:
    """Return a place as plain values."""
    return {"file": redact(str(place.path)), "line": place.line, "column": place.column} if place else None


def problem_as_json(problem: Problem) -> dict[str, Any]:
    """Return a problem as plain values."""
    return {
        "message": problem.message,
        "severity": "warning" if problem.warning else "error",
        "place": place_as_json(problem.place),
        "hint": problem.hint,
        **({"diff": list(problem.detail)} if problem.detail else {}),
    }


def error_as_json(error: Error) -> dict[str, Any]:
    """Return an error as plain values."""
    values: dict[str, Any] = {
        "type": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "place": place_as_json(error.place),
        "exit_status": error.exit_status,
    }
    if isinstance(error, (InventoryError, MigrationsError, SeedError)):
        values["problems"] = [problem_as_json(problem) for problem in error.problems]
    if isinstance(error, ExecutionError):
        values |= {"migration_id": error.migration_id, "statement": error.statement}
        if said := error.server:
            told = {name: getattr(said, name) for name in _SERVER_FIELDS}
            values["server"] = {name: redact(part) if isinstance(part, str) else part for name, part in told.items()}
    if isinstance(error, LossNotAccepted):
        values["losses"] = list(error.losses)
    if error.done or isinstance(error, ExecutionError):
        values["done"] = list(error.done)
    return values


_SERVER_FIELDS = (
    "severity", "sqlstate", "message", "detail", "hint", "context", "internal_query", "internal_position",
)  # fmt: skip


def saved(report: str) -> str:
    """Keep the trace of a bug in a file for whoever reports it, and say where."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="sqlmigrate-bug-", suffix=".txt", delete=False) as file:
            file.write(report)
    except OSError as error:
        return f"the command that you typed (no report could be written: {error.strerror})"
    return f"the file {file.name}"
