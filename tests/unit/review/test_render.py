"""The three renderers draw the same reports; golden files are written by --write-changes."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from html import unescape

import pytest
from markdown_it import MarkdownIt

from sqlmigrate.review.figures import in_bytes
from sqlmigrate.review.render import html, markdown, terminal, words
from sqlmigrate.review.render.html.highlight import _lexer, highlight
from sqlmigrate.review.render.html.tags import tag
from support import reports
from support.pages import Page

REPORTS = {
    "report": reports.report,
    "fine": reports.fine,
    "hostile": reports.hostile,
    "nothing": lambda: replace(reports.fine(), migrations=(), not_checked=()),
}
STYLE = re.compile(r"(?s)<style>.*</style>|sha256-[\w+/=]+(?=&#x27;; base-uri)")
RENDERERS = {
    "txt": lambda report: terminal.plain(terminal.render(report)),
    "md": markdown.render,
    "html": html.render,
}


@pytest.mark.parametrize("ending", RENDERERS)
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_drawn_as_its_golden_file_shows(golden, name, ending):
    drawn = STYLE.sub("", RENDERERS[ending](REPORTS[name]()))

    assert drawn == golden(f"reports/{name}.{ending}", drawn)


@pytest.mark.parametrize("ending", RENDERERS)
@pytest.mark.parametrize("name", REPORTS)
def test_no_control_or_direction_character_gets_out(name, ending):
    drawn = RENDERERS[ending](REPORTS[name]())

    assert {character for character in drawn if words.visible(character) != character} == set()


def test_a_page_of_a_hostile_report_has_only_elements_of_ours():
    found = Page(html.render(reports.hostile()))

    assert found.problems == []
    assert found.elements.isdisjoint(
        {"img", "script", "iframe", "object", "form", "input", "link", "base", "b onerror"}
    )
    assert found.attributes.isdisjoint({"src", "style", "srcset", "onerror", "onclick", "action"})
    assert {link[0] for link in found.links} == {"#"}


@pytest.mark.parametrize("name", REPORTS)
def test_a_page_is_well_formed_with_links_that_lead_somewhere_and_headings_in_order(name):
    found = Page(html.render(REPORTS[name]()))

    assert found.problems == []
    assert [link for link in found.links if link[1:] not in found.ids] == []
    assert found.headings[0] == 1
    assert all(after <= before + 1 for before, after in zip(found.headings, found.headings[1:], strict=False))
    assert found.headings.count(1) == 1


def test_a_page_forbids_scripts_and_the_network():
    page = html.render(reports.report())
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)

    assert policy.startswith("default-src &#x27;none&#x27;; style-src &#x27;sha256-")
    assert "url(" not in page
    assert "@import" not in page


def test_the_picture_of_the_locks_says_in_words_what_it_shows():
    page = html.render(reports.report())

    assert "shop.orders is locked ACCESS EXCLUSIVE during statements 1 to 6" in page
    assert "shop.customers is locked SHARE ROW EXCLUSIVE during statements 3 to 6" in page
    assert "all locks are held until COMMIT</desc>" in page


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
@pytest.mark.parametrize(
    ("text", "grounds"),
    [
        ("ink", "paper card sunk accent-soft danger-soft warning-soft fine-soft note-soft"),
        ("soft", "paper card sunk danger-soft warning-soft fine-soft note-soft"),
        ("accent", "paper card danger-soft warning-soft fine-soft"),
        ("danger", "paper card danger-soft"),
        ("warning", "paper card warning-soft danger-soft"),
        ("note", "paper card note-soft"),
        ("fine", "paper card fine-soft danger-soft"),
        ("keyword", "card sunk"),
        ("string", "card sunk"),
        ("comment", "card sunk"),
    ],
)
def test_text_stands_out_from_its_ground_as_wcag_aa_asks(scheme, text, grounds):
    colors = palette(scheme)
    ratios = {ground: contrast(colors[text], colors[ground]) for ground in grounds.split()}

    assert {ground: ratio for ground, ratio in ratios.items() if ratio < 4.5} == {}


def palette(scheme):
    """Give the colours of the style sheet in light, in dark or on paper."""
    light, dark, *_, paper = re.findall(r":root \{(.*?)\}", html._css(), re.DOTALL)[:3]
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", light))
    return found | dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", {"light": "", "dark": dark, "print": paper}[scheme]))


def contrast(one, other):
    """Give the contrast ratio of WCAG 2."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color):
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_sql_keeps_every_character_under_its_colours():
    page = Page(html.render(reports.report()))

    assert page.code.startswith(reports.APPLY + reports.ROLLBACK)


