"""How far long work is, and how long it may still take."""

from __future__ import annotations

import pytest

from sqlmigrate.cli.output import Output
from sqlmigrate.cli.pace import Log, Pace, time_left


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.1, "about 5 s left"),
        (41, "about 40 s left"),
        (59, "about 1 min left"),
        (200, "about 3 min left"),
        (89 * 60, "about 89 min left"),
        (100 * 60, "about 1.7 h left"),
    ],
)
def test_the_time_left_is_no_more_exact_than_it_is_known(seconds, words):
    assert time_left(seconds) == words


def test_the_time_left_goes_by_the_pace_so_far():
    now = [0.0]
    pace = Pace(lambda: now[0])

    assert pace.words(0, 40) == "0 of 40"
    now[0] = 2.0
    assert pace.words(12, 40) == "12 of 40"  # too early to tell
    now[0] = 77.0
    assert pace.words(12, 40) == "12 of 40 \u00b7 about 3 min left"
    assert pace.words(12, 40, after=40) == "12 of 40 \u00b7 about 7 min left"
    assert pace.words(0, 40, before=40) == "0 of 40 \u00b7 about 1 min left"
    assert pace.words(40, 40) == "40 of 40"


def test_a_log_gets_a_line_now_and_then(capsys):
    now = [0.0]
    log = Log(Output("review"), lambda: now[0])
    for seconds in range(200):
        now[0] = float(seconds)
        log.tell("review a", seconds // 5, 40)
    log.tell("review a", 40, 40)

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "review a: 6 of 40 \u00b7 about 3 min left"
    assert len(lines) == 6


def test_a_quiet_command_says_nothing_of_it(capsys):
    now = [0.0]
    log = Log(Output("review", quiet=True), lambda: now[0])
    now[0] = 100.0
    log.tell("review a", 1, 40)

    assert capsys.readouterr().err == ""
