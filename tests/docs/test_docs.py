"""What the pages say is what the code does."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from sqlmigrate.cli.app import ALIASES, COMMANDS, EPILOG, INTERRUPTED, TERMINATED, cli
from sqlmigrate.cli.output import error_as_json
from sqlmigrate.cli.reporting import FINDINGS
from sqlmigrate.config import SETTINGS, Config, load, parse_setting, variable
from sqlmigrate.errors import Bug, Error, Place
from sqlmigrate.sql.directives import parse_duration
from support.command import program
from support.places import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NOT_WRAPPED = {"CHANGELOG.md"}  # one line an entry
WRAPPED = [page for page in [*PAGES, *sorted((ROOT / "docs/hazards").glob("*.md"))] if page.name not in NOT_WRAPPED]
WIDTH = 100
README, COMMANDS_PAGE, CONFIGURATION = ROOT / "README.md", ROOT / "docs/commands.md", ROOT / "docs/configuration.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
EXAMPLE = re.compile(r"^\s*(?:\$ )?sqlmigrate ([^\s#]+(?: [^\s#]+)*)", re.MULTILINE)  # two spaces begin a remark


def name_of(page):
    return str(page.relative_to(ROOT))


def fences(language):
    """Give the code blocks of a language, each with its page."""
    for page in PAGES:
        for number, (found, text) in enumerate(FENCE.findall(page.read_text()), 1):
            if found == language:
                yield pytest.param(text, id=f"{name_of(page)}-{number}")


def command(name):
    return cli.get_command(click.Context(cli), name)


def leaves():
    """Give every command that does something, with its words."""
    for name in COMMANDS:
        found = command(name)
        if not isinstance(found, click.Group) or found.invoke_without_command:
            yield name, found
        for below, inner in getattr(found, "commands", {}).items():
            yield f"{name} {below}", inner


def examples():
    """Give every call that help texts and pages show."""
    texts = [("help", EPILOG), *((name, command(name).epilog or "") for name in COMMANDS)]
    for page in PAGES:
        texts += [(name_of(page), text) for language, text in FENCE.findall(page.read_text()) if language == "console"]
    for where, text in texts:
        for match in EXAMPLE.finditer(text):
            yield pytest.param(re.split(r" (?:&&|>|\|) ", match[1])[0], id=f"{where}: {match[1]}")


def section(page, title):
    """Give the text below a heading, down to the next one of any level."""
    return re.search(rf"^#+ {title}\n(.*?)(?=^#|\Z)", page.read_text(), re.MULTILINE | re.DOTALL)[1]


def rows(text):
    """Give the rows of the tables in a text, without their headers."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [cells for at, cells in enumerate(lines) if not (set("".join(cells)) <= set("-: ") or _is_header(lines, at))]


def _is_header(lines, at):
    return at + 1 < len(lines) and set("".join(lines[at + 1])) <= set("-: ")


def exit_statuses(kind=Error):
    """Give the exit statuses that the code knows."""
    found = {kind.exit_status}
    for below in kind.__subclasses__():
        found |= exit_statuses(below)
    return found | {0, FINDINGS, Bug.exit_status, INTERRUPTED, TERMINATED}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name):
    found = command(name)

    assert len(found.help.splitlines()[0]) > 20
    assert "Examples:\n" in found.epilog
    assert f"  sqlmigrate {name}" in found.epilog


@pytest.mark.parametrize(("name", "found"), list(leaves()))
def test_every_command_and_option_has_help(name, found):
    assert found.help
    for option in found.params:
        assert isinstance(option, click.Argument) or option.help, option.name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section(name):
    assert re.search(rf"^## .*`sqlmigrate {name}\b", COMMANDS_PAGE.read_text(), re.MULTILINE)


