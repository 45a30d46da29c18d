"""Read connection strings with libpq's own rules, and show them without what is secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sqlmigrate.connection.address import instead, require_known_sslmode, require_only_connects, unknown_parameters
from sqlmigrate.errors import ConfigError, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

# What must never be shown; the path of a passfile is no secret, but points to some.
SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})
UNTOLD = (*sorted(SECRETS), "passfile")
_BEHIND_SLASH, _SLASHED = re.compile(r"['\\]"), r"\\\g<0>"
_URL_HINT = "write postgresql://USER@HOST:PORT/DATABASE; special characters in a password need %-codes"


def parse_conninfo(text: str, *, source: str) -> dict[str, str]:
    """Read a URL or a key=value string with libpq's own rules.

    Raises ConfigError, which names the source and never repeats the text: it may hold a password. What would have libpq
    load a library, write a file or forge a line is refused, too.
    """
    if re.match(r"[a-z]+\+[a-z0-9]+://", text):
        text = re.sub(r"^([a-z]+)\+[a-z0-9]+://", r"\1://", text)  # SQLAlchemy's and yoyo's postgresql+psycopg://
    try:
        found = conninfo_to_dict(text)
    except (psycopg.ProgrammingError, UnicodeError):
        if names := unknown_parameters(text):
            message = f"{source} has a parameter that libpq does not know: {', '.join(names)}"
            raise ConfigError(message, hint=instead(names)) from None
        raise ConfigError(f"{source} is not a PostgreSQL URL or connection string", hint=_URL_HINT) from None
    if _is_torn(text, found):
        raise ConfigError(f"{source} has an invalid host or port", hint=_URL_HINT)
    parts = {key: str(value) for key, value in found.items() if value is not None}
    require_known_sslmode(parts.get("sslmode"), source=source)
    require_only_connects(parts, source=source)
    return parts


def written(parts: Mapping[str, str]) -> str:
    """Write what was read as a connection string again; unlike `make_conninfo`, nothing is parsed once more."""
    return " ".join(f"{key}='{_BEHIND_SLASH.sub(_SLASHED, value)}'" for key, value in parts.items())


def _is_torn(text: str, found: dict[str, Any]) -> bool:
    """Tell whether an @ or / in a password has torn a URL apart, so that a part of it would be printed as the host."""
    address = re.match(r"[a-z]+://([^?]*)", text)
    if address and re.search(r"[@/].*@", address[1]):
        return True
    hosts, ports = (str(found.get(key) or "").split(",") for key in ("host", "port"))
    return any("@" in host[1:] for host in hosts) or not all(port.isdecimal() or not port for port in ports)


def shown_conninfo(text: str) -> str:
    """Return a URL or connection string as people may see it; one that libpq cannot read is not shown at all."""
    try:
        parse_conninfo(text, source="")
    except ConfigError:
        return "*** (not a PostgreSQL URL or connection string)"
    return redact(text)


def as_option(database: str) -> str:
    """Write the name of a database for an option of PostgreSQL's programs, which take some for where to connect to.

    https://www.postgresql.org/docs/current/app-psql.html: what holds `=`, or begins as a URL, is a connection string.
    """
    return make_conninfo(dbname=database) if "=" in database or "://" in database else database
