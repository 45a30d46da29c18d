r"""Read a file of variables, as `docker compose` and many frameworks do: `NAME=value`, one a line; nothing is run.

`#` begins a remark, at the beginning of a line or behind a blank. A value in single quotes is taken as it is; in double
quotes, `\n` and `\t` stand for a line end and a tab, `\"`, `\$` and `\\` for the character. No name is replaced in a
value. What a line holds is never told: it may be a secret.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.errors import ConfigError, Place
from sqlmigrate.files import read_bytes, why_not_trusted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*="""
    r"""(?:[ \t]*+(?:'(?P<plain>[^']*)'|"(?P<quoted>(?:[^"\\]|\\.)*+)")(?:\s+\#.*|\s*)|(?![ \t]*['"])(?P<bare>.*))""",
    re.ASCII,
)
_REMARK = re.compile(r"\s\#.*", re.ASCII)
_ESCAPE = re.compile(r"""\\([nt"$\\])""")
_STANDS_FOR = {"n": "\n", "t": "\t"}
_LIBPQ = re.compile(r"PG(?!LOCALEDIR|OAUTH)[A-Z]+")  # of those, libpq would load translations, and print secrets
_SERVICES = ("PGSERVICEFILE", "PGSYSCONFDIR")
_KEY, _PASSFILE = "PGSSLKEY", "PGPASSFILE"
URL = "DATABASE_URL"


def require_own(path: Path, folder: Path) -> None:
    """Refuse a file outside of the configuration's folder that others may have written: it decides who is connected to.

    Raises ConfigError. Of one that is not there, or cannot be looked at, `read_variables` will say so.
    """
    if Path(os.path.normpath(path)).is_relative_to(folder):
        return
    try:
        reason = why_not_trusted(path)
    except OSError:
        return
    if reason is not None:
        raise ConfigError(f"env_file: {path} is not read: {reason}", hint="SQLMIGRATE_ENV_FILE names one of others")


def read_variables(path: Path) -> dict[str, str]:
    """Return the variables of a file; none where there is no such file, since not every machine needs one.

    Raises ConfigError with the place of a line that is none.
    """
    try:
        text = read_bytes(path).decode()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"env_file: {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"env_file: {path} is not UTF-8") from None
    found = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, value = _read(line, Place(path, number))
        found[name] = value
    return found


def _read(line: str, place: Place) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None or "\0" in line:
        raise ConfigError("env_file: a line is NAME=value, or begins with #", place=place)
    if match["quoted"] is not None:
        return match["name"], _ESCAPE.sub(lambda found: _STANDS_FOR.get(found[1], found[1]), match["quoted"])
    if match["plain"] is not None:
        return match["name"], match["plain"]
    return match["name"], _REMARK.sub("", match["bare"]).strip()


def require_harmless(path: Path, variables: Mapping[str, str]) -> None:
    """Refuse variables that have libpq load a library, read a file that may, or print what looks like our output.

    Raises ConfigError.
    """
    hint = "set it in your environment, if you trust what it names"
    for name in _SERVICES:
        if name in variables:
            message = f"env_file: {name} names a file that may have libpq load a library"
            raise ConfigError(message, place=Place(path), hint=hint)
    if ":" in variables.get(_KEY, ""):
        message = f"env_file: {_KEY} names an OpenSSL engine, for which libpq would load a library"
        raise ConfigError(message, place=Place(path), hint=hint)
    name = variables.get(_PASSFILE, "")
    if "##" in name or not name.isprintable():  # libpq prints it itself, where it warns that others may read the file
        message = f"env_file: {_PASSFILE} has a name that could forge a line of a log"
        raise ConfigError(message, place=Place(path), hint="rename the file")


def that_count(found: Mapping[str, str], ours: Collection[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that we take: `ours`, the URL and libpq's, as far as the environment does not set them."""
    return {
        name: value
        for name, value in found.items()
        if name not in environ and (name in ours or name == URL or _LIBPQ.fullmatch(name))
    }
