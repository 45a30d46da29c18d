"""Ask squawk, a linter that knows what SQL may do; `answers` says whether it did.

squawk (https://squawkhq.com) is one program that needs no network; the extra `review` brings it along.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmigrate.files import program_on_path
from sqlmigrate.review.model import Finding
from sqlmigrate.server.account import program_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.sql.script import Script

# The runner sets both timeouts for every script, and a transaction needs no IF NOT EXISTS.
_EXCLUDED = "require-lock-timeout,require-statement-timeout,require-timeout-settings,prefer-robust-stmts"
_SECONDS = 60.0
_FOLDER = "sqlmigrate-lint-"
_LEFT_SECONDS = 3_600.0  # no run of squawk takes nearly as long


@dataclass(frozen=True, slots=True)
class Lint:
    """What squawk says of each script; `why_not` says why it says nothing."""

    version: str | None
    findings: Mapping[ScriptRun, tuple[Finding, ...]]
    why_not: str | None = None


def find_squawk() -> Path | None:
    """Find the program beside this Python, else on PATH."""
    beside = shutil.which("squawk", path=sysconfig.get_path("scripts"))
    return Path(beside) if beside else program_on_path("squawk")


def lint(runs: Sequence[ScriptRun], *, major: int, program: Path | None = None, without: Sequence[str] = ()) -> Lint:
    """Run squawk over scripts, told of each whether it runs in a transaction; it does not see those too large to hold.

    Its rules are asked for `without` some.

    Settings of squawk's own are not read, so that everybody gets the same; `-- squawk-ignore` counts.
    """
    findings: dict[ScriptRun, tuple[Finding, ...]] = dict.fromkeys(runs, ())
    program = program or find_squawk()
    if program is None:
        return Lint(None, findings, "squawk is not installed: pip install 'pg-sqlmigrate[review]'")
    try:
        _remove_left()
        with tempfile.TemporaryDirectory(prefix=_FOLDER) as folder:
            version = _run([str(program), "--version"], Path(folder)).stdout.split()[-1]
            kinds = ([run for run in runs if run.transactional is kind] for kind in (True, False))
            said = [item for several in kinds for item in _lint(program, Path(folder), several, major)]
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return Lint(None, findings, f"squawk could not be run: {error}")
    for run, item in said:
        if item["rule_name"] not in without:
            findings[run] += (_finding(item, run.script),)
    return Lint(version, findings)


def _remove_left() -> None:
    """Remove the folders of our own that runs have left behind that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(OSError):
            found = left.lstat()
            if found.st_uid == os.geteuid() and found.st_mtime < time.time() - _LEFT_SECONDS:
                shutil.rmtree(left)  # follows no link


def _lint(program: Path, folder: Path, runs: Sequence[ScriptRun], major: int) -> list[tuple[ScriptRun, dict[str, Any]]]:
    """Run squawk over scripts that all run in a transaction, or all outside; gives each finding with whose it is."""
    files: dict[str, ScriptRun] = {}
    for number, run in enumerate(runs):
        if run.script.text is not None:
            path = folder / f"{number}.sql"
            path.write_bytes(run.script.text.encode())
            files[str(path)] = run
    if not files:
        return []
    settings = folder / "squawk.toml"
    settings.touch()  # it would look for others in the folders above, of which /tmp is open to all
    command = [str(program), f"--config={settings}", "--reporter=json", f"--pg-version={major}.0"]
    command.append(f"--exclude={_EXCLUDED}")
    options = ["--assume-in-transaction"] if all(run.transactional for run in runs) else []
    done = _run([*command, *options, *files], folder)
    if not done.stdout.strip():
        raise ValueError(done.stderr.strip().partition("\n")[0] or f"it ended with status {done.returncode}")
    return [(files[item["file"]], item) for item in json.loads(done.stdout) if item["file"] in files]


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env=program_environment(),  # no token and no URL of ours
        timeout=_SECONDS,
    )


def _finding(item: dict[str, Any], script: Script) -> Finding:
    """Make a finding of squawk's JSON, whose lines and columns count from 0, the columns in bytes of UTF-8."""
    lines = (script.text or "").split("\n")
    line = int(item["line"])
    before = lines[line].encode()[: int(item["column"])] if line < len(lines) else b""
    column = len(before.decode(errors="ignore")) + 1
    return Finding(
        rule=item["rule_name"],
        level=item["level"],
        message=item["message"],
        line=line + 1,
        column=column,
        help=item.get("help"),
    )
