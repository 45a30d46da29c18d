"""Completion in the real shells, and what they are told."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from sqlmigrate.cli.completing import complete
from sqlmigrate.cli.completion import SHELLS
from support.command import environment

PATIENCE = 60.0
PROGRAM = Path(sys.executable).with_name("sqlmigrate")
HEAVY = {"psycopg", "yaml", "jsonschema", "postgast", "regex", "rich", "yoyo", "pygments", "sqlmigrate.engine"}
BEGIN = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}
# A session of its own, with the terminal that is its standard input.
ON_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
READY = {
    "bash": "bind 'set enable-bracketed-paste off'",
    "zsh": "autoload -Uz compinit && compinit -u -D; setopt no_auto_remove_slash",
}


@pytest.fixture
def files(project):
    """Two migrations, two environments."""
    project.tables(**{"20260101_a": "a", "20260102_b": "b"})
    project.config("[env.live]\n[env.staging]\n")
    return project


def words(*typed):
    return [word for word, _ in complete(typed)[1]]


def test_what_may_stand_at_each_place(files):
    assert words("ap") == ["apply"]
    assert {"start", "stop"} <= set(words("db", ""))
    assert words("mark", "") == ["20260101_a", "20260102_b"]
    assert words("mark", "20260101_a", "--through", "20260102") == ["20260102_b"]
    assert words("apply", "--to=20260102") == ["--to=20260102_b"]
    assert words("apply", "--to", "=", "20260102") == ["20260102_b"]
    assert words("apply", "--to", "=") == ["20260101_a", "20260102_b"]
    assert words("review", "--env", "") == ["live", "staging"]
    assert words("apply", "--env", "li") == ["live"]
    assert words("explain", "H0")[:2] == ["H01", "H02"]
    assert words("review", "--write-remedy", "H01") == ["H01"]
    assert words("accept", "20260101_a", "") == []
    assert words("baseline", "") == []
    assert "--wait-for-server" in words("status", "--wa")
    assert words("history", "--operation", "ro") == ["rollback"]
    assert words("completion", "") == list(SHELLS)
    assert words("no-such-command", "") == words("")


def test_files_are_completed_by_the_shell(files):
    assert complete(["status", "--migrations", ""]) == ("folders", [])
    assert complete(["review", "--output", "r"]) == ("files", [])


def test_the_folder_of_the_command_line_counts(files):
    other = files.root / "other"
    other.mkdir()
    (other / "9_z.sql").touch()

    assert words("mark", "-m", str(other), "") == ["9_z"]
    assert words("mark", f"--migrations={other}", "") == ["9_z"]


@pytest.mark.parametrize("typed", [["mark", ""], ["apply", "--env", ""], ["explain", "H"], ["review", "--to"]])
def test_nothing_slow_is_loaded_while_somebody_waits(files, typed):
    code = "import sys; from sqlmigrate.cli import completing\ncompleting.complete(sys.argv[1:]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *typed], capture_output=True, text=True, check=True)

    assert HEAVY & set(done.stdout.split()) == set()
    assert "sqlmigrate.cli.app" in done.stdout.split()


def test_what_goes_wrong_completes_nothing_and_says_nothing(files, tmp_path):
    files.config("this is no TOML")
    done = subprocess.run(
        [PROGRAM, "mark", ""],
        env=environment({"_SQLMIGRATE_COMPLETE": "1"}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "plain\n", "")


def test_the_script_is_printed_also_as_json(sqlmigrate):
    assert sqlmigrate("completion", "fish").stdout == sqlmigrate("completion", "fish", "--json").document["script"]


def of_nobody(folder):
    """Give variables that hide the user's own settings from a shell, and the user's history."""
    own = {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(folder), "ZDOTDIR": str(folder)}
    return own | {"TERM": "dumb", "PS1": "$ ", "INPUTRC": os.devnull, "HISTFILE": os.devnull}


@contextmanager
def interactive(shell, folder):
    """Run a shell on a terminal, with the completion read; yields a function that types, and reads up to a text."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    screen, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, shell, *BEGIN[shell]],
        cwd=folder, env=environment(of_nobody(folder)), stdin=inside, stdout=inside, stderr=inside,
    )  # fmt: skip
    os.close(inside)

    def type_(text, until):
        os.write(screen, text.encode())
        seen, deadline = "", time.monotonic() + PATIENCE
        while until not in seen:
            assert time.monotonic() < deadline, seen
            if select.select([screen], [], [], 1)[0]:
                seen += os.read(screen, 65536).decode(errors="replace")

    try:
        type_(f"{READY[shell]}; say() {{ printf '[%s]' \"$@\"; echo; }}\n", "$ ")
        type_(f'eval "$(sqlmigrate completion {shell})"; say ready\n', "[ready]")
        yield type_
    finally:
        process.kill()
        process.wait()
        os.close(screen)


TYPED = {
    "mark 20260102": "[mark][20260102_b]",
    "apply --to 20260101": "[apply][--to][20260101_a]",
    "apply --to=20260101": "[apply][--to=20260101_a]",
    "review --env li": "[review][--env][live]",
    "explain H01": "[explain][H01]",
    "val": "[validate]",
    "status --config sqlmig": "[status][--config][sqlmigrate.toml]",
    "status --migrations sq": "[status][--migrations][sql/]",
    "mark 7": "[mark][7$(touch${IFS}ran)*`touch${IFS}ran`]",
}


@pytest.fixture
def hostile(files):
    """A name that is a pattern and a command to a shell, and a file that the pattern matches."""
    name = "7$(touch${IFS}ran)*`touch${IFS}ran`"
    files.tables(**{name: "c"})
    (files.root / name.replace("*", "other")).touch()
    return files


@pytest.mark.parametrize("shell", list(BEGIN))
def test_tab_completes_in_the_real_shell(hostile, shell):
    """What was completed is not run but shown: `say` is typed at the beginning of the line, which Ctrl-A goes to."""
    with interactive(shell, hostile.root) as type_:
        for typed, completed in TYPED.items():
            type_(f"sqlmigrate {typed}\t\x01say \x05\n", f"[sqlmigrate]{completed}")
    assert not (hostile.root / "ran").exists()


def test_fish_completes_too(hostile):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    lines = ["sqlmigrate completion fish | source"]
    lines += [f"complete -C 'sqlmigrate {typed}'; echo end" for typed in TYPED]
    done = subprocess.run(
        ["fish", "--no-config"],
        input="\n".join(lines),
        env=environment(of_nobody(hostile.root)),
        capture_output=True,
        text=True,
        check=True,
    )

    found = [[line.split("\t")[0] for line in part.split("\n") if line] for part in done.stdout.split("end\n")[:-1]]
    expected = [re.findall(r"\[([^]]*)\]", completed)[-1] for completed in TYPED.values()]
    assert found == [[word] for word in expected]
