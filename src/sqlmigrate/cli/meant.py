"""What somebody meant who typed a word that we do not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

_ELSEWHERE = {
    **dict.fromkeys(("migrate", "update", "upgrade", "deploy", "run", "push"), "apply"),
    **dict.fromkeys(("undo", "revert", "downgrade", "back"), "rollback"),
    **dict.fromkeys(("create", "make", "generate", "add"), "new"),
    **dict.fromkeys(("list", "show", "ls", "pending"), "status"),
    **dict.fromkeys(("baseline", "stamp", "fake", "resolve"), "mark"),
    **dict.fromkeys(("diff", "compare"), "drift"),
    **dict.fromkeys(("check", "verify"), "validate"),
    **dict.fromkeys(("test", "prove"), "roundtrip"),
    **dict.fromkeys(("dry-run", "dryrun", "sql"), "plan"),
    "lint": "review",
    "log": "history",
    "repair": "accept",
    "reapply": "redo",
    "settings": "config",
    "start": "db start",
    "stop": "db stop",
    "help": "--help",
    "version": "--version",
}
"""What other tools call it."""
_EXTRA = "Got unexpected extra argument ("


def suggested(name: str, known: Iterable[str]) -> str | None:
    """Return the command that a word means: one that other tools call so, or the nearest one."""
    if found := _ELSEWHERE.get(name.lower()):
        return found
    return next(iter(near(name, known)), None)


def near(name: str, known: Iterable[str], *, most: int = 1) -> list[str]:
    """Return the known words that look like one, the nearest first, in capitals or not; none where none does."""
    from difflib import get_close_matches  # noqa: PLC0415  only for a mistake

    by_lower = {word.lower(): word for word in known}
    return [by_lower[word] for word in get_close_matches(name.lower(), by_lower, n=most)]


def usage(error: click.UsageError) -> str:
    """Say a wrong call in Click's words, and where a word stands alone, which option it may belong to."""
    message = error.format_message()
    context = error.ctx
    word = message.removeprefix(_EXTRA).removesuffix(")")
    if context is None or not message.startswith(_EXTRA):
        return message
    options = {name for item in context.command.params for name in item.opts}
    if "://" in word:  # it may hold a password, so it is not said again
        option, word = "--database-url", "URL"
    else:
        option = "--to"
    if option not in options:
        return message
    return f"{message}. Did you mean `{context.command_path} {option} {word}`?"
