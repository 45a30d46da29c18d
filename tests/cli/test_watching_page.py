"""The sessions that docs/watching.md shows are run, in a terminal of 80 columns and in a wider one."""

from __future__ import annotations

import re
import signal

import pytest

from support.command import terminal
from support.places import ROOT
from support.screen import shown_on
from support.sessions import beside, wait_for_blocked, wait_for_row, wait_for_sleep
from support.waiting import wait_until

SEEN = (
    "SELECT 1 FROM sqlmigrate.script_attempts WHERE state = 'running' AND seen_at IS NOT NULL AND blockers IS NOT NULL"
)
THERE = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
TERM = {"TERM": "xterm"}


def plain(text):
    """Leave of a text what is the same each time: words, without how they wrap, numbers, names of machines, folders."""
    words = re.sub(r"\S+@\S+?(?=[\s)])", "U@H", " ".join(text.split()))
    return re.sub(r"\d[\d,.:]*", "0", re.sub(r"\S*/(?=\w+\.sql)", "", words))


def blocks():
    """Give the sessions of the page, by their first words behind the command."""
    page = (ROOT / "docs" / "watching.md").read_text()
    section = page.split("\n## Sessions\n")[1].split("\n## ")[0]
    found = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [re.sub(r"^\$ .*\n", "", block) for block in found]


@pytest.fixture
def orders(project, target):
    """A script that waits for a session that waits for another one, and one that makes others wait."""
    session = target.connect()
    session.execute("CREATE TABLE orders (n integer)")
    session.execute("CREATE TABLE other ()")
    session.execute("CREATE TABLE gate AS SELECT 1")
    project.migration(
        "20261130_total", "CREATE TABLE x ();\n\nALTER TABLE orders ADD total numeric;\n", rollback="SELECT 1;"
    )
    slow = "LOCK TABLE orders; SELECT pg_sleep(60) WHERE EXISTS (SELECT FROM gate);\n"
    project.migration("20261131_type", slow, rollback="SELECT 1;")
    return session


def blocked_until_it_is_seen(orders, screen):
    """Wait until the run has said who is in its way, and has noted it."""
    screen.wait_for("behind that")
    wait_for_row(orders, SEEN)
    screen.wait_for("waits for Lock: relation")


def test_the_sessions_of_the_page(orders, target, sqlmigrate):
    blocked, interrupted, guarded, history = blocks()
    last = target.connect(autocommit=False, application_name="forgotten")
    last.execute("LOCK TABLE other")
    first = target.connect(autocommit=False, application_name="shop")
    first.execute("SELECT n FROM orders")
    shown = []
    with beside(lambda: first.execute("SELECT FROM other")) as (waiting,):
        wait_for_blocked(orders, "shop")
        for end, columns in ((signal.SIGINT, 80), (signal.SIGKILL, 120)):
            with terminal("apply", "--yes", "--lock-timeout", "10min", columns=columns, env=TERM) as screen:
                blocked_until_it_is_seen(orders, screen)
                pid = wait_for_blocked(orders)
                shown.append(shown_on(screen.shown))
                screen.process.send_signal(end)
                screen.end()
                shown.append(shown_on(screen.shown))
            wait_until(lambda pid=pid: not orders.execute(THERE, [pid]).fetchone(), timeout=60)
        last.rollback()
        waiting.result(60)
    first.rollback()
    readers = [target.connect() for _ in range(3)]

    def read(reader):
        wait_for_sleep(target.connect())  # it has its lock by then
        reader.execute("SELECT FROM orders")

    works = [lambda reader=reader: read(reader) for reader in readers]
    with terminal("apply", "--yes", "--max-block", "1s", columns=80, env=TERM) as screen, beside(*works):
        screen.wait_for("next attempt")
        orders.execute("DELETE FROM gate")
        assert screen.end() == 0
    left = sqlmigrate("history", "--failed").stdout

    for text, width in zip(shown[::2], (80, 120), strict=True):
        assert plain(blocked) in plain(text)
        assert all(len(line) <= width for line in text.splitlines() if "socket" not in line)
    assert plain(interrupted) in plain(shown[1])
    assert plain(guarded) in plain(shown_on(screen.shown))
    assert plain(left).startswith(plain(history))
