"""Commands that a project names for what happens: `[tool.sqlmigrate.hooks]`. They stand in a file, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.directives import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Hooks:
    """A command for each moment, as its words; none where it is empty.

    They run in `folder`, that of the file, and each may take `timeout` milliseconds.
    """

    before_run: tuple[str, ...] = ()
    after_run: tuple[str, ...] = ()
    before_migration: tuple[str, ...] = ()
    after_migration: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    on_waiting: tuple[str, ...] = ()
    timeout: int = 30_000
    folder: Path = Path()

    @property
    def between(self) -> bool:
        """Whether something runs between two migrations."""
        return bool(self.before_migration or self.after_migration)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any(getattr(self, name) for name in MOMENTS)


MOMENTS = tuple(field.name for field in fields(Hooks) if field.name not in {"timeout", "folder"})
"""The names of the moments that may have a hook."""


def with_table(hooks: Hooks, table: Mapping[str, Any], folder: Path) -> Hooks:
    """Return hooks with those of a table over them; an empty one takes one away.

    Raises ValueError, with the key first, for what does not fit.
    """
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name == "timeout":
            values[name] = _timeout(value)
        elif name in MOMENTS:
            values[name] = _words(key, value)
        else:
            raise ValueError(f"{key}: there is no such hook; there are {', '.join(MOMENTS)} and timeout")
    return replace(hooks, **values, folder=folder)


def _words(key: str, value: Any) -> tuple[str, ...]:
    """Read a command: words, or one text that is split as a shell does; no shell runs it."""
    import shlex  # noqa: PLC0415  few projects have any hook

    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
    if not isinstance(words, list) or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise ValueError(f"{key}: a command is needed, as a text or a list of words")
    return tuple(words)


def _timeout(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("timeout: a time is needed, such as 30s")  # noqa: TRY004  becomes a ConfigError
    try:
        found = parse_duration(str(value))
    except ValueError as error:
        raise ValueError(f"timeout: {error}") from None
    if found == 0:
        raise ValueError("timeout: a hook that never ends would hold everything up; give a time above 0")
    return found
