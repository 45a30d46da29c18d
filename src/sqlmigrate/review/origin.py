"""Whose files a report is about: the project, its commit and branch, and where the web shows a line of a file.

Addresses are made only of what has the form of one, and only for a commit that a server is known to have: in CI, or
where a remote branch contains it. A user name or a password in the address of a remote goes into no report.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlmigrate.errors import Error
from sqlmigrate.files import Git, root_of, since
from sqlmigrate.review.measured import Project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.files import Since
    from sqlmigrate.review.model import BranchProblem, Direction, Migration, Report

_BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BUILDKITE_BRANCH", "CIRCLE_BRANCH")
_HOST, _PATH = r"(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)", r"(?P<path>[\w.-]+(?:/[\w.-]+)+?)"
_REMOTES = (
    re.compile(rf"(?:https?|ssh|git)://(?:[^/@\s]*@)?{_HOST}(?::\d+)?/{_PATH}/?", re.ASCII),
    re.compile(rf"(?:[^/@\s:]*@)?{_HOST}:{_PATH}/?", re.ASCII),
)
_LAYOUTS = (("github.com", "blob"), ("gitlab.", "-/blob"), ("codeberg.org", "src/commit"))
"""How the address of a file goes on behind that of its repository, by how the name of the host begins."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A project; where it is in a repository, its `top`, the state of its files and the address before their paths."""

    project: Project
    top: Path | None = None
    base: Since | None = None
    web: str | None = None


def origin(project: Path, migrations: Path, environ: Mapping[str, str] | None = None) -> Origin:
    """Ask git about the repository around the migrations; where there is none, the project is its folder."""
    environ = os.environ if environ is None else environ
    bare = Origin(Project(Path(os.path.realpath(project)).name))
    top = root_of(migrations)
    if top is None:
        return bare
    git = Git(top)
    try:
        base = since(migrations, "HEAD")
    except (Error, OSError):
        return bare
    if not base.commit:  # there is nothing to name
        return bare
    branch = git.line("symbolic-ref", "--short", "--quiet", "HEAD") or next(
        (environ[name] for name in _BRANCHES if environ.get(name)), None
    )
    found = _remote(git.line("config", "--get", "remote.origin.url"))
    path = environ.get("GITHUB_REPOSITORY") or (found[1] if found else top.name)
    below = os.path.relpath(os.path.realpath(project), top)
    name = path if below == "." or below.startswith("..") else f"{path}/{below}"
    web = _web(git, found, base.commit, environ)
    return Origin(Project(name, base.commit, branch), top, base, web)


def _remote(url: str) -> tuple[str, str] | None:
    """Take the host and the path from the address of a remote, and nothing else of it."""
    for form in _REMOTES:
        if found := form.fullmatch(url):
            return found["host"].lower(), found["path"].removesuffix(".git")
    return None


def _web(git: Git, remote: tuple[str, str] | None, commit: str, environ: Mapping[str, str]) -> str | None:
    """Return the address that stands before the paths of a commit's files, with a slash at its end."""
    server, repository = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
    if found := _remote(f"{server}/{repository}"):
        return f"https://{found[0]}/{found[1]}/blob/{commit}/"
    if found := _remote(environ.get("CI_PROJECT_URL", "")):
        return f"https://{found[0]}/{found[1]}/-/blob/{commit}/"
    if remote is None or not _is_pushed(git, commit):
        return None
    layout = next((way for host, way in _LAYOUTS if remote[0].startswith(host)), None)
    return None if layout is None else f"https://{remote[0]}/{remote[1]}/{layout}/{commit}/"


def _is_pushed(git: Git, commit: str) -> bool:
    return bool(git.line("for-each-ref", "--count=1", "--format=%(refname)", f"--contains={commit}", "refs/remotes/"))


def placed(report: Report, found: Origin) -> Report:
    """Say in a report whose files it is about, and of each script where it is in the repository and on the web."""
    states: list[bool] = []

    def with_place(direction: Direction) -> Direction:
        inside = _inside(found, direction.path)
        if inside is None:
            return direction
        states.append(_is_held(found, direction.path))
        link = f"{found.web}{quote(os.fsencode(inside))}" if found.web and states[-1] else None
        return replace(direction, in_repository=inside, link=link)

    def with_places(item: Migration) -> Migration:
        rollback = with_place(item.rollback) if item.rollback is not None else None
        return replace(item, apply=with_place(item.apply), rollback=rollback)

    def with_problem(item: BranchProblem) -> BranchProblem:
        inside = _inside(found, item.path)
        link = _link(found, item.path, inside) if inside else None
        return replace(item, in_repository=inside, link=link)

    migrations = tuple(map(with_places, report.migrations))
    project = replace(found.project, modified=not all(states))
    return replace(report, migrations=migrations, project=project, branch=tuple(map(with_problem, report.branch)))


def _link(found: Origin, path: str, inside: str) -> str | None:
    """Return the address of a file that the web shows as it is here."""
    return f"{found.web}{quote(os.fsencode(inside))}" if found.web and _is_held(found, path) else None


def _inside(found: Origin, path: str) -> str | None:
    """Return a path from the root of the repository; None where it is outside."""
    if found.top is None:
        return None
    folder, name = os.path.split(path)
    inside = os.path.relpath(os.path.join(os.path.realpath(folder), name), os.path.realpath(found.top))  # noqa: PTH118
    return None if inside.startswith("..") else inside


def _is_held(found: Origin, path: str) -> bool:
    try:
        return found.base is not None and found.base.state(Path(path)) == "held"
    except OSError:
        return False
