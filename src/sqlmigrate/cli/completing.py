"""What may stand at the cursor of a shell: the scripts of `sqlmigrate completion` ask for it at each press of Tab.

They call the command with all words up to the cursor, the last one unfinished, and `_SQLMIGRATE_COMPLETE` in the
environment. The first line of the answer says whether the shell has to complete `files` or `folders` by itself, the
others hold a word each and, behind a tab, what it is. Somebody waits for it, so nothing slow is imported: no database
is asked, and no script is read.
"""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_IDS, _CODES, _ENVIRONMENTS = {"ID", "[ID...]", "ID...", "[ID]...", "UPTO"}, {"CODE"}, {"env"}
_ROLLBACK = ".rollback.sql"
_Word = tuple[str, str]


@dataclass(slots=True)
class _Line:
    """What stands before the cursor: the command, its options with a value, and how many arguments it has."""

    command: click.Command
    given: dict[str, str] = field(default_factory=dict)
    arguments: int = 0
    name: str = ""
    waiting: click.Option | None = None


def run() -> None:
    """Answer for the words of this call, and exit; whatever goes wrong, there is nothing to complete."""
    gc.disable()
    try:
        kind, words = complete(sys.argv[1:])
    except Exception:  # noqa: BLE001  a trace would end up in the line that somebody is typing
        kind, words = "plain", []
    lines = [kind, *("\t".join(filter(None, word)) for word in words if all(map(str.isprintable, word)))]
    sys.stdout.buffer.write(("\n".join(lines) + "\n").encode(errors="surrogateescape"))
    sys.stdout.buffer.flush()
    os._exit(0)


def complete(words: Sequence[str]) -> tuple[str, list[_Word]]:
    """Return what completes the last of these words, each with what it is, and who has to complete it else."""
    from sqlmigrate.cli.app import cli  # noqa: PLC0415  the caller wants to know nothing of what goes wrong in it

    *before, last = words or [""]
    if last == "=":  # bash makes words of their own of `--to`, `=` and what follows
        last = ""
    line = _read(cli, [word for word in before if word != "="])
    prefix = ""
    if line.waiting is None and last.startswith("--") and "=" in last:
        name, _, last = last.partition("=")
        line.waiting, prefix = _option(line.command, name), f"{name}="
    if line.waiting is not None:
        return _finished(line, line.waiting, prefix, last)
    if last.startswith("-"):
        return "plain", _fitting(_options(line.command), "", last)
    if isinstance(line.command, click.Group):
        return "plain", _fitting(_commands(line.command), "", last)
    positional = [param for param in line.command.params if isinstance(param, click.Argument)]
    for param in positional:
        if param.nargs == -1 or positional.index(param) >= line.arguments:
            return _finished(line, param, "", last)
    return "plain", []


def _read(command: click.Command, words: Sequence[str]) -> _Line:
    """Follow the finished words from command to command."""
    line = _Line(command)
    for word in words:
        if line.waiting is not None:
            line.given[line.waiting.name or ""], line.waiting = word, None
        elif word.startswith("-"):
            name, _, value = word.partition("=")
            option = _option(line.command, name)
            if option is None or option.is_flag or option.count:
                continue
            if value:
                line.given[option.name or ""] = value
            else:
                line.waiting = option
        elif isinstance(line.command, click.Group):
            with click.Context(line.command) as context:
                line.command, line.name = line.command.get_command(context, word) or line.command, word
        else:
            line.arguments += 1
    return line


def _option(command: click.Command, name: str) -> click.Option | None:
    options = (param for param in command.params if isinstance(param, click.Option))
    return next((option for option in options if name in option.opts), None)


def _options(command: click.Command) -> Iterator[_Word]:
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            yield param.opts[-1], (param.help or "").partition(". ")[0]
    yield "--help", "Show what the command does."


def _commands(group: click.Group) -> Iterator[_Word]:
    from sqlmigrate.cli.app import COMMANDS, Commands  # noqa: PLC0415  as in `complete`

    if isinstance(group, Commands):
        yield from COMMANDS.items()
    else:
        yield from ((name, found.get_short_help_str(80)) for name, found in group.commands.items())


def _finished(line: _Line, param: click.Parameter, prefix: str, last: str) -> tuple[str, list[_Word]]:
    """Return the values of an option or argument; those that are files are the shell's matter."""
    if isinstance(param.type, click.Path):
        return "folders" if param.name == "migrations" else "files", []
    return "plain", _fitting(_values(line, param), prefix, last)


def _values(line: _Line, param: click.Parameter) -> Iterator[_Word]:
    kind = param.metavar or (param.name or "").upper()
    is_new = line.name == "baseline" and isinstance(param, click.Argument)
    if isinstance(param.type, click.Choice):
        yield from ((str(choice), "") for choice in param.type.choices)
    elif param.name in _ENVIRONMENTS:
        yield from ((name, "") for name in _environments(line))
    elif (kind in _IDS or param.name in {"ids", "migration_id"}) and not is_new:
        yield from ((name, "") for name in _ids(line))
    elif kind in _CODES:
        yield from _codes()


def _fitting(words: Iterator[_Word], prefix: str, last: str) -> list[_Word]:
    return [(prefix + word, about) for word, about in words if word.startswith(last)]


def _ids(line: _Line) -> list[str]:
    """Return the ids of the files in the folder, as they are sorted there."""
    folder = line.given.get("migrations") or _config(line).migrations
    names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(".sql"))
    return [name.removesuffix(".sql") for name in names if not name.endswith(_ROLLBACK)]


def _environments(line: _Line) -> list[str]:
    from sqlmigrate.config import environments  # noqa: PLC0415  only where it is asked for

    return environments(line.given.get("config"))


def _config(line: _Line) -> Any:
    from sqlmigrate.config import load  # noqa: PLC0415  only where it is asked for

    return load({}, env=line.given.get("env"), config_file=line.given.get("config"))  # type: ignore[arg-type]


def _codes() -> Iterator[_Word]:
    """Return the codes of the hazards: each has a folder of examples, and to load the rules would take too long."""
    from importlib.resources import files  # noqa: PLC0415  only where it is asked for

    examples = files("sqlmigrate") / "review" / "hazards" / "examples"
    yield from ((name, "") for name in sorted(item.name for item in examples.iterdir() if item.is_dir()))
