"""A target of a fleet, as whoever lists them writes it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """A database, or the schema `schema` in one; exactly one of `url`, `url_env` and `service` says where it is.

    `url_env` is a variable of the process that connects, `service` one of libpq's service file. `cluster` says which
    server it loads; None stands for the address that it leads to.
    """

    name: str
    url: str | None = field(default=None, repr=False)
    url_env: str | None = None
    service: str | None = None
    schema: str | None = None
    cluster: str | None = None
    tags: tuple[str, ...] = ()
