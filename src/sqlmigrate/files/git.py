"""Ask git about the repository around a folder: read only, and nothing that a repository brings along is run for it.

Only `git` from an absolute folder of PATH, without a variable that would lead it elsewhere. The commands that are used
start no hook, filter, pager or external diff; the file system monitor, the one program that reading an index may start,
is off, and no protocol is allowed, so that a partial clone fetches nothing. Names are bytes until we have read them.

A folder of a repository may look like a repository without a work tree: whoever may commit may write its HEAD, its
branches and its objects. So only `.git` makes one for us, which no repository can hold; ask in the folder that has it.
https://git-scm.com/docs/git-config#Documentation/git-config.txt-safebareRepository
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sqlmigrate.errors import Error
from sqlmigrate.files.lookup import program_on_path

_SECONDS = 30.0
_ALWAYS = (
    "--no-pager",
    "--no-replace-objects",
    "--literal-pathspecs",
    "-c", "core.fsmonitor=false",
    "-c", f"core.hooksPath={os.devnull}",
    "-c", "protocol.allow=never",
    "-c", "safe.bareRepository=explicit",
)  # fmt: skip
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
}


class GitError(Error):
    """Git is not there, or does not answer what it was asked; `said` is its own message, which may be empty."""

    def __init__(self, message: str, *, said: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.said = said


@dataclass(frozen=True, slots=True)
class Git:
    """Git as it answers in one folder."""

    folder: Path

    def ask(self, *arguments: str, given: bytes = b"", magic: bool = False) -> bytes:
        """Run one command that only reads, and return what it prints; `magic` lets a path begin with its signs.

        It is `given` something on its standard input.

        Raises GitError where there is no git, or it fails or takes too long.
        """
        always = [item for item in _ALWAYS if not (magic and item == "--literal-pathspecs")]
        command = [_program(), "-C", os.fspath(self.folder), *always, *arguments]
        own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        try:
            done = subprocess.run(
                command,
                env=own | _ENVIRONMENT,
                input=given,
                capture_output=True,
                check=False,
                timeout=_SECONDS,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise GitError("git could not be asked", said=str(error)) from None
        if done.returncode != 0:
            raise _failed(arguments[0], os.fsdecode(done.stderr))
        return done.stdout

    def line(self, *arguments: str) -> str:
        """Return what a command prints as one line, or an empty text where it fails."""
        try:
            return os.fsdecode(self.ask(*arguments)).removesuffix("\n")
        except GitError:
            return ""


def root_of(folder: Path) -> Path | None:
    """Return the root of the repository that a folder belongs to, by its real path: the nearest one that has `.git`."""
    real = Path(os.path.realpath(folder))
    return next((above for above in (real, *real.parents) if os.path.lexists(above / ".git")), None)


def _failed(command: str, stderr: str) -> GitError:
    """Make an error of git's own words; where it does not trust an owner, they say what to do."""
    lines = [line.strip() for line in stderr.strip().splitlines()]
    said = lines[0].removeprefix("fatal: ") if lines else ""
    trusting = next((line for line in lines if line.startswith("git config ")), None)
    return GitError(f"git {command} failed" + (f": {said}" if said else ""), said=said, hint=trusting)


def _program() -> str:
    found = program_on_path("git")
    if found is None:
        raise GitError("there is no git here", hint="install git")
    return os.fspath(found)
