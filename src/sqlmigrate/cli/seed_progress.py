"""How far `seed` is: a bar on a terminal, once it takes longer than a second."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlmigrate.cli.pace import following

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.cli.output import Output

_AFTER = 1.0  # seconds


@contextmanager
def shown(output: Output) -> Iterator[None]:
    """Show how far the reading or writing in a block is."""
    if output.quiet or output.as_json or not output.has_live_stderr():
        yield
        return
    from sqlmigrate.seeds.progress import followed  # noqa: PLC0415  only on a terminal

    with following(output, after=_AFTER) as bar, followed(bar.tell):
        yield
