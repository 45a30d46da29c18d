"""A running private server as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sqlmigrate.server.binaries import Binaries

SUPERUSER = "postgres"
MAINTENANCE_DATABASE = "postgres"
PORT = 5432


@dataclass(frozen=True, slots=True)
class PrivateServer:
    """A private server that accepts connections, with the fields that pytest-postgresql reads.

    `host` is the directory of its socket (there is no TCP), `notes` are sentences that the user should see, and
    `isolation` says what keeps a throwaway server from the machine around it. `sandbox` is the process that ends with
    its sandbox, where there is one.
    """

    host: str
    binaries: Binaries
    data_dir: Path
    log: Path
    port: int = PORT
    user: str = SUPERUSER
    password: str | None = None
    options: str = ""
    maintenance_dbname: str = MAINTENANCE_DATABASE
    template_dbname: str | None = None
    notes: tuple[str, ...] = ()
    isolation: str = ""
    sandbox: int | None = None

    @property
    def version(self) -> str:
        """The server's version, such as 18.6."""
        return self.binaries.version

    @property
    def major(self) -> int:
        """The server's major version, such as 18."""
        return self.binaries.major

    @property
    def bindir(self) -> Path:
        """The directory of the server's programs."""
        return self.binaries.bindir

    def conninfo(self, dbname: str = MAINTENANCE_DATABASE, user: str = SUPERUSER) -> str:
        """Return a conninfo for a database of this server; as superuser unless another role is named."""
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415 -- the watchdog does without psycopg

        return make_conninfo(host=self.host, port=self.port, dbname=dbname, user=user)

    def url(self, dbname: str = MAINTENANCE_DATABASE, user: str = SUPERUSER) -> str:
        """Return the same as a `postgresql://` URL."""
        from urllib.parse import quote  # noqa: PLC0415 -- only `db url` and tests ask for it

        host, role, name = (quote(part, safe="") for part in (self.host, user, dbname))
        return f"postgresql://{role}@/{name}?host={host}&port={self.port}"
