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
    outputs = tmp_path / "output"
    outputs.touch()
    given = {f"inputs.{name}": item["default"] for name, item in ACTION["inputs"].items()}

    def call(name: str, **environ: str) -> subprocess.CompletedProcess[str]:
        values = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
        known = given | {"github.token": "a-token"} | {f"steps.review.outputs.{k}": v for k, v in values.items()}
        step = STEPS[name]
        own = {k: re.sub(r"\$\{\{ (\S+) \}\}", lambda m: known[m[1]], v) for k, v in step.get("env", {}).items()}
        around = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_API_URL": api.url,
            "GITHUB_BASE_REF": "main",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_REPOSITORY": "acme/shop",
            "RUNNER_TEMP": str(tmp_path / "temp"),
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=project.root,
            env={**os.environ, **around, **own, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )

    return call


def test_the_steps_review_the_branch_and_keep_one_comment(run, api, project, shadow_on_tests_server):
    repository = Repository(project.root)
    project.tables("a")
    repository.commit("first")
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    project.migration("b", "ALTER TABLE a ADD x integer;", rollback="SELECT 1;")
    repository.commit("work")

    review = run("review")
    assert review.returncode == 0, review.stderr
    assert {line["command"] for line in read_annotations(review.stdout)} >= {"error"}
    assert run("comment").stdout == "the comment was written\n"
    assert run("comment").stdout == "the comment was updated\n"
    assert [method for method, _ in api.asked] == ["GET", "POST", "GET", "PATCH"]
    assert api.asked[-1][1] == "/api/v3/repos/acme/shop/issues/comments/7"
    assert api.tokens == {"Bearer a-token"}
    assert len(api.comments) == 2
    assert "undo broken" in api.comments[1]["body"]
    assert run("end").returncode == 3


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
