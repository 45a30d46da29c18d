"""The last word before something is done on a server: whoever asks may still refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from sqlmigrate.connection.sessions import ServerInfo

T_contra = TypeVar("T_contra", contravariant=True)


class Gate(Protocol[T_contra]):
    """Called once with the server and with what is about to be done there; raises to stop, and nothing was written.

    What that is depends on who calls: the plan, what was asked for, the history that is to be changed, the seed rows.
    """

    def __call__(self, info: ServerInfo, what: T_contra, /) -> None:
        """Let it pass, or raise."""


def allow(_: ServerInfo, __: object, /) -> None:
    """Let everything pass: whoever calls has decided."""
