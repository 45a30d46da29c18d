"""What a folder has got since a revision of git, file by file.

What counts is the merge base of that revision and HEAD: what others have added to it meanwhile is no change of ours. It
is compared with the files as they lie there, committed or not, since those are what our commands read. Contents are
compared by git's own digest, so that no filter or diff program of the repository's configuration is run.

Only the repository around us says so. The author of a change chooses what another one within it says: a submodule.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlmigrate.errors import UsageError
from sqlmigrate.files.git import Git, GitError, root_of
from sqlmigrate.files.reading import open_file

if TYPE_CHECKING:
    from collections.abc import Mapping

State = Literal["held", "changed", "added"]
"""What a file is since a revision: as it was there, other than it was there, or new."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DIGITS = 10  # of a commit's name, as messages show it
_PART = 1 << 20  # bytes
_SHOWN = 4 << 20  # bytes of a file whose content is compared as text
_LINK = "120000"  # git's mode of a symbolic link, whose content is where it leads
_REF = re.compile(r"[~^:]|@\{|@$|\.\.")  # what ends the name of a ref within a revision
_ABBREVIATED = re.compile(r"[0-9a-f]{4,63}")
_BLOB = re.compile(rb"([0-9a-f]+) blob")
_NOWHERE = re.compile(rb"(?:symlink|dangling|loop|notdir) \d+")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file of a commit: git's mode, and the digest of its content.

    Of a symbolic link, `leads_to` is the digest of the file that it led to; None where that was none of the commit.
    """

    mode: str
    digest: str
    leads_to: str | None = None


@dataclass(frozen=True, slots=True)
class Since:
    """A `folder` as it was at the merge base `commit` of HEAD and the `revision` that somebody named, as it is shown.

    The commit is empty, and everything new, before the first commit of a repository.
    `theirs` are the names directly in the folder, or at any depth where that was asked for, that the revision has got
    since then and that are not there now.
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

    def text(self, path: Path) -> str | None:
        """Return what a file in the folder held; None where it is no text, or too long to be shown.

        Raises GitError where git does not answer.
        """
        entry = self.files.get(os.path.relpath(path, self.folder))
        if entry is None or entry.mode == _LINK:
            return None
        git = Git(self.folder)
        if int(git.ask("cat-file", "-s", entry.digest)) > _SHOWN:
            return None
        try:
            return git.ask("cat-file", "blob", entry.digest).decode().replace("\r\n", "\n")
        except UnicodeDecodeError:
            return None

    def is_same(self, path: Path, name: str) -> bool:
        """Tell whether a file holds what the file `name` of the folder held. Raises OSError as reading does."""
        return _same(path, self.files[name])

    def gone(self) -> list[str]:
        """Return the names directly in the folder that were there and are there no more."""
        return [name for name in self.files if "/" not in name and not os.path.lexists(self.folder / name)]


def since(folder: Path, revision: str, *, deep: bool = False) -> Since:
    """Ask git how a folder was where this work left a revision; `deep` says how far `theirs` of it go.

    Raises UsageError for a revision that is none, and GitError where the folder is in no repository or in one within
    another, where the two have no commit in common, or where git does not answer.
    """
    root = _root(folder)
    git, inside = Git(root), os.path.relpath(os.path.realpath(folder), root)
    if revision == "HEAD" and _has_no_commit(git):
        return Since(revision, "", folder, {})
    named = _commit(git, revision)
    try:
        base = os.fsdecode(git.ask("merge-base", named, "HEAD")).strip()
    except GitError as error:
        why = _shallow(git) or error.hint
        raise GitError(f"{revision} and HEAD have no commit in common", said=error.said, hint=why) from None
    files = _files(git, base, inside, recursive=True)
    theirs = (name for name in _files(git, named, inside, recursive=deep) if name not in files)
    here = tuple(name for name in theirs if not os.path.lexists(folder / name))
    shown = revision[:_DIGITS] if _COMMIT.fullmatch(revision) else revision
    return Since(shown, base, folder, _followed(git, base, inside, files), here)


def _root(folder: Path) -> Path:
    """Find the repository to ask; raises GitError for one within another, unless we are in it ourselves."""
    root = root_of(folder)
    if root is None:
        raise GitError(f"{folder} is not a git repository, and in none")
    outer = root_of(root.parent)
    if outer is not None and not Path.cwd().is_relative_to(root):
        raise GitError(
            f"{root} is a repository of its own within {outer}, such as a submodule: what it calls its branches says "
            "nothing of what is reviewed here",
            hint="run the command in that repository",
        )
    return root


def _has_no_commit(git: Git) -> bool:
    """Tell whether a repository is still to get its first commit: HEAD is a branch, and there is none yet."""
    git.ask("rev-parse", "--git-dir")  # says what is wrong with the repository, if anything is
    begun = git.line("rev-parse", "--verify", "--quiet", "HEAD") or git.line("for-each-ref", "--count=1")
    return not begun and bool(git.line("symbolic-ref", "--quiet", "HEAD"))


