"""The HTML report in a real Chromium: on a phone, on a desk, in the dark and on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from sqlmigrate.review.render import html, markdown
from support import reports
from support.waiting import LONG

PHONE, DESK = 360, 1280
WIDTH = "() => document.documentElement.scrollWidth"
# Elements that stick out of the page, but for what is hidden on purpose: the skip link, and words for screen readers.
STICKING_OUT = """() => [...document.querySelectorAll('body *')].filter(element => {
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.right > window.innerWidth + 1 && !element.closest('.said, .skip');
}).map(element => element.outerHTML.slice(0, 120))"""
# Text that its own box cuts off.
CUT_OFF = """() => [...document.querySelectorAll('p, h1, h2, h3, h4, li, dd, dt, td, th, .l')].filter(element =>
    element.clientWidth > 1 && element.scrollWidth > element.clientWidth + 1
    && getComputedStyle(element).overflowX !== 'visible'
).map(element => element.outerHTML.slice(0, 120))"""
BACKGROUND = "() => getComputedStyle(document.body).backgroundColor"
FOCUSED = """() => {
    const element = document.activeElement;
    return element === document.body ? 'BODY' : `${element.tagName} ${element.textContent}`;
}"""


def long_names():
    """Make a report of names and lines that have no place to break."""
    name = "s" * 63 + "." + "t" * 63
    found = reports.dangerous()
    hold = replace(found.apply.holds[0], lock=reports.lock("ACCESS EXCLUSIVE", name))
    sql = f"ALTER TABLE {name} ADD COLUMN {'c' * 63} text DEFAULT '{'x' * 2_000}'"
    statement = replace(found.apply.statements[0], line=1, last_line=1, text=sql, own=(hold.lock,), made=(name,) * 9)
    apply = replace(found.apply, text=sql, statements=(statement,), holds=(hold,), path=f"sql/{name}.sql", longest=hold)
    return replace(reports.report(), headline=name, migrations=(replace(found, migration_id=name, apply=apply),))


REPORTS = {"report": reports.report, "fine": reports.fine, "hostile": reports.hostile, "long": long_names}


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
@pytest.mark.parametrize("name", REPORTS)
def test_nothing_sticks_out_of_the_page_and_the_browser_has_nothing_to_complain_of(opened, name, width, scheme):
    with opened(html.render(REPORTS[name]()), width=width, color_scheme=scheme) as page:
        assert page.evaluate(WIDTH) == width
        assert page.evaluate(STICKING_OUT) == []
        assert page.evaluate(CUT_OFF) == []
        assert page.said == []
        assert [address.rpartition("/")[2] for address in page.asked] == ["report.html"]


def test_hostile_text_stays_text_even_where_scripts_may_run(chromium, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(html.render(reports.hostile()), encoding="utf-8")
    page = chromium.new_page()
    page.set_default_timeout(LONG * 1000)
    shown = []
    page.on("dialog", lambda dialog: shown.append(dialog.message))
    page.goto(file.as_uri())
    page.wait_for_load_state("load")

    assert shown == []
    assert page.locator("img, script, iframe").count() == 0
    assert "<img src=x onerror=alert(1)>" in page.locator("h1").inner_text()
    page.close()


def test_the_page_is_dark_in_the_dark_and_white_on_paper(opened):
    text = html.render(reports.report())
    with opened(text, width=DESK, color_scheme="dark") as page:
        dark = page.evaluate(BACKGROUND)
        page.emulate_media(media="print")
        paper = page.evaluate(BACKGROUND)

    assert (dark, paper) == ("rgb(21, 24, 28)", "rgb(255, 255, 255)")


def test_what_is_folded_on_the_screen_is_open_on_paper(opened):
    with opened(html.render(reports.report()), width=DESK) as page:
        tables = page.locator("details table")
        folded = [table.is_visible() for table in tables.all()]
        page.emulate_media(media="print")
        for table in tables.all():
            table.wait_for(state="visible", timeout=LONG * 1000)
        for remedy in page.locator("details.hazard .remedy").all():
            remedy.wait_for(state="visible", timeout=LONG * 1000)

        assert folded == [False] * 4
        assert page.locator("details.hazard").count() == 1  # of the rollback script


@pytest.mark.parametrize("media", ["screen", "print"])
def test_a_phone_in_portrait_and_paper_show_tables_without_scrolling(opened, media):
    with opened(html.render(reports.report()), width=PHONE if media == "screen" else 718) as page:
        page.emulate_media(media=media)

        assert page.evaluate(STICKING_OUT) == []


def test_every_link_leads_to_a_place_that_is_shown(opened):
    with opened(html.render(reports.report()), width=DESK) as page:
        targets = {link.get_attribute("href") for link in page.locator("a").all()}

        assert targets
        assert [target for target in targets if not page.locator(target).is_visible()] == []


def test_the_keyboard_comes_first_to_the_skip_link_and_then_everywhere(opened):
    with opened(html.render(reports.report()), width=DESK) as page:
        page.keyboard.press("Tab")
        first = page.evaluate("() => [document.activeElement.textContent, document.activeElement.offsetLeft >= 0]")
        page.keyboard.press("Enter")
        reached = []
        while len(reached) < 200 and (not reached or reached[-1] != "BODY"):
            page.keyboard.press("Tab")
            reached.append(page.evaluate(FOCUSED))

        assert first == ["Skip to the review", True]
        assert page.url.endswith("#review")
        assert {
            "SUMMARY The same data as a table",
            "A Read the script",
            "A what and why",
            "A What to do instead",
        } <= set(reached)
        assert reached.count("SUMMARY The same data as a table") == 4


def test_screen_readers_find_headings_tables_and_the_picture_by_name(opened):
    with opened(html.render(reports.report()), width=DESK) as page:
        assert page.get_by_role("heading", level=1).count() == 1
        assert page.get_by_role("main").count() == 1
        assert page.get_by_role("navigation", name="Contents").count() == 1
        assert page.get_by_role("img", name="Locks of the apply script over its 6 statements in time").count() == 1
        assert page.get_by_role("article", name="0042.orders").count() == 1
        assert page.get_by_role("columnheader", name="Before").count() > 0


MARKDOWN = """body { font: 14px/1.5 sans-serif; width: 780px; margin: 0 auto } code { font-size: 12px }
h2 { font-size: 21px } p, ul, blockquote { margin: 0 0 16px } ul { padding-left: 28px }"""
"""As wide and as large as GitHub shows a comment."""


def test_a_comment_on_a_small_change_fits_on_one_screen(opened):
    small = replace(reports.report(), migrations=(reports.measured(reports.dangerous()),))
    written = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown.render(small))
    with opened(f"<!doctype html><style>{MARKDOWN}</style>{written}", width=DESK) as page:
        assert page.evaluate("() => document.documentElement.scrollHeight") <= 900
        assert page.get_by_role("link", name="db/sql/0042.orders.sql:12").first.is_visible()


def test_marks_of_rewrites_and_scans_stand_on_the_bar_of_their_table(opened):
    with opened(html.render(reports.report()), width=DESK) as page:
        bar = page.locator("#m1-apply .timeline > svg .bar.reads").first.bounding_box()
        marks = [mark.bounding_box() for mark in page.locator("#m1-apply .timeline > svg .mark").all()]
        edges = [page.locator("#m1-apply svg .time").nth(at).bounding_box() for at in (0, -1)]

    assert len(marks) == 3
    for mark in marks:
        assert bar["x"] <= mark["x"] <= bar["x"] + bar["width"]
        assert bar["y"] <= mark["y"] + mark["height"] / 2 <= bar["y"] + bar["height"]
    assert edges[0]["x"] < edges[1]["x"]


def test_on_paper_a_page_is_as_full_as_its_parts_allow(opened):
    """No part begins a page of its own, so that only what cannot be cut leaves room below it."""
    with opened(html.render(reports.report()), width=DESK) as page:
        page.emulate_media(media="print")
        forced = page.evaluate(
            "() => [...document.querySelectorAll('body *')].map(e => getComputedStyle(e))"
            ".filter(s => s.breakBefore === 'page' || s.breakAfter === 'page').length"
        )
        whole = page.evaluate(
            "() => Math.max(...[...document.querySelectorAll('body *')]"
            ".filter(e => getComputedStyle(e).breakInside === 'avoid').map(e => e.getBoundingClientRect().height))"
        )

    assert forced == 0
    assert whole < 400  # pixels of the 1,020 that a sheet has
