"""The action's own steps, run by bash in a throwaway clone, with an event file and an API that records its calls."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from support.formats import read_annotations
from support.places import ROOT
from support.reports import STATS
from support.repository import Repository

ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["id"]: step for step in ACTION["runs"]["steps"] if "run" in step}
TIMEOUT = 300  # seconds


class Api:
    """The comments of a pull request, and what was asked for, as (method, path)."""

    def __init__(self) -> None:
        self.comments: list[dict] = [
            {"id": 1, "user": {"type": "User"}, "body": "<!-- sqlmigrate review -->\nby somebody else"}
        ]
        self.asked: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()
        self.refuses = False

    def answer(self, method: str, path: str, body: dict | None) -> tuple[int, object]:
        self.asked.append((method, path))
        if self.refuses and method != "GET":
            return 403, {"message": "Resource not accessible by integration"}
        if method == "GET":
            return 200, self.comments
        if method == "POST":
            self.comments.append({"id": 7, "user": {"type": "Bot"}, **body})
            return 201, self.comments[-1]
        self.comments[-1] |= body
        return 200, self.comments[-1]


@pytest.fixture
def api():
    """A server of its own on the loopback interface."""
    found = Api()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            found.tokens.add(self.headers.get("Authorization"))
            status, said = found.answer(self.command, self.path, body)
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815  the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}/api/v3"
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def run(project, api, tmp_path):
    """Run a step by its id, as the runner does it; gives what it prints, with its status."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 12}}), encoding="utf-8")
    files = {name: tmp_path / f"output of {name}" for name in STEPS}
    env = tmp_path / "env"
    for path in (*files.values(), env):
        path.touch()
    given = {f"inputs.{name}": item["default"] for name, item in ACTION["inputs"].items()}

    def said(path: Path) -> dict[str, str]:
        return dict(line.split("=", 1) for line in path.read_text().splitlines())

    def call(name: str, **environ: str) -> subprocess.CompletedProcess[str]:
        outputs = {f"steps.{step}.outputs.{k}": v for step, path in files.items() for k, v in said(path).items()}
        known = given | {"github.token": "a-token"} | outputs
        step = STEPS[name]
        own = {k: re.sub(r"\$\{\{ (\S+) \}\}", lambda m: known[m[1]], v) for k, v in step.get("env", {}).items()}
        around = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_API_URL": api.url,
            "GITHUB_BASE_REF": "main",
            "GITHUB_ENV": str(env),
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_OUTPUT": str(files[name]),
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_SERVER_URL": "https://github.com",
            "RUNNER_TEMP": str(tmp_path / "temp"),
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=project.root,
            env={**os.environ, **around, **said(env), **own, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )

    return call


def test_the_steps_say_all_that_must_be_decided_in_one_comment(run, api, project, shadow_on_tests_server):
    """It edits what may be applied, breaks an undo, locks a hot table and has two equal numbers, merged as GitHub does.

    The server is that of the tests, so it is not the one that the step `server` finds.
    """
    repository = Repository(project.root)
    project.migration("0001_t", "CREATE TABLE t (id bigint PRIMARY KEY, total integer);", rollback="DROP TABLE t;")
    project.migration("0002_u", "CREATE TABLE u (id bigint);", rollback="DROP TABLE u;")
    repository.write("stats.json", json.dumps(STATS))
    repository.commit("first")
    repository.git("checkout", "-qb", "work")
    project.migration("0002_u", "CREATE TABLE u (id integer);", rollback="DROP TABLE u;")
    project.migration("0003_total", "ALTER TABLE t ALTER total TYPE bigint;", rollback="SELECT 1;")
    repository.commit("work")
    repository.git("checkout", "-q", "main")
    project.migration("0003_note", "SELECT 1;", rollback="SELECT 1;")
    repository.commit("theirs")
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repository.git("checkout", "-q", "--detach")
    repository.git("merge", "-q", "-m", "merge", "work")

    validate, review = run("validate"), run("review", STATS="stats.json")
    assert (validate.returncode, review.returncode) == (0, 0), validate.stderr + review.stderr
    annotations = [*read_annotations(validate.stdout), *read_annotations(review.stdout)]
    assert {line["command"] for line in annotations} == {"error", "warning", "notice"}
    told = [(line["title"].partition(":")[0], line["file"]) for line in annotations]
    assert len(told) == len(set(told)), told
    assert {("files/edited-applied", "sql/0002_u.sql"), ("H01", "sql/0003_total.sql")} <= set(told)
    assert run("comment").stdout == "the comment was written\n"
    assert run("comment").stdout == "the comment was updated\n"
    assert [method for method, _ in api.asked] == ["GET", "POST", "GET", "PATCH"]
    assert api.asked[-1][1] == "/api/v3/repos/acme/shop/issues/comments/7"
    assert api.tokens == {"Bearer a-token"}
    assert len(api.comments) == 2
    screen = api.comments[1]["body"].partition("<details>")[0]
    told = [line for line in screen.splitlines() if line.startswith("> 1. ")]
    assert [line.split("**")[1] for line in told] == [
        "edited, though it may be applied",
        "undo broken",
        "H01 a whole table is rewritten",
        "a number twice",
    ]
    commit = repository.git("rev-parse", "HEAD").strip()
    names = ("0002_u.sql", "0003_total.rollback.sql", "0003_total.sql#L1", "0003_total.sql")
    for line, name in zip(told, names, strict=True):
        assert f"](https://github.com/acme/shop/blob/{commit}/sql/{name})" in line
    assert "830 writes/s" in screen
    assert len(screen.splitlines()) < 16
    assert run("end").returncode == 3


def test_the_step_finds_the_server_of_the_wheel_and_refuses_a_version_that_there_is_not(run, tmp_path):
    found, refused = run("server"), run("server", MAJOR="9")

    assert "PostgreSQL) 18." in found.stdout
    assert (tmp_path / "env").read_text().startswith("SQLMIGRATE_PG_BINDIR=")
    assert refused.returncode == 1
    assert "9: not one of PostgreSQL 14, 15, 16, 17" in refused.stderr


def test_a_token_that_only_reads_and_a_run_for_no_pull_request_are_no_failure(run, api, tmp_path):
    (tmp_path / "temp" / "sqlmigrate").mkdir(parents=True)
    (tmp_path / "temp" / "sqlmigrate" / "review.md").write_text("a report\n", encoding="utf-8")
    api.refuses = True
    refused = run("comment")
    (tmp_path / "event.json").write_text("{}", encoding="utf-8")
    none = run("comment")

    assert (refused.returncode, none.returncode) == (0, 0)
    assert "needs pull-requests: write" in refused.stdout
    assert none.stdout == "no comment: this run is for no pull request\n"
    assert len(api.comments) == 1


@pytest.mark.parametrize("url", ["http://example.com", "ftp://127.0.0.1", ""])
def test_the_token_goes_nowhere_but_to_an_api(run, api, tmp_path, url):
    (tmp_path / "temp" / "sqlmigrate").mkdir(parents=True)
    (tmp_path / "temp" / "sqlmigrate" / "review.md").write_text("a report\n", encoding="utf-8")
    done = run("comment", GITHUB_API_URL=url)

    assert done.returncode == 1
    assert "not the address of an API" in done.stderr
    assert api.asked == []


def test_no_step_writes_an_expression_into_its_script():
    assert not [step for step in STEPS.values() if "${{" in step["run"]]
