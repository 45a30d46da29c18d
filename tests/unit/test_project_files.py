"""The files around the code agree with each other."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.places import ROOT

SHELL_SCRIPTS = sorted((ROOT / "tools").glob("*.sh"))
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MAX_FILE = 400
MAX_FUNCTION = 80


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines)


def requirements() -> list[Requirement]:
    project = pyproject()["project"]
    extras = project["optional-dependencies"].values()
    asked = [
        *pyproject()["build-system"]["requires"],
        *project["dependencies"],
        *(one for all_ in extras for one in all_),
    ]
    return [req for req in map(Requirement, asked) if req.name != project["name"]]


def path_with(folder: Path, **programs: str) -> str:
    """Make executables of shell text in a folder, and give the PATH that finds them alone."""
    for name, text in programs.items():
        place = folder / name.replace("_", ".")
        place.write_text(f"#!/bin/sh\n{text}\n")
        place.chmod(0o755)
    return str(folder)


def find_python(path: str, **env: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "tools" / "find-python.sh"
    return subprocess.run(
        ["/bin/sh", script], env={"PATH": path, **env}, capture_output=True, text=True, check=False, timeout=30
    )


def test_every_constraint_is_one_exact_version():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line), line


def test_constraints_are_sorted_and_name_nothing_twice():
    names = [line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()]

    assert names == sorted(set(names))


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_dependency_is_pinned_to_a_version_that_it_allows(requirement: Requirement):
    pinned = pins().get(canonicalize_name(requirement.name))

    assert pinned is not None, f"{requirement.name} is not in constraints.txt"
    assert requirement.specifier.contains(pinned)


def test_the_licence_that_pyproject_names_is_the_one_in_the_file():
    assert pyproject()["project"]["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("script", [*SHELL_SCRIPTS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_every_script_is_executable_and_has_correct_syntax(script: Path):
    shell = "bash" if "bash" in script.read_text().splitlines()[0] else "sh"
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True, check=False, timeout=30)

    assert done.stderr == ""
    assert os.access(script, os.X_OK)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_alone_lists_what_make_can_do():
    done = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 0, done.stderr
    for target in ("demo", "undo", "test", "lint", "format", "matrix", "smoke", "clean", "dist", "check-15"):
        assert re.search(rf"^ +make {target} +[A-Z]", done.stdout, re.MULTILINE), target


def test_every_test_that_make_leaves_out_on_some_versions_is_there():
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    left_out = re.search(r"^SAME_EVERYWHERE := (.*)$", text, re.MULTILINE)

    assert left_out
    paths = [path.removesuffix("/%") for path in left_out[1].split()]
    assert [path for path in paths if not (ROOT / "tests" / "integration" / path).exists()] == []


def test_the_first_python_that_runs_and_is_new_enough_is_used(tmp_path: Path):
    path = path_with(tmp_path, python3_14="exit 127", python3_13="exit 1", python3_12="exit 0", python3="exit 0")

    assert find_python(path).stdout == "python3.12\n"


def test_the_python_that_the_user_names_is_used(tmp_path: Path):
    path = path_with(tmp_path, python3_12="exit 0", mine="exit 0")

    assert find_python(path, PYTHON="mine").stdout == "mine\n"


def test_a_named_python_that_is_too_old_is_an_error(tmp_path: Path):
    path = path_with(tmp_path, python3_12="exit 0", old="exit 1")
    done = find_python(path, PYTHON="old")

    assert done.returncode == 1
    assert "PYTHON=old" in done.stderr


def test_a_machine_without_python_is_told_what_to_install(tmp_path: Path):
    done = find_python(path_with(tmp_path))

    assert done.returncode == 1
    assert "apt install python3 python3-venv" in done.stderr


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_files_and_functions_stay_short(source: Path):
    text = source.read_text()
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert len(text.splitlines()) <= MAX_FILE
    assert [one.name for one in functions if (one.end_lineno or 0) - one.lineno >= MAX_FUNCTION] == []
