"""The few runs that prove an installation: the command, a private server, the repository's own change and data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.command import started
from support.places import ROOT
from support.waiting import LONG

IDS = ["20260301_agent_baseline", "20260304_simplify_agent_architecture"]

pytestmark = pytest.mark.smoke

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def command_in_copy(clean_environment: None, binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Run the command in a copy of the repository's own project, on a private server of its own; gives its JSON."""
    folder = tmp_path_factory.mktemp("smoke")
    for name in ("sql", "data"):
        shutil.copytree(ROOT / name, folder / name)
    folder.joinpath("sqlmigrate.toml").write_text("embedded = true\n")

    def run(*arguments: str, status: int = 0) -> Any:
        with started(*arguments, "--json", cwd=folder) as process:
            output, errors = process.communicate(timeout=LONG)
        assert process.returncode == status, output + errors
        return json.loads(output)

    run("db", "start")
    yield run
    run("db", "stop")


def states(document: Any) -> dict[str, str]:
    return {item["migration_id"]: item["state"] for item in document["migrations"]}


def test_the_change_is_applied_seeded_seen_and_taken_back(command_in_copy):
    assert states(command_in_copy("status")) == dict.fromkeys(IDS, "pending")
    command_in_copy("status", "--check", status=3)

    command_in_copy("apply")
    assert states(command_in_copy("status", "--check")) == dict.fromkeys(IDS, "applied")

    command_in_copy("seed")
    command_in_copy("seed")

    command_in_copy("rollback", "--yes", status=2)
    command_in_copy("rollback", "--accept-loss")
    assert states(command_in_copy("status")) == dict(zip(IDS, ["applied", "pending"], strict=True))

    command_in_copy("apply")
    command_in_copy("rollback", "--all", "--accept-loss")
    assert states(command_in_copy("status")) == dict.fromkeys(IDS, "pending")


def test_a_failing_script_changes_nothing(command_in_copy, tmp_path):
    tmp_path.joinpath("1.sql").write_text("CREATE TABLE public.half_done ();\nSELECT nonsense;\n")

    document = command_in_copy("apply", "--migrations", str(tmp_path), status=1)

    assert document["error"]["place"]["line"] == 2
    assert command_in_copy("status", "--migrations", str(tmp_path))["migrations"][0]["state"] == "pending"


def test_the_files_are_found_to_be_right_without_a_database(command_in_copy):
    command_in_copy("validate")
    command_in_copy("seed", "check")
