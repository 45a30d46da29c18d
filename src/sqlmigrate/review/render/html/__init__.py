"""A review as one HTML page: no scripts, no network, everything escaped, the same bytes for the same report."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from sqlmigrate.review.figures import in_bytes
from sqlmigrate.review.render import seeded, words
from sqlmigrate.review.render.decisions import of_branch
from sqlmigrate.review.render.html.hazards import last_use, what_to_do
from sqlmigrate.review.render.html.icons import badge, icon
from sqlmigrate.review.render.html.migration import migration_article
from sqlmigrate.review.render.html.seeds import seeds_section
from sqlmigrate.review.render.html.tags import Child, Html, page, stylesheet, tag
from sqlmigrate.review.render.html.workload import workload_section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.model import Direction, Hazard, Report, Target
    from sqlmigrate.review.render.words import FoundHazard, Group, Remedy

_UNDONE = ("exact", "text_only", "order_only")
_WHEN = {"apply": "When applying", "rollback": "When rolling back"}
_TOLD = 3  # places of one hazard at which is said what was seen; the others are links


def render(report: Report) -> str:
    """Return the whole page as text; write it as UTF-8."""
    return page("en", _head(report), _body(report)).text


def _head(report: Report) -> Html:
    css = _css()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{report.verdict}: {report.headline} - sqlmigrate review"),
        "\n",
        stylesheet(css),
    )


@cache
def _css() -> str:
    return files(__name__).joinpath("style.css").read_text(encoding="utf-8")


def _body(report: Report) -> Html:
    anchors = [(f"m{number}", migration) for number, migration in enumerate(report.migrations, 1)]
    told = _remedies(report)
    return tag(
        "body",
        tag("a", "Skip to the review", href="#review", class_="skip"),
        tag("header", _masthead(report), class_="top"),
        tag(
            "main",
            _verdict(report),
            _contents(report),
            _branch(report) if report.branch else None,
            _decisions(report, told),
            workload_section(report.workload) if report.workload else None,
            _target(report.target) if report.target else None,
            [migration_article(migration, anchor, told) for anchor, migration in anchors],
            seeds_section(report.seeds) if report.seeds else None,
            _not_checked(report),
            _provenance(report),
            id="review",
        ),
        tag(
            "footer",
            tag("p", f"Made by sqlmigrate {report.versions.sqlmigrate}. No scripts, nothing loaded from the network."),
        ),
    )


def _masthead(report: Report) -> list[Html]:
    said = [
        tag("div", tag("dt", name.capitalize()), tag("dd", _said(name, text, report.made_at)))
        for name, text in words.about(report)
    ]
    return [tag("p", tag("b", "sqlmigrate"), " review", class_="brand"), tag("dl", said, class_="about")]


def _said(name: str, text: str, made_at: str) -> Html:
    return tag("time", text, datetime=made_at) if name == "made" else tag("code", text)


def _verdict(report: Report) -> Html:
    undone = sum(migration.proof.verdict in _UNDONE for migration in report.migrations)
    scripts = [direction for migration in report.migrations for direction in words.directions(migration)]
    statements = sum(len(direction.statements) for direction in scripts)
    return tag(
        "section",
        tag("p", badge(report.verdict), " ", words.VERDICTS[report.verdict]),
        tag("h1", report.headline, id="verdict"),
        tag(
            "dl",
            _figure("Migrations", len(report.migrations), words.count(statements, "statement") + " with the undo"),
            [_hazards(report, operation, title) for operation, title in _WHEN.items()],
            _figure("Undo proven", f"{undone} of {len(report.migrations)}", "schema restored exactly"),
            _figure("Not checked", len(report.not_checked), tag("a", "what and why", href="#not-checked")),
            class_="figures",
        ),
        [tag("p", icon("note"), " ", note, class_="remark") for note in report.notes],
        class_=f"verdict {report.verdict}",
        aria_labelledby="verdict",
    )


def _hazards(report: Report, operation: str, title: str) -> Html:
    found = words.hazards(report, operation)
    allowed = sum(
        len(words.allowed(direction))
        for migration in report.migrations
        for direction in words.directions(migration)
        if direction.operation == operation
    )
    said = [words.tally(place.hazard for place in found)] if found else ["none found"]
    return _figure(f"Hazards {title.lower()}", len(found), *said, *([f"{allowed} allowed"] if allowed else []))


def _figure(term: str, number: int | str, *said: Html | str) -> Html:
    text: list[Child] = [[" · " if at else "", part] for at, part in enumerate(said)]
    return tag("div", tag("dt", term), tag("dd", tag("b", number), tag("span", text)))


def _contents(report: Report) -> Html:
    items = [
        tag("li", tag("a", migration.migration_id, href=f"#m{number}"), " ", badge(migration.verdict))
        for number, migration in enumerate(report.migrations, 1)
    ]
    places = [("decide", "Hazards"), ("target", "The target")][: 2 if report.target else 1]
    places[1:1] = [("workload", "What the application sends")] if report.workload else []
    places[:0] = [("branch", words.BRANCH.capitalize())] if report.branch else []
    places += [("seeds", seeded.HEADING.capitalize())] if report.seeds else []
    others = [*places, ("not-checked", "Not checked"), ("made-with", "Made with")]
    return tag(
        "nav",
        tag("ol", items, class_="contents"),
        tag("ul", (tag("li", tag("a", name, href=f"#{anchor}")) for anchor, name in others)),
        aria_label="Contents",
    )


def _branch(report: Report) -> Html:
    """List what the branch does to other migrations."""
    items = [
        tag(
            "li",
            badge(item.severity),
            tag("div", tag("h3", item.what.capitalize()), tag("p", tag("code", item.path), f": {item.said}")),
        )
        for item in of_branch(report)
    ]
    heading = tag("h2", words.BRANCH.capitalize(), id="branch")
    return tag("section", heading, tag("ol", items, class_="decisions"), class_="block")


def _decisions(report: Report, told: Mapping[Remedy, str]) -> Html:
    """List the hazards of applying with what to do, and fold those of rolling back: nobody plans to do that."""
    applying, back = (words.grouped(words.hazards(report, operation)) for operation in _WHEN)
    title = f"{_WHEN['rollback']}: {words.tally(place.hazard for group in back for place in group.places)}"
    parts = [
        tag("ol", (_decision(group, report, told) for group in applying), class_="decisions") if applying else None,
        tag(
            "details",
            tag("summary", title),
            tag("ol", (_decision(group, report, {}) for group in back), class_="decisions"),
        )
        if back
        else None,
    ]
    nothing = tag("p", icon("fine"), " ", "No hazard was found when applying, or the scripts allow each of them.")
    return tag(
        "section",
        tag("h2", "Hazards, the worst first", id="decide"),
        None if applying else nothing,
        parts,
        class_="block",
    )


def _remedies(report: Report) -> dict[Remedy, str]:
    """Return what is said of hazards in the list of decisions, with the place where it stands."""
    found: dict[Remedy, str] = {}
    for group in words.grouped(words.hazards(report, "apply")):
        found.setdefault(words.remedy(group.places[0].hazard), f"h{len(found) + 1}")
    return found


def _decision(group: Group, report: Report, told: Mapping[Remedy, str]) -> Html:
    """Say what was seen at the first places, name the others, and say what to do where a kind is first named."""
    several = len(report.migrations) > 1
    seen: list[Child] = [
        [tag("p", _link(place, several=several), " ", place.hazard.seen, _weight(place.hazard)), last_use(place.hazard)]
        for place in group.places[:_TOLD]
    ]
    others = group.places[_TOLD:]
    also = [tag("p", "also ", [[", " if at else "", _link(p, several=several)] for at, p in enumerate(others)])]
    heading = tag("h3", group.title, " ", tag("code", group.code))
    first = group.places[0].hazard
    harms = dict.fromkeys(place.hazard.harm for place in group.places if place.hazard.harm)
    harm = [tag("p", tag("b", "On the target: "), text, class_="harm") for text in list(harms)[:_TOLD]]
    anchor = told.get(words.remedy(first))
    return tag(
        "li",
        badge(group.severity),
        tag("div", heading, seen, also if others else None, harm, what_to_do(first) if anchor else None),
        id=anchor,
    )


def _link(place: FoundHazard, *, several: bool) -> Html:
    where = f"{place.migration.migration_id}, line {place.hazard.line}" if several else f"line {place.hazard.line}"
    return tag("a", where, href=f"#m{place.number}-{place.direction.operation}-s{place.statement.number}")


def _weight(hazard: Hazard) -> Html | None:
    weight = words.weight(hazard)
    return tag("span", f" ({weight})", class_="quiet") if weight else None


def _target(target: Target) -> Html:
    heads = ("Table", "Rows", "Size", "Writes/s", "Index scans/s", "Full scans/s")
    body = [
        tag(
            "tr",
            tag("th", tag("code", table.name), scope="row"),
            [tag("td", text, class_="number", data_label=head) for head, text in zip(heads[1:], cells, strict=True)],
        )
        for table in target.tables
        for cells in [_cells(table.rows, table.size, (table.writes, table.index_scans, table.scans))]
    ]
    head = tag(
        "thead",
        tag("tr", (tag("th", name, scope="col", class_="number" if at else None) for at, name in enumerate(heads))),
    )
    return tag(
        "section",
        tag("h2", "The target", id="target"),
        tag("p", tag("code", target.name), f", PostgreSQL {target.version}, {' '.join(_read(target))}"),
        tag("table", head, tag("tbody", body), class_="stack numbers") if body else None,
        class_="block",
    )  # fmt: skip


def _cells(number: int | None, size: int, rates: tuple[float | None, ...]) -> list[str]:
    return [words.rows(number), in_bytes(size), *(words.rate(rate) for rate in rates)]


def _read(target: Target) -> Iterator[str]:
    since = f" (rates since {words.moment(target.since)})" if target.since else ""
    yield f"as {target.source} said at {words.moment(target.read_at)}{since}."
    if target.oldest_transaction is not None:
        whose = f", {target.oldest_transaction_of}" if target.oldest_transaction_of else ""
        yield f"Its oldest transaction had been open for {words.seconds(target.oldest_transaction)}{whose}."


def _not_checked(report: Report) -> Html:
    items = [(tag("dt", item.what), tag("dd", item.why)) for item in report.not_checked]
    return tag(
        "section",
        tag("h2", "What was not checked", id="not-checked"),
        tag("dl", items, class_="pairs")
        if items
        else tag("p", "As far as we know, everything was checked.", class_="quiet"),
        class_="block",
    )


def _provenance(report: Report) -> Html:
    versions = report.versions
    made = [
        ("sqlmigrate", versions.sqlmigrate),
        ("PostgreSQL of the trial", versions.shadow or "none was used"),
        ("PostgreSQL of the target", versions.target or "no target was named"),
        ("squawk", versions.squawk or "not installed"),
    ]
    if report.settings is not None:
        said = words.settings(report.settings)
        made.append((said.partition(": ")[0].capitalize(), report.settings.summary))
    scripts = (direction for migration in report.migrations for direction in words.directions(migration))
    return tag(
        "section",
        tag("h2", "Made with", id="made-with"),
        tag("dl", ((tag("dt", name), tag("dd", text)) for name, text in made), class_="pairs"),
        tag("h3", "Files that were reviewed"),
        tag("dl", (_file(direction) for direction in scripts), class_="pairs files"),
        class_="block",
    )


def _file(direction: Direction) -> list[Html]:
    """Return the digests of a file; that of its text only where it is another: CRLF line ends, or a byte order mark."""
    digests = [f"sha256 {direction.sha256}"]
    if direction.checksum != direction.sha256:
        digests.append(f"checksum {direction.checksum}")
    return [
        tag("dt", tag("code", words.path(direction))),
        *(tag("dd", tag("code", text, class_="digest")) for text in digests),
    ]