def test_statements_on_one_line_share_a_row(one_line):
    page = html.render(one_line)
    found = Page(page)

    assert found.code.startswith("SELECT 1; SELECT\n2;\n")
    assert {"m1-apply-s1", "m1-apply-s2"} <= set(found.ids)
    assert page.count('<div class="row stmt hold-') == 1 + len(reports.dangerous().rollback.statements)


def test_a_script_that_is_too_large_is_shown_by_its_statements(one_line):
    [migration] = one_line.migrations
    large = replace(migration, apply=replace(migration.apply, text=None))
    found = Page(html.render(replace(one_line, migrations=(large,))))

    assert "the script is too large to show all of it" in found.text
    assert found.code.startswith("SELECT 1\nSELECT\n2\n")


def test_the_bar_beside_the_lines_is_the_strongest_lock_that_is_held_there():
    page = html.render(reports.report())
    rows = re.findall(r'class="row (stmt|gap) hold-(\w+)"', page)

    assert rows[:4] == [("gap", "little"), ("stmt", "reads"), ("gap", "reads"), ("stmt", "reads")]
    assert rows[-2:] == [("stmt", "little"), ("stmt", "little")]


@pytest.fixture
def one_line():
    """A report of a script with two statements on its first line."""
    found = reports.dangerous()
    first, second = found.apply.statements[:2]
    statements = (
        replace(first, line=1, last_line=1, text="SELECT 1"),
        replace(second, line=1, last_line=2, text="SELECT\n2"),
    )
    apply = replace(found.apply, text="SELECT 1; SELECT\n2;\n", statements=statements)
    return replace(reports.report(), migrations=(replace(found, apply=apply),))


def test_without_pygments_sql_stays_plain(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygments.lexer", None)
    _lexer.cache_clear()
    plain = highlight("SELECT '<b>';\n-- x\n")
    _lexer.cache_clear()

    assert [line.text for line in plain] == ["SELECT &#x27;&lt;b&gt;&#x27;;", "-- x"]


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "\n\n",
        "SELECT 1",
        "SELECT E'it\\'s', 1;\r\nSELECT $a$ '\n$a$",
        "/* /* */\n*/ '",
        "\t--\u2028x\n",
        "'\nA\n' B",
    ],
)
def test_colours_lose_and_add_no_line(sql):
    lines = [Page(line.text).text for line in highlight(sql)]

    assert lines == [words.visible(line) for line in words.lines_of(sql)]


def test_a_string_with_a_backslash_ends_where_postgresql_ends_it():
    [line] = highlight(r"SELECT E'it\'s', 1")

    assert line.text == (
        '<span class="k">SELECT</span> <span class="s">E&#x27;it\\&#x27;s&#x27;</span>, <span class="n">1</span>'
    )


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("script", {}),
        ("p onclick=x", {}),
        ("a", {"href": "javascript:alert(1)"}),
        ("a", {"href": "https://example.org"}),
        ("p", {"onclick": "alert(1)"}),
        ("p", {"style": "color: red"}),
        ("p", {'a"b': "x"}),
    ],
)
def test_what_would_make_a_page_unsafe_cannot_be_built(name, attributes):
    with pytest.raises(ValueError):
        tag(name, **attributes)


@pytest.mark.parametrize("name", REPORTS)
def test_markdown_of_a_report_makes_only_elements_of_ours(name):
    found = Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown.render(REPORTS[name]())))

    assert found.problems == []
    assert found.elements <= {
        "a", "blockquote", "code", "details", "em", "h2", "h3", "li", "p", "pre", "strong", "sub", "summary",
        "ol", "table", "tbody", "td", "th", "thead", "tr", "ul",
    }  # fmt: skip
    assert found.attributes <= {"class", "href"}
    assert all(link.startswith("https://github.com/acme/shop/blob/") for link in found.links)


