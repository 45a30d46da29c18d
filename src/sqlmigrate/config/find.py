"""Find the configuration file, and read it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import ConfigError
from sqlmigrate.files import open_file, read_bytes, upwards

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAMES = ("sqlmigrate.toml", "pyproject.toml")
# tomllib takes minutes for a key of 100,000 parts
_DOTTED = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+)++""", re.ASCII)
_DEEPEST = 500
_LOOKED_AT = 1 << 20  # bytes of a pyproject.toml that does not count


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The configuration file with its table and its text, if there is one; see `Config.passed_over`."""

    path: Path | None = None
    table: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    passed_over: tuple[str, ...] = ()


def named_file(path: Path) -> ConfigFile:
    """Read the file that the user named; raises ConfigError where it is none, or configures nothing."""
    if not _is_file(path):
        raise ConfigError(f"the configuration file {path} does not exist")
    table, text = _parse_file(path)
    if table is None:
        raise ConfigError(f"{path} has no [tool.sqlmigrate] table")
    return ConfigFile(path, table, text)


def nearest_file(cwd: Path) -> ConfigFile:
    """Search the working directory, taken as it is, then upwards, where only our own and root's files count."""
    passed_over: list[str] = []
    for path in filter(_is_file, upwards(cwd, FILE_NAMES, _configures, passed_over)):
        table, text = _parse_file(path)
        if table is not None:
            return ConfigFile(path, table, text, tuple(passed_over))
    return ConfigFile(passed_over=tuple(passed_over))


def _configures(path: Path) -> bool:
    """Tell whether a file that does not count looks as if it were meant to; it is not parsed."""
    try:
        if not S_ISREG(path.stat().st_mode):
            return False
        with open_file(path, anywhere=True) as file:
            return path.name != "pyproject.toml" or b"[tool.sqlmigrate" in file.read(_LOOKED_AT)
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    """Tell whether a file is there.

    Raises ConfigError where we may not look, or where what is there is no file or a link that leads nowhere: it may be
    the one that counts.
    """
    try:
        if S_ISREG(path.stat().st_mode):
            return True
    except (FileNotFoundError, NotADirectoryError):
        if not path.is_symlink():
            return False
        raise ConfigError(f"{path} is a symbolic link that leads nowhere") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    raise ConfigError(f"{path} is not a file")


def _parse_file(path: Path) -> tuple[dict[str, Any] | None, str]:
    import tomllib  # noqa: PLC0415  there may be no file

    try:
        text = read_bytes(path, anywhere=True).decode()
        if any(found[0].count(".") > _DEEPEST for found in _DOTTED.finditer(text)):
            raise RecursionError  # noqa: TRY301  as of brackets, which tomllib counts itself
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply") from None
    tools = data.get("tool", {})
    if not isinstance(tools, dict):
        raise ConfigError(f"{path}: [tool] must be a table")
    tool = tools.get("sqlmigrate")
    if tool is None and path.name != "pyproject.toml":
        tool = {key: value for key, value in data.items() if key != "tool"}
    if tool is not None and not isinstance(tool, dict):
        raise ConfigError(f"{path}: [tool.sqlmigrate] must be a table")
    return tool, text
