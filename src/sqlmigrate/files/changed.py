"""What a folder has got since a revision of git, file by file.

What counts is the merge base of that revision and HEAD: what others have added to it meanwhile is no change of ours. It
is compared with the files as they lie there, committed or not, since those are what our commands read. Contents are
compared by git's own digest, so that no filter or diff program of the repository's configuration is run.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlmigrate.errors import UsageError
from sqlmigrate.files.git import Git, GitError
from sqlmigrate.files.reading import open_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

State = Literal["held", "changed", "added"]
"""What a file is since a revision: as it was there, other than it was there, or new."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PART = 1 << 20  # bytes
_LINK = "120000"  # git's mode of a symbolic link, whose content is where it leads


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file of a commit: git's mode, and the digest of its content."""

    mode: str
    digest: str


@dataclass(frozen=True, slots=True)
class Since:
    """A folder as it was at the merge base `commit` of HEAD and the `revision` that somebody named.

    `theirs` are the names directly in the folder that the revision has got since then and that are not there now.
    """

    revision: str
    commit: str
    folder: Path
    files: Mapping[str, _Entry]
    theirs: tuple[str, ...] = ()

    def state(self, path: Path) -> State:
        """Tell what a file in the folder is; a change of line ends alone is none. Raises OSError as reading does."""
        entry = self.files.get(os.path.relpath(path, self.folder))
        if entry is None:
            return "added"
        return "held" if _same(path, entry) else "changed"

    def is_new(self, path: Path) -> bool:
        """Tell whether a file in the folder was not there; nothing of it is read."""
        return os.path.relpath(path, self.folder) not in self.files

    def gone(self) -> list[str]:
        """Return the names directly in the folder that were there and are there no more."""
        return [name for name in self.files if "/" not in name and not os.path.lexists(self.folder / name)]


def since(folder: Path, revision: str) -> Since:
    """Ask git how a folder was where this work left a revision.

    Raises UsageError for a revision that is none, and GitError where the folder is in no repository, where the two have
    no commit in common, or where git does not answer.
    """
    git = Git(folder)
    named = _commit(git, revision)
    try:
        base = os.fsdecode(git.ask("merge-base", named, "HEAD")).strip()
    except GitError as error:
        why = _shallow(git) or error.hint
        raise GitError(f"{revision} and HEAD have no commit in common", said=error.said, hint=why) from None
    files = _files(git, base, recursive=True)
    theirs = (name for name in _files(git, named, recursive=False) if name not in files)
    here = tuple(name for name in theirs if not os.path.lexists(folder / name))
    return Since(revision, base, folder, files, here)


def _commit(git: Git, revision: str) -> str:
    """Find the commit of a name that somebody gave; one that looks like an option is none."""
    if not revision.strip() or revision.startswith("-") or not revision.isprintable():
        raise UsageError(f"{revision!r} is no revision of git", hint="name a branch, a tag or a commit")
    git.ask("rev-parse", "--git-dir")  # says what is wrong with the repository, if anything is
    found = git.line("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not _COMMIT.fullmatch(found):
        raise UsageError(f"git knows no revision {revision!r} here", hint=_shallow(git) or "fetch it, or name another")
    return found


def _shallow(git: Git) -> str | None:
    """Say what to do in a clone that has only the last commits."""
    if git.line("rev-parse", "--is-shallow-repository") != "true":
        return None
    return "this clone is shallow: fetch its history (`git fetch --unshallow`; `fetch-depth: 0` of actions/checkout)"


def _files(git: Git, commit: str, *, recursive: bool) -> dict[str, _Entry]:
    """Return the files of a commit in the folder by their paths from there."""
    found = {}
    for record in git.ask("ls-tree", "-z", *(["-r"] if recursive else []), commit).split(b"\0"):
        about, _, name = record.partition(b"\t")
        if name:
            mode, kind, digest = about.decode().split(" ")
            if kind == "blob":
                found[os.fsdecode(name)] = _Entry(mode, digest)
    return found


def _same(path: Path, entry: _Entry) -> bool:
    """Tell whether a file has a content by git's digest of it, with line ends as they are or as LF."""
    if path.is_symlink() or entry.mode == _LINK:
        both = path.is_symlink() and entry.mode == _LINK
        return both and _digest(entry, os.fsencode(path.readlink())) == entry.digest
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        whole, returns = _begun(entry, size), 0
        while part := file.read(_PART):
            whole.update(part)
            returns += part.count(b"\r")
        if whole.hexdigest() == entry.digest or not returns:
            return whole.hexdigest() == entry.digest
        file.seek(0)
        return _digest(entry, file.read().replace(b"\r\n", b"\n")) == entry.digest


def _digest(entry: _Entry, content: bytes) -> str:
    found = _begun(entry, len(content))
    found.update(content)
    return found.hexdigest()


def _begun(entry: _Entry, size: int) -> hashlib._Hash:
    """Begin git's digest of a file: of its kind, its size, and then its content."""
    kind = "sha256" if len(entry.digest) == hashlib.sha256().digest_size * 2 else "sha1"
    found = hashlib.new(kind, usedforsecurity=False)
    found.update(b"blob %d\0" % size)
    return found