def _commit(git: Git, revision: str) -> str:
    """Find the commit of a name that somebody gave; one that looks like an option is none."""
    if not revision.strip() or revision.startswith("-") or not revision.isprintable():
        raise UsageError(f"{revision!r} is no revision of git", hint="name a branch, a tag or a commit")
    git.ask("rev-parse", "--git-dir")  # says what is wrong with the repository, if anything is
    _require_one_meaning(git, revision)
    found = git.line("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not _COMMIT.fullmatch(found):
        raise UsageError(f"git knows no revision {revision!r} here", hint=_shallow(git) or "fetch it, or name another")
    return found


def _require_one_meaning(git: Git, revision: str) -> None:
    """Refuse a name of several refs, or one that looks like a remote's branch and is none; raises UsageError.

    Whoever may push chooses the names of branches and tags, and git takes a tag or a branch `origin/main` before the
    branch `main` of `origin`. https://git-scm.com/docs/gitrevisions#Documentation/gitrevisions.txt-refname
    """
    name = _REF.split(revision)[0]
    if not name or name == "HEAD" or name.endswith("_HEAD"):  # found first, and by nobody's push
        return
    above = ("refs/", "refs/tags/", "refs/heads/", "refs/remotes/")
    places = [*(f"{folder}{name}" for folder in above), f"refs/remotes/{name}/HEAD"]
    known = set(git.line("for-each-ref", "--format=%(refname)", *places).splitlines())
    found = [place for place in places if place in known]
    if found and _ABBREVIATED.fullmatch(name):
        found += git.line("rev-parse", f"--disambiguate={name}").split()
    remote = name.partition("/")[0]
    if len(found) == 1 and f"refs/remotes/{name}" not in found and remote in git.line("remote").splitlines():
        raise UsageError(
            f"{name} looks like a branch of the remote {remote}, and here is only {found[0]}",
            hint=f"fetch that branch, or write `{found[0]}` if that is meant",
        )
    if len(found) > 1:
        raise UsageError(
            f"{name} may be {' or '.join(found)}: what is new since then is not known",
            hint=f"write `{found[-1]}` in full, or whichever is meant",
        )


def _shallow(git: Git) -> str | None:
    """Say what to do in a clone that has only the last commits."""
    if git.line("rev-parse", "--is-shallow-repository") != "true":
        return None
    return "this clone is shallow: fetch its history (`git fetch --unshallow`; `fetch-depth: 0` of actions/checkout)"


def _files(git: Git, commit: str, inside: str, *, recursive: bool) -> dict[str, _Entry]:
    """Return the files of a commit `inside` a folder of the repository by their paths from there."""
    found, below = {}, "" if inside == "." else f"{inside}/"
    options, where = ["-r"] if recursive else [], [below] if below else []
    for record in git.ask("ls-tree", "-z", *options, commit, "--", *where).split(b"\0"):
        about, _, name = record.partition(b"\t")
        if name:
            mode, kind, digest = about.decode().split(" ")
            if kind == "blob":
                found[os.fsdecode(name).removeprefix(below)] = _Entry(mode, digest)
    return found


def _followed(git: Git, commit: str, inside: str, files: dict[str, _Entry]) -> dict[str, _Entry]:
    """Return the files with where their symbolic links led: one may stay as it is while the file behind it changes."""
    links = [name for name, entry in files.items() if entry.mode == _LINK and "\n" not in f"{inside}{name}"]
    if not links:
        return files
    asked = "".join(f"{commit}:{os.path.normpath(os.path.join(inside, name))}\n" for name in links)  # noqa: PTH118
    said = git.ask(
        "cat-file", "--batch-check=%(objectname) %(objecttype)", "--follow-symlinks", given=os.fsencode(asked)
    )
    found = {}
    answers = iter(said.split(b"\n"))
    for name, answer in zip(links, answers, strict=False):
        if _NOWHERE.fullmatch(answer):
            next(answers, None)  # the rest of the path
        elif blob := _BLOB.fullmatch(answer):
            found[name] = replace(files[name], leads_to=blob[1].decode())
    return files | found


def _same(path: Path, entry: _Entry) -> bool:
    """Tell whether a file has a content by git's digest of it; of a link, also the file that it leads to."""
    if not path.is_symlink() and entry.mode != _LINK:
        return _holds(path, entry.digest)
    if not path.is_symlink() or entry.mode != _LINK or entry.leads_to is None:
        return False
    target = os.fsencode(path.readlink())
    return _digest(entry.digest, target) == entry.digest and _holds(path, entry.leads_to)


def _holds(path: Path, digest: str) -> bool:
    """Tell whether a file holds what has a digest, with line ends as they are or as LF."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        whole, returns = _begun(digest, size), 0
        while part := file.read(_PART):
            whole.update(part)
            returns += part.count(b"\r")
        if whole.hexdigest() == digest or not returns:
            return whole.hexdigest() == digest
        file.seek(0)
        return _digest(digest, file.read().replace(b"\r\n", b"\n")) == digest


def _digest(like: str, content: bytes) -> str:
    found = _begun(like, len(content))
    found.update(content)
    return found.hexdigest()


def _begun(like: str, size: int) -> hashlib._Hash:
    """Begin a digest of a file of the kind that another one is of: of its kind, its size, and then its content."""
    kind = "sha256" if len(like) == hashlib.sha256().digest_size * 2 else "sha1"
    found = hashlib.new(kind, usedforsecurity=False)
    found.update(b"blob %d\0" % size)
    return found
