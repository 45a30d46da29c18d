"""Which schedulers may be used, and with which certificates.

Whoever can talk to a scheduler gives orders to workers that hold the credentials of databases. So it is reached by TLS
where both sides show a certificate, or on this machine alone.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlmigrate.config import Config

PORT = 8786
"""Where a scheduler listens if nobody says otherwise, as Dask has it."""
_FORM = re.compile(r"(?P<kind>[a-z]+)://(?P<host>\[[0-9a-fA-F:.]+\]|[^\s/:@\[\]]+)(?::(?P<port>\d{1,5}))?/?")
_MOST = 65_535
_HINT = "use tls://HOST:PORT with certificates, or tcp://127.0.0.1:PORT for a trial on one machine"
_OPEN = "without TLS, whoever can reach a scheduler gives orders to workers that hold the credentials of your databases"
_FILES = ("scheduler_ca", "scheduler_cert", "scheduler_key")


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files that one side of a connection shows and checks: its certificate and key, and the authority's."""

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Address:
    """Where a scheduler is, or listens; `certificates` is None on this machine alone."""

    host: str
    port: int
    certificates: Certificates | None = None

    def __str__(self) -> str:
        """Return it as Dask writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.certificates else 'tcp'}://{host}:{self.port}"


def address_of(config: Config) -> Address:
    """Return where the scheduler of the settings is; raises UsageError, with why, for one that may not be used."""
    if config.scheduler is None:
        raise UsageError("no scheduler is named", hint=f"give --scheduler, or set scheduler: {_HINT}")
    text = config.scheduler
    found = _FORM.fullmatch(text)
    if found is None or not 0 <= int(found["port"] or PORT) <= _MOST:
        raise UsageError(f"{text!r} is not where a scheduler can be", hint=_HINT)
    host, port = found["host"].strip("[]"), int(found["port"] or PORT)
    if found["kind"] == "tls":
        return Address(host, port, _certificates(config))
    if found["kind"] != "tcp":
        raise UsageError(f"{text}: a scheduler is reached by tls:// or tcp://", hint=_HINT)
    if not _is_loopback(host):
        raise UsageError(f"{text} is refused: {_OPEN}", hint=_HINT)
    return Address(host, port)


def _is_loopback(host: str) -> bool:
    """Tell whether it is an address of this machine; a name may lead anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _certificates(config: Config) -> Certificates:
    missing = [name for name in _FILES if getattr(config, name) is None]
    if missing:
        hint = "they name PEM files: the authority's certificate, our own, and its key"
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigError(f"{' and '.join(missing)} {verb} not set, which tls:// needs", hint=hint)
    assert config.scheduler_ca and config.scheduler_cert and config.scheduler_key  # noqa: S101, PT018  for mypy
    found = Certificates(config.scheduler_ca, config.scheduler_cert, config.scheduler_key)
    _require_secret(found.key)
    context_of(found)
    return found


def _require_secret(key: Path) -> None:
    """Refuse a key that every user of the machine may read."""
    try:
        mode = key.stat().st_mode
    except OSError as error:
        raise ConfigError(f"scheduler_key: {key} cannot be read: {error.strerror}") from None
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ConfigError(f"scheduler_key: every user of this machine may read {key}", hint=f"chmod 600 {key}")


def context_of(files: Certificates) -> ssl.SSLContext:
    """Return what a client connects with; raises ConfigError where the files do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # as Dask: whoever has a certificate of this authority is one of us
    name = "scheduler_ca"
    try:
        context.load_verify_locations(files.ca)
        name = "scheduler_cert and scheduler_key"
        context.load_cert_chain(files.cert, files.key, password=_no_passphrase)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = error.reason if isinstance(error, ssl.SSLError) and error.reason else getattr(error, "strerror", None)
        raise ConfigError(f"{name} cannot be used: {str(why or error).replace('_', ' ').lower()}") from None
    return context


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase, and nobody is there to type it")
