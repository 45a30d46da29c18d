"""How far `seed` is: a bar on a terminal, once it takes longer than a second."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from sqlmigrate.cli.pace import following

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.cli.output import Output
    from sqlmigrate.connection import Gate, ServerInfo

T = TypeVar("T")
_AFTER = 1.0  # seconds


@contextmanager
def with_bar(output: Output) -> Iterator[None]:
    """Show how far the reading or writing in a block is."""
    if output.quiet or output.as_json or not output.has_live_stderr():
        yield
        return
    from sqlmigrate.seeds.progress import followed  # noqa: PLC0415  only on a terminal

    with following(output, after=_AFTER) as bar, followed(bar.tell):
        yield


def without(gate: Gate[T]) -> Gate[T]:
    """Return a gate in which nothing is shown: a question may be asked there."""
    from sqlmigrate.seeds.progress import followed  # noqa: PLC0415  as above

    def passed(info: ServerInfo, what: T, /) -> None:
        with followed(None):
            gate(info, what)

    return passed
