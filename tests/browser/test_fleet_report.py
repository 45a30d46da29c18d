"""The HTML report of a fleet's run in a real Chromium: on a phone and on a desk, with few targets and very many."""

from __future__ import annotations

import pytest

from browser.test_report import CUT_OFF, DESK, PHONE, STICKING_OUT, WIDTH
from sqlmigrate.fleet.ledger import Entry, Head, RunRecord
from sqlmigrate.fleet.model import Failure, State, Wanted, Wave
from sqlmigrate.fleet.report import html

AT = "2026-01-01T00:00:01.000000Z"
TYPO = Failure(
    "ExecutionError", 'column "net" does not exist', "typo", "mend `2_b`", "sql/2_b.sql:2:27", "2_b", "42703"
)


def record(names, entries, *, why=None):
    waves = (Wave("canary", tuple(names[:2])), Wave("10%", tuple(names[2:4])), Wave("rest", tuple(names[4:])))
    head = Head("c0184740-5459-40e4-bc7b-d052245e95aa", AT, "me", "here", Wanted(to="2_b"), waves, (), "production")
    return RunRecord(head, entries, "2026-01-01T01:14:05.000000Z", why)


def fine():
    names = [f"tenant{number}" for number in range(24)]
    return record(names, {name: Entry(name, State.DONE, AT, "rest", 1, 0.5, ("1_a", "2_b")) for name in names})


def stopped(names, failure=TYPO, blocker=None):
    """Make a run in every state that a report can show."""
    states = (State.DONE, State.UNCHANGED, State.DEFERRED, State.RUNNING, State.INTERRUPTED, State.FAILED)
    entries = {}
    for at, name in enumerate(names[: len(names) // 2]):
        state = states[at % len(states)]
        given = failure if state is State.FAILED else None
        entries[name] = Entry(name, state, AT, "rest", 2, 610.2, ("1_a",), given, blocker, "deploy-7f9c:41")
    return record(names, entries, why="the same error came back")


def many():
    return stopped([f"tenant-{number:06}" for number in range(300)])


def hostile():
    text = "</td><script>alert(1)</script><img src=x onerror=alert(1)>"
    return stopped([f"{text}{number}" for number in range(24)], Failure("Error", text, "x", text, text), text)


def long_names():
    text = "x" * 200
    return stopped([f"{text}{number}" for number in range(24)], Failure("Error", text, "x", text, text, text), text)


RECORDS = {"fine": fine, "many": many, "hostile": hostile, "long": long_names}


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
@pytest.mark.parametrize("name", RECORDS)
def test_nothing_sticks_out_of_the_page_and_the_browser_has_nothing_to_complain_of(opened, name, width, scheme):
    with opened(html.render(RECORDS[name](), "1.0"), width=width, color_scheme=scheme) as page:
        page.evaluate("() => document.querySelectorAll('details').forEach(part => { part.open = true; })")
        assert page.evaluate(WIDTH) == width
        assert page.evaluate(STICKING_OUT) == []
        assert page.evaluate(CUT_OFF) == []
        assert page.said == []
        assert [address.rpartition("/")[2] for address in page.asked] == ["report.html"]
        assert page.locator("img, script").count() == 0


def test_the_first_screen_of_a_phone_says_how_it_went_what_went_wrong_and_what_to_do(opened):
    with opened(html.render(stopped([f"t{number}" for number in range(60)]), "1.0"), width=PHONE) as page:
        heading = page.get_by_role("heading", level=1)
        assert (
            heading.inner_text()
            == "10 of 60 targets are up to date, 5 failed; it stopped early: the same error came back"
        )
        for text in ("sqlmigrate fleet resume c0184740", "sqlmigrate fleet rollback c0184740"):
            assert page.get_by_text(text, exact=True).bounding_box()["y"] < 800
        error = page.get_by_role("heading", name='column "net" does not exist')
        assert error.bounding_box()["y"] < 1_000
        assert page.locator(".error .in code").all_inner_texts() == [f"t{number}" for number in range(5, 30, 6)]
        colors = page.evaluate(
            "() => Object.fromEntries([...document.querySelectorAll('.dot')].map(dot => [dot.classList[1],"
            " [getComputedStyle(dot).backgroundColor,"
            " getComputedStyle(document.querySelector(`.shares .${dot.classList[1]}`)).fill]]))"
        )
        assert {"failed", "done", "left"} <= colors.keys()
        assert all(dot == bar for dot, bar in colors.values())
