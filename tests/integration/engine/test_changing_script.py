"""A large script that another process changes while it runs: what runs is what was checked, or it stops."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sqlmigrate.errors import Error, HalfWayError, ScriptError
from sqlmigrate.events import Event, Notice, ScriptStarted
from sqlmigrate.sql import script, source, streamed
from support.stepwise import OUTSIDE

STATEMENTS = 60
PADDING = 3_000
# What the other process does to the file of its first argument, with the text of the file of its second one.
CHANGES = {
    "rewritten in place": "open(path, 'r+b').write(text)",
    "one byte at its end": "f = open(path, 'r+b'); f.seek(-10, 2); f.write(b'?')",
    "replaced": "open(path + '.new', 'wb').write(text); os.rename(path + '.new', path)",
    "truncated": "os.truncate(path, len(text) * 2 // 3)",
    "truncated and written again": "open(path, 'wb').write(text)",
    "made longer": "open(path, 'ab').write(b'CREATE TABLE unchecked_more ();')",
    "removed": "os.unlink(path)",
}
ON_OPEN_FILE = {"replaced", "removed"}  # these leave the file as it is for whoever has it open


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 64 kB be a large script, read in parts of 4 kB."""
    monkeypatch.setattr(script, "HELD_MAX", 1 << 16)
    monkeypatch.setattr(streamed, "_CHUNK", 1 << 12)
    monkeypatch.setattr(source, "_CHUNK", 1 << 12)


def text(tag: str, *, copy: bool = False) -> str:
    """Give a script of statements of one length, each of which says a notice, with the tag in its tables' names."""
    if copy:
        rows = "".join(f"{tag}{number:06d}{'x' * 80}\n" for number in range(2_000))
        return f"CREATE TABLE {tag}_1 (a text);\n{SAY}COPY {tag}_1 FROM STDIN;\n{rows}\\.\nCREATE TABLE {tag}_2 ();\n"
    padding = "x" * PADDING
    return "".join(f"CREATE TABLE {tag}_{number:02d} ();\n{SAY}/*{padding}*/\n" for number in range(1, STATEMENTS + 1))


SAY = "DO 'BEGIN RAISE NOTICE ''here''; END';\n"


def changing(path: Path, change: str, other: Path, moment: int) -> Callable[[Event], None]:
    """Let a second process change the file at the start of the script (0), or at its nth notice."""
    seen = 0

    def observe(event: Event) -> None:
        nonlocal seen
        at_start = isinstance(event, ScriptStarted)
        seen += isinstance(event, Notice)
        if (at_start and moment == 0) or (isinstance(event, Notice) and seen == moment):
            code = f"import os, sys; path, other = sys.argv[1:]; text = open(other, 'rb').read(); {change}"
            subprocess.run([sys.executable, "-c", code, path, other], check=True)

    return observe


def tables(conn) -> set[str]:
    rows = conn.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    return {name for (name,) in rows}


@pytest.mark.parametrize("moment", [0, 1, 20])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("head", ["", OUTSIDE], ids=["in a transaction", "outside"])
def test_no_statement_runs_that_was_not_checked(runner, conn, monkeypatch, tmp_path, head, change, moment):
    path = runner.write("a", head + text("checked"))
    other = tmp_path / "other"
    other.write_text(head + text("hostile"), encoding="utf-8")
    checked = runner.load().named("a").script.sha256
    monkeypatch.setattr(runner, "observe", changing(path, CHANGES[change], other, moment))

    stopped: Error | None = None
    try:
        runner.apply()
    except Error as error:
        stopped = error

    assert {name[: len("checked")] for name in tables(conn)} <= {"checked"}
    if moment and (change in ON_OPEN_FILE or (not head and stopped is None)):  # a pipeline may be sent by then
        assert stopped is None
        assert len(tables(conn)) == STATEMENTS
        assert runner.history().get("a").sha256 == checked
        return
    assert stopped is not None
    assert stopped.exit_status == (6 if head and moment else 1)
    assert "the file changed since it was checked" in stopped.message or change == "removed"
    if head and moment:
        assert isinstance(stopped, HalfWayError)
        assert len(tables(conn)) >= moment
    else:
        assert isinstance(stopped, ScriptError)
        assert (tables(conn), runner.applied()) == (set(), [])


def test_it_goes_on_once_the_file_is_what_was_checked_again(runner, conn, monkeypatch, tmp_path):
    path = runner.write("a", OUTSIDE + text("checked"))
    other = tmp_path / "other"
    other.write_text(OUTSIDE + text("hostile"), encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(runner, "observe", changing(path, CHANGES["rewritten in place"], other, 5))
        with pytest.raises(HalfWayError):
            runner.apply()
    with pytest.raises(Error, match="statement 1 "):
        runner.apply()  # the statements that are done are other ones now

    runner.write("a", OUTSIDE + text("checked"))
    runner.apply()

    assert len(tables(conn)) == STATEMENTS


@pytest.mark.parametrize("head", ["", OUTSIDE], ids=["in a transaction", "outside"])
def test_rows_of_copy_are_those_that_were_checked(runner, conn, monkeypatch, tmp_path, head):
    path = runner.write("a", head + text("checked", copy=True))
    other = tmp_path / "other"
    other.write_text(head + text("hostile", copy=True), encoding="utf-8")
    monkeypatch.setattr(runner, "observe", changing(path, CHANGES["rewritten in place"], other, 1))

    with pytest.raises(Error, match="the file changed since it was checked") as caught:
        runner.apply()

    assert caught.value.exit_status == (6 if head else 1)
    assert tables(conn) == ({"checked_1"} if head else set())
    if head:
        assert conn.execute("SELECT count(*) FROM checked_1").fetchone() == (0,)
