"""The page about the Python API: what it shows runs, and it names everything that is there."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO

import pytest

from sqlmigrate import api, errors
from support.command import environment
from support.places import ROOT

PAGE = (ROOT / "docs/api.md").read_text()
BLOCK = re.compile(r"^(?:`([^`\n]+)`:\n\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FUNCTIONS = [name for name in api.__all__ if inspect.isfunction(getattr(api, name)) and name != "needs_attention"]


@dataclass(frozen=True)
class Block:
    """One block of the page; `path` is set where it is the content of a file."""

    path: str | None
    language: str
    text: str
    line: int


def blocks():
    return [Block(m[1], m[2], m[3], PAGE.count("\n", 0, m.start(3)) + 1) for m in BLOCK.finditer(PAGE)]


def play(folder):
    """Run the page from top to bottom; gives what each example printed and what the page says that it prints."""
    names: dict[str, object] = {}
    found = []
    for block, following in zip(blocks(), [*blocks()[1:], None], strict=True):
        if block.path:
            write(folder, block)
        elif block.language == "python":
            code = compile("\n" * (block.line - 1) + block.text, "docs/api.md", "exec")
            with redirect_stdout(StringIO()) as printed:
                exec(code, names)
            shown = following.text if following and following.language == "text" else ""
            found.append((lines(printed.getvalue()), lines(shown)))
    return found


def write(folder, block):
    path = folder / block.path
    path.parent.mkdir(exist_ok=True)
    path.write_text(block.text)


def lines(text):
    return [line for line in text.splitlines() if line]


def test_every_example_of_the_page_prints_what_the_page_says(database, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.url)

    found = play(tmp_path)

    assert [printed for printed, _ in found] == [shown for _, shown in found]
    assert len(found) > 6
    assert "total numeric(12, 2);" in (tmp_path / "change.sql").read_text()


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["alone", "two workers"])
def test_the_test_suite_of_the_page_passes(database_factory, tmp_path, workers):
    for block in blocks():
        if block.path:
            write(tmp_path, block)
    shop, rollbacks = database_factory(), database_factory()
    variables = {"TEST_DATABASE_URL": shop.url, "ROLLBACK_DATABASE_URL": rollbacks.url}

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), *workers]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(variables), capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_there_are_the_functions_that_the_page_needs_to_tell_of():
    assert {"read", "status", "plan", "apply", "rollback", "seed"} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_in_the_table_with_the_arguments_that_it_needs(name):
    required = [
        key
        for key, parameter in inspect.signature(getattr(api, name)).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]

    assert f"| `{name}({', '.join(required)})` |" in PAGE


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_option_is_in_the_table_with_its_default(name):
    table = re.findall(r"^\| `(\w+)` \| (.*?) \| .* \| (.*?) \|$", PAGE, re.MULTILINE)
    told = {option: default for option, of, default in table if applies(of, name)}
    options = {
        key: parameter.default
        for key, parameter in inspect.signature(getattr(api, name)).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }

    assert set(told) == set(options)
    for option, default in options.items():
        if default not in (None, ()) and not callable(default):
            assert told[option] == f"`{default!r}`".replace("'", '"'), option


def applies(of, name):
    """Tell whether an entry of the table's second column means a function."""
    named = set(re.findall(r"`(\w+)`", of))
    if of.startswith("all that have"):
        has, *but = re.findall(r"`(\w+)`", of)
        return has in inspect.signature(getattr(api, name)).parameters and name not in but
    return (name in named) != of.startswith("all but")


def test_every_error_that_the_functions_raise_is_in_the_table():
    table = PAGE[PAGE.index("| error |") :].split("\n\n")[0]
    told = set(re.findall(r"`(\w+)`", "".join(line.split(" | ")[0] for line in table.splitlines())))
    offline = {"Error", "ConfirmationRequired", "ScriptError", "Bug"}  # a verdict holds it

    assert told == {name for name, kind in vars(errors).items() if is_error(kind)} - offline


def is_error(kind):
    return inspect.isclass(kind) and issubclass(kind, errors.Error)
