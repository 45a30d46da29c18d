"""Follow the symbolic links of a path, but none that a repository leads us out by.

A repository may come from somebody else, and so may the symbolic links in it: one could have a file of ours written
over, or shown in a report. One that stays inside is followed; one that leads out is refused. Links elsewhere are
followed where they are the user's own or root's.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlmigrate.errors import Error

_LINKS_MAX = 40  # as many as Linux follows
_PROJECT_FILES = ("sqlmigrate.toml", "pyproject.toml")


def leads_out(path: Path) -> Path | None:
    """Return where a path leads if a symbolic link in the repository takes it out of there, else None."""
    try:
        _followed(os.fspath(path))
    except _LeadsOutError as error:
        return error.target
    except (Error, OSError):
        return None
    return None


class _LeadsOutError(Error):
    """A symbolic link in a repository leads out of it, to `target`."""

    def __init__(self, link: Path, target: Path) -> None:
        super().__init__(
            f"{link} is a symbolic link that leads out of the repository, to {target}; it is not followed",
            hint="name the place that you mean, or remove the link",
        )
        self.target = target


def followed(path: Path) -> Path | None:
    """Follow the links of a path one by one; None where it leads into /proc, as /dev/stdout does.

    Raises Error for a link that is not to be followed. What is not there yet ends no path.
    """
    found = _followed(os.fspath(path))
    return None if found is None else Path(found)


def require_in_repository(path: Path, folder: Path) -> None:
    """Refuse a file outside of the repository that a folder belongs to, or among the files of git itself.

    For what a configuration in that folder names: whoever may change it may not choose any file of the user's. Raises
    Error.
    """
    root = os.path.realpath(_repository(folder) or folder)
    place = Path(os.path.realpath(path.parent), path.name)  # a link of that name is followed, or not, where it is read
    if not place.is_relative_to(root):
        raise Error(f"{path} is outside of {root}, where the configuration may name no file to be written")
    if ".git" in (part.lower() for part in place.relative_to(root).parts):
        raise Error(f"{path} is a file of git's, and is not written over")


def _followed(path: str) -> str | None:
    """Follow the links of a path; it is text, since for the thousands of files of a folder Path is slow."""
    todo = _steps(os.path.abspath(path))  # noqa: PTH100  resolve() would follow the links
    at, links = "", 0
    while todo:
        step = f"{at}/{todo.pop()}"
        if not os.path.islink(step):  # noqa: PTH114  see above
            at = step
            continue
        links += 1
        if links > _LINKS_MAX:
            raise Error(f"{path} leads through too many symbolic links")
        target = os.path.normpath(os.path.join(at or "/", os.readlink(step)))  # noqa: PTH115, PTH118  see above
        _require_followable(Path(step), Path(target))  # before all else: /proc/self/root leads to every file there is
        if Path(target).is_relative_to("/proc"):
            return None
        todo += _steps(target)
        at = ""
    return at or "/"


def _steps(path: str) -> list[str]:
    """Split an absolute path into its parts, the last one first."""
    return [part for part in reversed(path.split("/")) if part]


def _require_followable(link: Path, target: Path) -> None:
    """Refuse a link that leads out of its repository, or that another user has made elsewhere."""
    root = _repository(link.parent)
    if root is None:
        if link.lstat().st_uid not in {0, os.geteuid()}:
            raise Error(f"{link} is a symbolic link of another user; it is not followed")
    elif not Path(os.path.realpath(target)).is_relative_to(os.path.realpath(root)):
        raise _LeadsOutError(link, target)


def _repository(folder: Path) -> Path | None:
    """Find the repository that a folder belongs to: by .git, else the project by its configuration or by where we are.

    None where it belongs to none.
    """
    above = (folder, *folder.parents)
    for names in ((".git",), _PROJECT_FILES):
        for root in above:
            if any(os.path.lexists(root / name) for name in names):
                return root
    here = Path(os.path.abspath("."))  # noqa: PTH100  as above
    return here if here in above and here != Path("/") else None