def test_hostile_text_in_markdown_reads_as_it_is():
    nasty = "<img src=x onerror=alert(1)>|`*_\\"
    shown = Page(
        MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown.render(reports.hostile()))
    ).text

    assert shown.count(nasty) > 5


def test_markdown_of_nothing_has_no_table():
    assert "|--" not in markdown.render(replace(reports.fine(), migrations=()))


def test_markdown_counts_the_lines_of_a_proof_that_it_leaves_out_and_keeps_what_failed():
    lines = ("~ view v", *["    - a line"] * 20, "+ table t", "apply failed: no")
    one = reports.report().migrations[0]
    one = replace(one, proof=replace(one.proof, lines=lines))
    text = markdown.render(replace(reports.report(), migrations=(one,)))

    assert all(words in text for words in ("view v", "table t", "apply failed"))
    assert "  - and 18 more lines, which the HTML report shows\n" in text


def test_markdown_notifies_nobody():
    report = replace(reports.fine(), notes=("ask @dba-team about #12 of @all",))

    assert "ask &#64;&#8203;dba-team about &#35;&#8203;12 of &#64;&#8203;all" in markdown.render(report)


def test_markdown_stays_below_its_limit_and_names_what_it_leaves_out():
    one = reports.dangerous()
    long = tuple(f"+ table shop.t{number}" for number in range(3_000))
    many = tuple(replace(one, migration_id=f"{number:04}.x", change_lines=long) for number in range(40))
    text = markdown.render(replace(reports.report(), migrations=many))

    assert 30_000 < len(text) <= markdown.LIMIT
    assert "| and 20 more | | | | |" in text
    assert re.search(
        r"\*\*Left out, since the comment would be too long:\*\* .* and \d+ more\. The HTML report has all", text
    )
    assert "**danger** <code>H01</code>" in text


def test_a_small_limit_leaves_the_verdict_and_the_dangers():
    text = markdown.render(reports.report(), limit=6_400)

    assert len(text) <= 6_400
    assert "0044.broken cannot be applied" in text
    assert "**danger** <code>H01</code>" in text
    assert "locks of apply of 0042.orders" in text


def test_a_fence_is_longer_than_any_in_its_text():
    assert markdown.fence("a ```` b", "sql") == "`````sql\na ```` b\n`````"


@pytest.mark.parametrize(
    "text",
    ["see https://evil.example/x", "http://evil.example", "www.evil.example", "WWW.evil.example", "GH-1", "ftp://x"],
)
def test_markdown_makes_no_link_of_a_text(text):
    shown = unescape(markdown.prose(text))

    assert not re.search(r"://|www\.|GH-", shown, re.IGNORECASE)
    assert shown.replace("\u200b", "") == text


def test_lines_for_a_terminal_keep_to_its_width_where_they_are_prose():
    narrow, wide = (terminal.plain(terminal.render(reports.report(), width)).splitlines() for width in (70, 140))
    told = re.compile(r"\s+(waits or breaks|instead|sql/|line|squawk|note)")

    assert [line for line in narrow if len(line) > 70 and told.match(line) and " statements, " not in line] == []
    assert len(narrow) > len(wide)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (words.rows(None), "unknown"),
        (words.rows(999), "999"),
        (words.rows(1_500), "1.5 k"),
        (words.rows(120_000_000), "120 M"),
        (words.rows(999_999), "1000 k"),
        (in_bytes(1_010), "1010 bytes"),
        (in_bytes(48 << 30), "48 GiB"),
        (words.seconds(59.6), "1 min 0 s"),
        (words.seconds(7_260), "2 h 1 min"),
        (words.moment("2026-03-04T09:30:00+00:00"), "2026-03-04 09:30 UTC"),
        (words.moment("2026-03-04T09:30:00+02:00"), "2026-03-04 09:30 +02:00"),
        (words.moment("yesterday"), "yesterday"),
        (words.listed(["a", "b", "c"], 2), "a, b and 1 more"),
        (words.brief("a\n  b " + "c" * 10, 6), "a b c…"),
    ],
)
def test_figures_are_written_as_people_say_them(said, wanted):
    assert said == wanted
