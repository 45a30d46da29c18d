"""What a report for other programs says: frozen values, which `sources` make of a command's result."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["danger", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("danger", "warning", "note")
"""From the worst to the mildest, with the words of a review."""

FailOn = Literal["danger", "warning", "none"]
FAIL_ON: tuple[FailOn, ...] = ("danger", "warning", "none")


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that somebody should know, and where it is.

    `rule` names its kind, `title` says the kind in words, and `message` what was found here. `path` is from the root of
    the repository with slashes, None for what is in no file; `line` and `column` count from 1. `about` is what was
    checked: a migration or an object. `help` says what can go wrong, `suggestion` what to do. `same` is what it has in
    common with itself in a later report: no line, no figure, nothing that other migrations decide; `fingerprint` is
    made of it by `sealed`.
    """

    rule: str
    title: str
    severity: Severity
    message: str
    about: str
    path: str | None = None
    line: int | None = None
    column: int | None = None
    help: str | None = None
    suggestion: str | None = None
    same: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Issues:
    """What a `command` found, the worst first; `checked` names all that it looked at, also where nothing was found.

    `folder` is that of the migrations: it stands for the place of what is in no file. `headline` sums it up.
    """

    command: str
    version: str
    folder: str
    issues: tuple[Issue, ...] = ()
    checked: tuple[str, ...] = ()
    headline: str = ""

    def fails(self, fail_on: FailOn) -> bool:
        """Tell whether something is as bad as that, or worse."""
        return any(is_bad(issue, fail_on) for issue in self.issues)


def is_bad(issue: Issue, fail_on: FailOn) -> bool:
    """Tell whether an issue is as bad as that, or worse; nothing is where none shall fail."""
    return fail_on != "none" and SEVERITIES.index(issue.severity) <= SEVERITIES.index(fail_on)


def sealed(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """Give each issue its fingerprint, and put the worst first; those that are alike are told apart by their order."""
    seen: Counter[tuple[str, ...]] = Counter()
    found = []
    for issue in issues:
        key = (issue.rule, issue.path or "", issue.about, *issue.same)
        seen[key] += 1
        text = "\0".join((*key, str(seen[key])))
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        found.append(replace(issue, fingerprint=digest))
    return tuple(sorted(found, key=lambda issue: SEVERITIES.index(issue.severity)))


def squeezed(text: str) -> str:
    """Return a text without what is no change of it: white space, and how it is broken into lines."""
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Root:
    """Where the paths of a report begin: the top of the repository, or where there is none, the current folder."""

    top: Path

    def path(self, path: Path | str) -> str:
        """Return a path from the root, with slashes; one that is outside stays as it is."""
        folder, name = os.path.split(os.fspath(path))
        whole = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118  a link is not followed
        inside = os.path.relpath(whole, os.path.realpath(self.top))
        return Path(os.fspath(path) if inside.startswith("..") else inside).as_posix()