@pytest.mark.parametrize(("name", "found"), list(leaves()))
def test_every_option_is_on_the_page_of_commands(name, found):
    page = COMMANDS_PAGE.read_text()
    options = [option.opts[-1] for option in found.params if isinstance(option, click.Option)]

    assert name.split()[-1] in page
    assert [option for option in options if not re.search(rf"{option}[` \]]", page)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_commands_shows_no_option_that_is_not_there(name):
    page = COMMANDS_PAGE.read_text()
    heading = re.search(rf"^## .*`sqlmigrate {name}\b.*$", page, re.MULTILINE)[0]
    known = {opt for _, found in leaves() for option in found.params for opt in option.opts}

    assert set(re.findall(r"--[a-z-]+", heading)) <= known
    assert set(re.findall(r"`(--[a-z-]+)", page)) <= known | {"--help", "--version"}


def test_the_aliases_are_on_the_page_of_commands():
    text = section(COMMANDS_PAGE, "Other names")

    assert [text.index(f"`{alias}`") for alias in ALIASES]
    assert [text.index(f"`{name}`") for name in ALIASES.values()]


@pytest.mark.parametrize("words", list(examples()))
def test_every_example_is_a_call_that_the_command_line_takes(words):
    name, *rest = shlex.split(words, comments=True)
    found = command(name)
    if isinstance(found, click.Group) and rest and rest[0] in found.commands:
        found, rest = found.commands[rest[0]], rest[1:]

    assert found is not None
    assert found.make_context(name, rest).params is not None


def test_there_are_examples():
    assert len(list(examples())) >= 30


def test_the_exit_statuses_of_the_page_are_those_of_the_code():
    told = {int(cells[0]) for cells in rows(section(COMMANDS_PAGE, "Exit statuses"))}

    assert told == exit_statuses()


def test_the_exit_statuses_of_the_help_are_those_of_the_code():
    told = re.search(r"Exit status: (.*)", EPILOG, re.DOTALL)[1]

    assert {int(number) for number in re.findall(r"\b\d+\b", told)} == exit_statuses()


def test_the_settings_of_the_page_are_those_of_the_code():
    told = {cells[0].strip("`"): cells for cells in rows(CONFIGURATION.read_text())}

    assert tuple(told) == SETTINGS
    for name, cells in told.items():
        assert cells[1] == f"`{variable(name)}`"


@pytest.mark.parametrize("name", SETTINGS)
def test_the_defaults_of_the_page_are_those_of_the_code(name):
    told = {cells[0].strip("`"): cells[2] for cells in rows(CONFIGURATION.read_text())}[name].split("`")
    default = getattr(Config(), name)

    if isinstance(default, bool):
        assert told[1] == str(default).lower()
    elif isinstance(default, tuple):
        assert tuple(told[1::2]) == default
        assert default or told[0] == "none"
    elif name == "cache_size" or name.startswith(("large_", "small_", "busy_")):
        assert parse_setting(name, told[1], "the page", ROOT) == default
    elif isinstance(default, int):
        assert parse_duration(told[1]) == default
    elif default is not None:
        assert told[1] == str(default)
    else:
        assert told[0] in {"none", "the login role's own"} or name == "state_dir"


def prose(page):
    """Give the lines of a page that are neither code, nor a table, nor a heading, with their numbers."""
    text = FENCE.sub(lambda match: "\n" * match[0].count("\n"), page.read_text())
    return [(at, line) for at, line in enumerate(text.splitlines(), 1) if not line.startswith(("|", "#", "!["))]


@pytest.mark.parametrize("page", WRAPPED, ids=name_of)
def test_prose_wraps_at_100(page):
    """Only what cannot be broken, such as code between backticks, may make a line longer."""
    too_long = [(at, line) for at, line in prose(page) if len(re.sub(r"`[^`]*`", "`", line)) > WIDTH]

    assert too_long == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        file = page.parent / path if path else page

        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


def anchors(page):
    """Give the names that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_every_page_can_be_reached_from_the_readme():
    seen, todo = set(), [README]
    while todo:
        page = todo.pop()
        seen.add(page)
        links = [page.parent / link.partition("#")[0] for link in LINK.findall(page.read_text()) if ":" not in link]
        todo += {link.resolve() for link in links if link.suffix == ".md" and link.exists()} - seen

    assert set(PAGES) <= seen


@pytest.mark.parametrize("text", list(fences("json")))
def test_every_json_example_parses(text):
    assert json.loads(text)


@pytest.mark.parametrize("text", list(fences("yaml")))
def test_every_yaml_example_parses(text):
    assert yaml.safe_load(text)


@pytest.mark.parametrize("text", list(fences("toml")))
def test_every_toml_example_is_a_configuration(text, tmp_path):
    (tmp_path / "pyproject.toml").write_text(text)
    environments = tomllib.loads(text)["tool"]["sqlmigrate"].get("env", {})

    for env in [None, *environments]:
        found = load({}, env=env, environ={}, cwd=tmp_path)
        assert found.sources or found.hooks


def json_in_text():
    text = section(COMMANDS_PAGE, "JSON")
    return [json.loads(part.replace(", ...}", "}").replace("...", "null")) for part in re.findall(r"`(\{.*?\})`", text)]


def test_the_json_in_the_text_is_what_is_printed():
    result, failure = json_in_text()
    printed: dict[str, Any] = error_as_json(Error("no", place=Place(Path("a.sql"), 1, 1)))

    assert (result["version"], set(result)) == (1, {"version", "command"})
    assert set(failure) == {"version", "command", "error"}
    assert set(failure["error"]) == set(printed)
    assert set(failure["error"]["place"]) == set(printed["place"])


def test_the_failing_script_of_the_readme_is_shown_as_the_readme_says(database, tmp_path, monkeypatch):
    _, shown = re.search(
        r"\$ sqlmigrate apply\n((error: .*?))^```$", README.read_text(), re.MULTILINE | re.DOTALL
    ).groups()
    path, line = re.match(r"error: (\S+?):2:", shown)[1], re.search(r"^  2 \| (.*)$", shown, re.MULTILINE)[1]
    (tmp_path / ".git").mkdir()
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_text(f"\n{line}\n", encoding="utf-8")
    (tmp_path / "sqlmigrate.toml").write_text('migrations = "sql"\n')
    monkeypatch.chdir(tmp_path)
    database.connect().execute("CREATE TABLE orders ()")

    stderr = program("apply", "--database-url", database.url).stderr

    assert stderr.splitlines()[1:] == shown.splitlines()
