"""What is ready to be copied: the image, the jobs of GitLab and Kubernetes, the compose file."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest
import yaml

from sqlmigrate.cli.app import cli
from support.formats import check_junit, check_quality
from support.places import ROOT
from support.repository import Repository
from support.their_tools import TOOLS

DEPLOY = ROOT / "deploy"
SECONDS = 300
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
CONTAINERS = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
FLEETS = (ROOT / "docs" / "fleets.md").read_text(encoding="utf-8")
MACHINES = (ROOT / "docs" / "many-machines.md").read_text(encoding="utf-8")
PULL_REQUESTS = (ROOT / "docs" / "pull-requests.md").read_text(encoding="utf-8")


def read(name: str) -> dict:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def without_comments(text: str) -> str:
    return re.sub(r"\A(#.*\n)+", "", text)


def taken(words: list[str]) -> str:
    """Hold a call against the command line, and name its command."""
    command, *rest = words
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    found.make_context(command, list(rest))
    return command


def instructions(name: str) -> list[tuple[str, str]]:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_job_of_gitlab_finds_what_a_merge_request_does(project, tmp_path, shadow_on_tests_server):
    job = read("gitlab.yml")["sqlmigrate"]
    repository = Repository(project.root)
    project.tables("a")
    repository.commit("first")
    repository.git("clone", "-q", "--bare", ".", str(tmp_path / "origin.git"))
    repository.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    repository.git("checkout", "-qb", "work")
    project.migration("a", "CREATE TABLE a (later integer);", rollback="DROP TABLE a;")
    project.migration("b", "ALTER TABLE a ADD x integer;", rollback="SELECT 1;")
    repository.commit("work")
    script = [line for line in job["script"] if "pip install" not in line]
    assert job["script"][0].startswith("python -I -m pip ")  # a pip.py of the checkout is not run
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", "\n".join(script)],
        cwd=project.root,
        env={
            **os.environ,
            **job["variables"],
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )

    assert done.returncode == 3, done.stderr
    reports = job["artifacts"]["reports"]
    found = check_quality(json.loads((project.root / reports["codequality"]).read_text(encoding="utf-8")))
    assert {"undo/not-restored", "files/edited-applied"} <= {item["check_name"] for item in found}
    assert "origin/main has it, and here it is edited" in {
        item["description"].partition(": ")[2].partition(":")[0] for item in found
    }
    for name in reports["junit"]:
        check_junit((project.root / name).read_text(encoding="utf-8"))
    assert all((project.root / path).is_file() for path in job["artifacts"]["paths"])


def test_the_image_has_what_the_package_is_built_of_and_ends_as_somebody_without_rights(tmp_path):
    steps = instructions("Dockerfile")
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for *sources, _ in (rest.split() for word, rest in steps if word == "COPY" and not rest.startswith("--from")):
        for source in map(Path, sources):
            assert source.parts[0] in let_in
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, tmp_path / source)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True, timeout=SECONDS)

    [wheel] = (tmp_path / "dist").glob("*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    assert {"sqlmigrate/__main__.py", "sqlmigrate/py.typed"} <= set(inside)
    assert [rest for word, rest in steps if word == "USER"] == ["10001:10001"]
    assert ("ENTRYPOINT", '["sqlmigrate"]') in steps


def test_the_image_is_built_with_and_without_extras():
    [what] = [shlex.split(rest)[-1] for word, rest in instructions("Dockerfile") if "pip install" in rest]

    def installed(extras: str) -> str:
        command = ["sh", "-c", f'printf %s "{what}"']
        environ = {**os.environ, "EXTRAS": extras}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=SECONDS).stdout

    assert installed("") == "."
    assert installed("embedded,review") == ".[embedded,review]"
    assert "EXTRAS=embedded,review" in CONTAINERS


def test_a_job_gives_up_for_what_another_try_does_not_mend():
    spec = read("job.yaml")["spec"]
    statuses = spec["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"]
    [container] = spec["template"]["spec"]["containers"]
    section = COMMANDS.partition("## Exit statuses")[2]
    known = {int(number) for number in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}

    assert taken(container["args"]) == "apply"
    assert set(statuses) <= known
    told = dict(re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", CONTAINERS, re.MULTILINE))
    assert known - {130} <= set(map(int, told))
    assert {int(number) for number, again in told.items() if "no" in again and number != "0"} == set(statuses)


def test_each_pod_of_a_fleets_job_takes_a_share():
    spec = read("fleet-job.yaml")["spec"]
    [container] = spec["template"]["spec"]["containers"]
    [script] = container["args"]
    shown = f"{script.replace('exec sqlmigrate', 'echo')}"
    words = [
        subprocess.run(
            [*container["command"], shown], env={**os.environ, "JOB_COMPLETION_INDEX": str(index)}, capture_output=True,
            text=True, check=True, timeout=SECONDS,
        ).stdout.split()
        for index in range(spec["completions"])
    ]  # fmt: skip

    assert words == [["fleet", "apply", "--part", str(part), "--of", "8"] for part in range(1, 9)]
    assert taken(words[0]) == "fleet"


def test_machines_of_a_fleet_are_given_calls_that_are_there():
    items = read("fleet-machines.yaml")["items"]
    pods = [item["spec"]["template"]["spec"] for item in items if item["kind"] != "Service"]
    calls = [container["args"] for pod in pods for container in pod["containers"]]
    for name in ("scheduler", "worker"):
        unit = (DEPLOY / f"sqlmigrate-{name}.service").read_text(encoding="utf-8")
        [words] = re.findall(r"^ExecStart=/opt/sqlmigrate/bin/sqlmigrate (.*)$", unit, re.MULTILINE)
        calls.append(words.split())

    fleet = cli.get_command(click.Context(cli), "fleet")
    assert isinstance(fleet, click.Group)
    assert [words[1] for words in calls] == ["scheduler", "worker", "apply", "scheduler", "worker"]
    for group, name, *rest in calls:
        assert group == "fleet"
        fleet.commands[name].make_context(name, list(rest))


def test_an_init_container_only_reads():
    [container] = read("deployment.yaml")["spec"]["template"]["spec"]["initContainers"]

    assert container["args"] == ["status", "--check"]
    assert taken(container["args"]) == "status"


def test_the_application_of_the_compose_file_waits_for_its_migrations():
    services = read("compose.yaml")["services"]

    assert taken(services["migrate"]["command"]) == "apply"
    assert services["app"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["migrate"]["depends_on"] == {"db": {"condition": "service_healthy"}}


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("gitlab.yml", PULL_REQUESTS),
        ("job.yaml", CONTAINERS),
        ("fleet-job.yaml", FLEETS),
        ("fleet-machines.yaml", MACHINES),
        ("sqlmigrate-scheduler.service", MACHINES),
        ("sqlmigrate-worker.service", MACHINES),
        ("compose.yaml", CONTAINERS),
        ("Dockerfile.migrations", CONTAINERS),
    ],
)
def test_the_page_shows_each_template_as_it_is(name, page):
    assert without_comments((DEPLOY / name).read_text(encoding="utf-8")) in page


@pytest.mark.parametrize(
    "call",
    [
        "check-jsonschema --builtin-schema vendor.github-actions action.yml",
        "check-jsonschema --builtin-schema vendor.gitlab-ci deploy/gitlab.yml",
        "check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml",
        "hadolint Dockerfile deploy/Dockerfile.migrations",
    ],
)
def test_a_template_holds_against_its_published_schema(call):
    program, *words = shlex.split(call)
    if not (TOOLS / "venv" / "bin" / program).exists():
        pytest.skip(f"{program} is not installed: make install-tools")
    done = subprocess.run(
        [TOOLS / "venv" / "bin" / program, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )

    assert done.returncode == 0, done.stdout + done.stderr
