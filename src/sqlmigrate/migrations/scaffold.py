"""Make the files that people start from: a project's configuration, a migration's pair."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from sqlmigrate.config import load
from sqlmigrate.errors import ScriptError, UsageError
from sqlmigrate.files import make_folder, write_new
from sqlmigrate.migrations.template import ROLLBACK, SCRIPT

_CONFIG = """\
# Settings of sqlmigrate; `sqlmigrate config` shows each with where it came from.
# Each has an environment variable too, such as SQLMIGRATE_LOCK_TIMEOUT.

migrations = {migrations}
data = "data"

# lock_timeout = "2s"        # how long a statement waits for a lock before the script is retried
# lock_budget = "10min"      # how long it is retried
# statement_timeout = "0"    # no limit
# embedded = true            # use a private PostgreSQL server if no database is named

# [env.production]
# database_url_env = "PRODUCTION_DATABASE_URL"   # the variable that holds the URL
# role = "app_owner"                             # SET ROLE before each script
# protected = true                               # wants the database's name before anything is written
"""

_LONGEST = 200  # bytes of a name: with time stamp and .rollback.sql less than the 255 of a file system


def new_pair(directory: Path, name: str) -> tuple[Path, Path]:
    """Make the two files of a migration and give their paths; raises UsageError where the name has nothing to use."""
    words = re.findall(r"\w+", name)
    if not words or "/" in name or "\\" in name:
        raise UsageError(f"{name!r} is not a name for a migration", hint="use letters, digits and underscores")
    slug = "_".join(words).lower().encode()[:_LONGEST].decode(errors="ignore")
    stem = f"{datetime.now(UTC):%Y%m%d%H%M%S}_{slug}"
    script, rollback = directory / f"{stem}.sql", directory / f"{stem}.rollback.sql"
    try:
        make_folder(directory)
        for path, text in ((script, SCRIPT), (rollback, ROLLBACK)):
            write_new(path, text.format(name=" ".join(words), stem=stem))
    except FileExistsError:
        raise ScriptError(f"{path} exists already; nothing was overwritten") from None
    return script, rollback


def init_project(root: Path, migrations: Path | None, config_file: Path | None) -> tuple[list[Path], list[Path]]:
    """Make the configuration and the folders; gives what was made and what was there already."""
    config, folder, data = _configured(root)
    config, folder = config_file or config, migrations or folder
    made: list[Path] = []
    kept: list[Path] = []
    try:
        if config.exists():
            kept.append(config)
        else:
            beside = os.path.relpath(root / folder, config.resolve().parent)  # paths in the file are relative to it
            text = _CONFIG.format(migrations=_toml_string(Path(beside).as_posix()))
            write_new(config, text)
            made.append(config)
        for path in (root / folder, root / data):
            if path.is_dir():
                kept.append(path)
            else:
                make_folder(path)
                made.append(path)
    except OSError as error:
        raise ScriptError(f"{error.filename}: {error.strerror}") from None
    return [_short(path, root) for path in made], [_short(path, root) for path in kept]


def _configured(root: Path) -> tuple[Path, Path, Path]:
    """Return the file that configures this folder, such as a pyproject.toml with our table, and its folders."""
    settings = load({}, environ={}, cwd=root)
    if settings.file is None or settings.file.parent != root:
        return root / "sqlmigrate.toml", Path("sql"), Path("data")
    return settings.file, settings.migrations, settings.data


def _short(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path


def _toml_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
