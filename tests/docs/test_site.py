"""The documentation site: what is added to the pages, what its checks find, and its first steps, carried out."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib

import pytest

from sqlmigrate.cli.app import COMMANDS
from support.command import environment, program
from support.places import ROOT
from support.suites import own_state

FIRST_STEPS = ROOT / "docs/first-steps.md"
FILE_OR_CALLS = re.compile(r"(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def tool(name):
    spec = importlib.util.spec_from_file_location(f"documentation_{name}", ROOT / f"tools/documentation/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    # A process of its own, as `make docs` has it: Click keeps the help option of whoever asked a command first.
    command = [sys.executable, ROOT / "tools/documentation/pages.py", folder / "site"]
    subprocess.run(command, env=environment({}), check=True)
    return folder / "site"


def test_the_page_of_commands_has_the_help_of_each_command_once(site):
    page = (site / "docs/commands.md").read_text()

    for name in COMMANDS:
        assert page.count(f'"sqlmigrate {name} --help"') == 1, name
        assert f"    Usage: sqlmigrate {name} " in page
    assert "    Usage: sqlmigrate db start " in page


def test_the_help_on_the_page_is_what_the_command_prints(site, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    page = (site / "docs/commands.md").read_text()
    printed = program("rollback", "--help").stdout.rstrip()

    shown = re.search(r'"sqlmigrate rollback --help"\n\n    ```text\n(.*?)^    ```$', page, re.MULTILINE | re.DOTALL)[1]
    assert [line[4:] for line in shown.splitlines()] == [line.rstrip() for line in printed.splitlines()]


def test_every_page_is_in_the_navigation_once(site):
    found = tomllib.loads((site / "zensical.toml").read_text())["project"]["nav"]
    named = re.findall(r"'([^']+\.md)'", str(found))

    assert len(named) == len(set(named))
    assert {page.name for page in (site / "docs").glob("*.md")} == {name for name in named if "/" not in name}


def test_a_link_to_what_only_the_repository_has_is_its_name(site):
    page = (site / "docs/benchmarks.md").read_text()

    assert "](../" not in page
    assert "`bench/migrations` in the repository" in page
    assert "](docs/" not in (site / "docs/CONTRIBUTING.md").read_text()


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="b.html#here">', "no such anchor: b.html#here"),
        ('<a href="c.html">', "no such page or file: c.html"),
        ('<img src="c.png">', "no such page or file: c.png"),
        ('<a href="#here">', "no such anchor: #here"),
        ('<script src="https://cdn.example.org/a.js">', "asks another server: https://cdn.example.org/a.js"),
        ('<pre class="mermaid"><code>', "asks another server: mermaid"),
        ('<a href="https://example.org/">', None),
        ('<a href="b.html#there">', None),
    ],
)
def test_the_check_finds_what_is_missing_and_what_would_be_fetched_from_elsewhere(tmp_path, html, problem):
    (tmp_path / "a.html").write_text(html)
    (tmp_path / "b.html").write_text('<h1 id="there">')

    assert tool("check").problems(tmp_path) == ([f"a.html: {problem}"] if problem else [])


def test_a_site_without_pages_is_a_problem(tmp_path):
    assert tool("check").problems(tmp_path)


def real(path, folder):
    """Give the file of the project that a page calls by another time."""
    slug = re.sub(r"^sql/\d+_", "", path)
    return next(folder.glob(f"sql/*_{slug}"), folder / path)


def without_times(line):
    return re.sub(r"\d{14}|\(?\d+\.\d+ ?s\)?|PostgreSQL \d+\.\d+|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "*", line).strip()


def follow(page, run, folder):
    """Write the files of a page and make its calls, in its order; give each line that was shown and not printed."""
    for path, language, text in FILE_OR_CALLS.findall(page):
        if path:
            real(path, folder).write_text(text)
        elif language == "console":
            for call in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *shown = call.splitlines()
                printed = {without_times(line) for line in run(*shlex.split(command)).splitlines()}
                told = {without_times(line.removesuffix(" ...")) for line in shown}
                yield from sorted(line for line in told if not any(one.startswith(line) for one in printed))


def test_the_first_steps_lead_to_what_their_page_shows(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # or it would look for one in the folders above
    with own_state() as state:
        settings = {"SQLMIGRATE_STATE_DIR": str(state), "SQLMIGRATE_EMBEDDED": "true", "COLUMNS": "200"}

        def run(name, *arguments):
            python = {"sqlmigrate": ["-m", "sqlmigrate"], "python": []}[name]
            done = subprocess.run(
                [sys.executable, *python, *arguments],
                cwd=tmp_path, env=environment(settings), capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode in {0, 3}, done.stdout + done.stderr
            return done.stdout + done.stderr

        run("sqlmigrate", "db", "start")  # or each call would start it
        try:
            missing = list(follow(FIRST_STEPS.read_text(), run, tmp_path))
        finally:
            run("sqlmigrate", "db", "stop")

    assert missing == []
