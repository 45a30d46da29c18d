"""Commands that a project names run for what happens, and only where something is applied, rolled back or seeded."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from jsonschema import Draft202012Validator

from support.command import ended, started
from support.contents import applied
from support.places import ROOT
from support.seeds import LLMS, SeedFiles
from support.sessions import wait_for_blocked
from support.waiting import wait_until

SCHEMA = json.loads((ROOT / "docs" / "events.schema.json").read_text())
MOMENTS = ("before_run", "after_run", "before_migration", "after_migration", "on_failure", "on_waiting")


@pytest.fixture
def heard(project, target):
    """Configure hooks, all of which note what they hear unless told otherwise; gives what was heard, by moment."""
    file = project.root / "heard"

    def configure(more="", **commands):
        lines = [f"{key} = {json.dumps(value)}" for key, value in (noting(file) | commands).items()]
        project.config("\n".join(["[hooks]", *lines, more]))

    def read():
        lines = file.read_text().splitlines() if file.exists() else []
        found = [(moment, json.loads(event)) for moment, _, event in (line.partition(" ") for line in lines)]
        checker = Draft202012Validator(SCHEMA)
        assert [error.message for _, event in found for error in checker.iter_errors(event)] == []
        return [(moment, event["migration_id"]) for moment, event in found], [event for _, event in found]

    read.configure = configure
    return read


def noting(file):
    """Give a command for each moment that notes it, with its event, in a line."""
    write = f'printf "%s %s\\n" "$0" "$(cat)" >> {shlex.quote(str(file))}'
    return {moment: ["sh", "-c", write, moment] for moment in MOMENTS}


def test_hooks_hear_each_moment_of_apply_and_rollback_in_its_order(project, target, sqlmigrate, heard):
    heard.configure()
    project.tables("a", "b")

    assert sqlmigrate("apply").status == 0
    done, events = heard()
    assert sqlmigrate("apply").status == 0
    assert heard()[0] == done
    assert sqlmigrate("rollback", "--yes").status == 0

    first = [("before_migration", "a"), ("after_migration", "a")]
    both = [("before_migration", "b"), ("after_migration", "b")]
    assert done == [("before_run", None), *first, *both, ("after_run", None)]
    assert all(event["durable"] for event in events if event["event"] == "script_finished")
    assert events[0]["database"] == target.name
    assert heard()[0] == [*done, ("before_run", None), *both, ("after_run", None)]


@pytest.mark.parametrize(
    ("command", "said", "timeout"),
    [
        ("sh -c 'echo no backup; exit 3'", "the hook before_run failed with exit status 3; nothing was run", "1min"),
        ("./nothing", "the hook before_run cannot be run: ./nothing: No such file or directory", "1min"),
        # the hook that notes this failure has as much time
        (["sleep", "600"], "the hook before_run did not end within 4 s and was stopped", "4s"),
    ],
)
def test_where_the_hook_before_a_run_fails_nothing_happens(project, target, sqlmigrate, heard, command, said, timeout):
    heard.configure(f'timeout = "{timeout}"', before_run=command, after_run="", before_migration="", after_migration="")
    project.tables("a")

    outcome = sqlmigrate("apply", "--json")

    assert (outcome.status, outcome.document["error"]["message"].split(";")[0]) == (1, said.split(";")[0])
    assert sqlmigrate("status", "--json").document["summary"]["pending"] == 1
    assert [moment for moment, _ in heard()[0]] == ["on_failure"]
    if "backup" in command:
        assert "  | no backup" in outcome.stderr


def test_where_the_hook_before_a_migration_fails_those_before_it_stay(project, target, sqlmigrate, heard):
    heard.configure(before_migration="sh -c 'grep -q \\\"a\\\"'")
    project.tables("a", "b", "c")

    outcome = sqlmigrate("apply", "--json")

    assert (outcome.status, applied(target)) == (1, ["a"])
    assert outcome.document["error"]["message"].endswith("; b was not begun")
    assert outcome.document["error"]["done"] == ["a"]


def test_a_hook_afterwards_that_fails_is_a_warning(project, target, sqlmigrate, heard):
    heard.configure(after_migration="false", after_run="false")
    project.tables("a")

    outcome = sqlmigrate("apply")

    assert (outcome.status, applied(target)) == (0, ["a"])
    assert "the hook after_migration failed with exit status 1" in outcome.stderr
    assert "the hook after_run failed with exit status 1" in outcome.stderr


def test_who_waits_and_fails_is_told(project, target, sqlmigrate, heard):
    heard.configure()
    project.tables("a")
    sqlmigrate("apply")
    project.migration("b", "ALTER TABLE a ADD n int; SELECT 1 / 0;", rollback="SELECT 1;")
    before = len(heard()[0])

    with target.connect(autocommit=False) as other:
        other.execute("LOCK TABLE a")
        with started("apply", "--lock-timeout", "30s") as process:
            wait_for_blocked(target.connect())
            wait_until_heard(heard, ("on_waiting", "b"))
            other.rollback()
            outcome = ended(process)

    told, events = heard()
    assert outcome.status == 1
    assert set(told[before:]) == {
        ("before_run", None),
        ("before_migration", "b"),
        ("on_waiting", "b"),
        ("on_failure", "b"),
        ("after_run", "b"),
    }
    assert (events[-1]["exit_status"], events[-1]["server"]["sqlstate"]) == (1, "22012")


def wait_until_heard(heard, what):
    wait_until(lambda: what in heard()[0])


def test_only_apply_rollback_and_seed_run_hooks(project, target, sqlmigrate, heard, shadow_on_other_server):
    heard.configure()
    project.tables("a")

    for words in (
        ("validate",), ("status",), ("plan",), ("apply", "--dry-run"), ("review", "a"), ("roundtrip", "a"), ("drift",),
        ("config",), ("mark", "a"), ("unmark", "a", "--yes"),
    ):  # fmt: skip
        assert sqlmigrate(*words).status == 0, words
    assert heard()[0] == []

    (project.root / "data").mkdir()
    SeedFiles(project.root / "data").file("llms", LLMS, "llms:\n  - {model_code: a, provider: p}\n")
    target.connect().execute(
        "CREATE TABLE llms (id uuid DEFAULT gen_random_uuid(), model_code text UNIQUE, provider text)"
    )
    assert sqlmigrate("seed").status == 0
    assert [moment for moment, _ in heard()[0]] == ["before_run", "after_run"]


def test_the_examples_of_the_docs_do_what_they_say(project, target, sqlmigrate, listening, monkeypatch, binaries):
    page = (ROOT / "docs" / "events.md").read_text()
    (table,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (project.root / "hooks").mkdir()
    (project.root / "hooks" / "post.py").write_text(script)
    project.config(table, "pyproject.toml")
    url, posted = listening
    monkeypatch.setenv("PATH", f"{binaries.bindir}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLACK_URL", url)
    monkeypatch.setenv("PAGER_URL", url)
    project.tables("a")
    project.migration("b", "SELECT 1 / 0;")
    session = target.connect()
    session.execute("LISTEN pgrst")

    assert sqlmigrate("apply", "--to", "a").status == 0
    told = [(item.channel, item.payload) for item in session.notifies(timeout=60, stop_after=1)]
    assert sqlmigrate("apply").status == 1

    assert told == [("pgrst", "reload schema")]
    dumps = list(project.root.glob("before-*.dump"))
    assert [dump.read_bytes()[:5] for dump in dumps] == [b"PGDMP", b"PGDMP"]
    texts = [json.loads(body)["text"] for body in posted]
    assert [text.split(" ")[:3] for text in texts] == [["b", "run_ended", "exit"]]
    assert "division by zero" in texts[0]


@pytest.fixture
def listening():
    """Listen for what is posted; gives the URL, and the bodies."""
    posted = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", posted
        server.shutdown()
        thread.join()


def test_an_environment_has_hooks_of_its_own_and_none_go_with_one_transaction(project, target, sqlmigrate, heard):
    heard.configure('[env.test.hooks]\nbefore_run = "false"\nbefore_migration = ""\nafter_migration = ""')
    project.tables("a")

    together = sqlmigrate("apply", "--single-transaction")
    other = sqlmigrate("apply", "--env", "test", "--single-transaction")

    assert (together.status, other.status) == (2, 1)
    assert "--single-transaction has only one" in together.stderr
    assert "the hook before_run failed with exit status 1; nothing was run" in other.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("before_rum = 'x'", "hooks: before_rum: there is no such hook"),
        ("before_run = 7", "hooks: before_run: a command is needed"),
        ('before_run = "sh -c \'x"', "hooks: before_run: No closing quotation"),
        ("timeout = 0", "hooks: timeout: a hook that never ends"),
        ("timeout = 'soon'", "hooks: timeout"),
    ],
)
def test_a_hook_that_cannot_be_read_is_an_error_with_its_place(project, sqlmigrate, line, said):
    project.config(f"[hooks]\n{line}")

    outcome = sqlmigrate("config")

    assert (outcome.status, said in outcome.stderr) == (2, True), outcome.stderr
    assert "sqlmigrate.toml:2:1" in outcome.stderr


def test_a_hook_that_prints_without_end_fills_neither_memory_nor_terminal(project, target, sqlmigrate, heard):
    project.tables("a")
    endless = "head -c 3000000 /dev/zero | tr '\\0' x; yes $(seq 100)"
    heard.configure('timeout = "2s"', before_run=["sh", "-c", endless])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    stopped = sqlmigrate("apply")

    assert (stopped.status, "did not end within 2 s and was stopped; nothing was run" in stopped.stderr) == (1, True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    heard.configure(after_run=["sh", "-c", "seq 100000 | tr -d '\\n'; seq 100"])
    done = sqlmigrate("apply")
    assert done.status == 0
    assert f"  | {''.join(map(str, range(1, 100)))}" in done.stderr
    assert len(done.stderr) < 10_000
