"""Django: what `sqlmigrate` and `showmigrations --plan` print (docs.djangoproject.com/en/5.2/ref/django-admin).

A folder with `plan.txt`, and of each migration `APP.NAME.sql` and, from `--backwards`, `APP.NAME.down.sql`.
"""

from __future__ import annotations

import re
from shlex import quote
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.importing import ids, rows
from sqlmigrate.importing.model import Layout, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool
from sqlmigrate.importing.wrapping import unwrapped
from sqlmigrate.sql.directives import gaps, line_comments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.model import Source

_PLAN = "plan.txt"
_STEP = re.compile(r"^\[.\][ \t]+([^\s./\\]+\.[^\s/\\]+)(?:[ \t]+\.\.\. \(([^)\r\n]*)\))?", re.MULTILINE)
_PYTHON = re.compile(r"--[ \t]*(?:THIS OPERATION|MIGRATION NOW PERFORMS OPERATION THAT) CANNOT BE WRITTEN AS SQL.*")


def _read(folder: Folder) -> Layout:
    path = folder.path / _PLAN
    if not path.is_file():
        hint = f"python manage.py showmigrations --plan -v 2 > {quote(str(path))}"
        folder.problems.append(Problem("is not there: it says in which order Django runs them", Place(path), hint))
        return Layout()
    plan = folder.read(path)
    steps = _STEP.finditer(plan.text) if plan else ()
    found = [_one(folder, plan, step) for step in steps if plan]
    problems = []
    if plan and not found:
        problems.append(
            plan.problem(
                "it names no migration", hint=f"write it with: showmigrations --plan -v 2 > {quote(str(path))}"
            )
        )
    return Layout(tuple(found), tuple(problems), numbered=True)


def _one(folder: Folder, plan: Source, step: re.Match[str]) -> Theirs:
    name, depends = step[1], tuple(word.strip() for word in (step[2] or "").split(",") if word.strip())
    app, _, rest = name.partition(".")
    path, down = folder.path / f"{name}.sql", folder.path / f"{name}.down.sql"
    command = f"python manage.py sqlmigrate {quote(app)} {quote(rest)} > {quote(str(path))}"
    if not folder.has(path):
        problem = plan.problem(f"there is no file {path.name}", step.start(1), command)
        return Theirs(name, name, path, None, depends=depends, problems=(problem,))
    source = folder.read(path)
    if source is None:
        return Theirs(name, name, path, None, depends=depends)
    problems = [*_empty(source, command), *_python(source, "the rest was written: write what it does into our file")]
    up = unwrapped(source.part(transactional=False)) if source.text.strip() else None
    undo = folder.read(down) if folder.has(down) else None
    back = None
    if undo and undo.text.strip():  # nothing is printed of one that cannot be undone
        stopped = list(_python(undo, "the undo was left out: write one beside our file"))
        problems += stopped
        back = None if stopped else unwrapped(undo.part(transactional=False))
    return Theirs(name, name, path, up, back, depends, problems=tuple(problems))


def _empty(source: Source, command: str) -> Iterator[Problem]:
    if not source.text.strip():
        yield source.problem("it is empty, so sqlmigrate of Django failed", hint=command)


def _python(source: Source, hint: str) -> Iterator[Problem]:
    """Find the steps of which Django prints no SQL."""
    for gap in gaps(source.text, 0):
        for hit in line_comments(_PYTHON, source.text, *gap):
            yield source.problem("a step in Python cannot be written as SQL", hit.start(), hint)


def _told(found: Sequence[tuple[Any, ...]], _known: Any) -> Told:
    """Read rows of app, name and time, in the order in which they were applied."""
    return Told(tuple(rows.recorded(f"{app}.{name}", at) for app, name, at in found))


TOOL = Tool(
    "django",
    "Django",
    _read,
    TheirHistory("django_migrations", "django", _told, "Django"),
    ids.without_number,
    folders=("django-sql",),
)
