"""`python -m sqlmigrate` takes no module from the working folder, which Python itself would search first."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from support.command import program


@pytest.fixture(scope="module")
def before() -> set[str]:
    """What Python itself imports before anything of ours runs, to find what it was told to run."""
    command = [sys.executable, "-c", "import runpy, sys; print(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout.split())


@pytest.fixture
def planted(project, before):
    """A module of each name that anything of ours could import, in the working folder."""
    for name in {*sys.stdlib_module_names, *packages_distributions()} - before - {"sqlmigrate"}:
        if name.isidentifier():
            (project.root / f"{name}.py").write_text("raise SystemExit('PLANTED')\n")


@pytest.mark.parametrize(
    "call",
    [
        ("--version",),
        ("validate", "--format", "sarif"),
        ("seed", "check"),
        ("status", "-d", "host=127.0.0.1 port=1 user=x"),
        ("explain", "H01"),
    ],
    ids=lambda call: call[0],
)
def test_no_module_of_the_checkout_runs(project, planted, call):
    project.tables("1_a")
    data = project.root / "data"
    data.mkdir()
    (data / "a.schema.json").write_text("{}", encoding="utf-8")
    (data / "a.yaml").write_text("a: [{pattern: 1}]\n", encoding="utf-8")

    outcome = program(*call)

    assert "PLANTED" not in outcome.stdout + outcome.stderr
    assert outcome.status in {0, 1}, outcome
