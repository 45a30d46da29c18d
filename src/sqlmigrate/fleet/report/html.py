"""A run as one HTML page: no scripts, no network, everything escaped, readable on a phone."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from sqlmigrate.fleet.model import State
from sqlmigrate.fleet.report import sums
from sqlmigrate.review.render.html.icons import badge
from sqlmigrate.review.render.html.tags import Html, page, stylesheet, tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.fleet.ledger import Entry, RunRecord
    from sqlmigrate.fleet.report.sums import FailureGroup

_ORDER = (
    State.FAILED, State.INTERRUPTED, State.RUNNING, State.DEFERRED, State.LEFT, State.WAITING, State.DONE,
    State.UNCHANGED,
)  # fmt: skip
_BAR = (State.DONE, State.UNCHANGED, *_ORDER[:-2])
_LEAST = 0.75  # percent of the bar
_OPEN = frozenset({State.FAILED, State.INTERRUPTED, State.RUNNING, State.DEFERRED})
_MOST = 2_000  # targets of a state that stand on the page
_NAMED = 200  # targets of an error
_TONES = {"fails": "failed", "warning": "not done", "fine": "done"}


def render(record: RunRecord, version: str) -> str:
    """Return the whole page as text; write it as UTF-8."""
    return page("en", _head(record), _body(record, version)).text


def _head(record: RunRecord) -> Html:
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
        tag("title", f"{sums.headline(record)} - sqlmigrate fleet"),
        "\n",
        stylesheet(css),
    )


@cache
def _css() -> str:
    """Return the style of a review's page, and behind it what only this page has."""
    review = files("sqlmigrate.review.render.html").joinpath("style.css").read_text(encoding="utf-8")
    return review + files("sqlmigrate.fleet.report").joinpath("style.css").read_text(encoding="utf-8")


def _body(record: RunRecord, version: str) -> Html:
    entries = list(record.all_entries())
    groups = sums.failures(entries)
    return tag(
        "body",
        tag("header", _masthead(record), class_="top"),
        tag(
            "main",
            _verdict(record),
            _failures(groups) if groups else None,
            _waves(record, entries),
            _targets(record, entries),
        ),
        tag("footer", tag("p", f"Made by sqlmigrate {version}. No scripts, nothing loaded from the network.")),
    )


def _masthead(record: RunRecord) -> list[Html]:
    head = record.head
    said = [
        ("Run", tag("code", head.run_id)),
        ("By", tag("code", f"{head.username}@{head.hostname}")),
        ("Begun", tag("time", _moment(head.began), datetime=head.began)),
        *([("Environment", tag("code", head.env))] if head.env else []),
        *([("Up to", tag("code", head.wanted.to))] if head.wanted.to else []),
        *([("Takes back run", tag("code", head.wanted.of_run))] if head.wanted.of_run else []),
    ]
    about = [tag("div", tag("dt", name), tag("dd", text)) for name, text in said]
    return [
        tag("p", tag("b", "sqlmigrate"), f" fleet {head.wanted.operation}", class_="brand"),
        tag("dl", about, class_="about"),
    ]


def _verdict(record: RunRecord) -> Html:
    counts, operation = record.counts(), record.head.wanted.operation
    tone = sums.tone(record)
    took = sums.seconds(record)
    figures = [
        _figure(sums.word(state, operation).capitalize(), f"{counts[state]:,}") for state in _ORDER if counts[state]
    ]
    return tag(
        "section",
        tag("p", badge(tone, _TONES[tone])),
        tag("h1", sums.headline(record), id="verdict"),
        tag("dl", figures, _figure("Time", _duration(took)) if took is not None else None, class_="figures"),
        _bar(counts),
        class_=f"verdict {tone}",
        aria_labelledby="verdict",
    )


def _figure(term: str, number: str) -> Html:
    return tag("div", tag("dt", term), tag("dd", tag("b", number)))


def _bar(counts: Counter[State]) -> Html | None:
    """Draw the shares of the states, none of them too narrow to be seen; the figures above say the same in words."""
    there = [state for state in _BAR if counts[state]]
    widths = [max(100 * counts[state] / counts.total(), _LEAST) for state in there]
    parts, at, whole = [], 0.0, sum(widths)
    for state, width in zip(there, widths, strict=True):
        share = 100 * width / whole
        parts.append(tag("rect", class_=state.value, x=f"{at:.3f}", y=0, width=f"{share:.3f}", height=2))
        at += share
    if not parts:
        return None
    return tag("svg", parts, class_="shares", viewBox="0 0 100 2", preserveAspectRatio="none", aria_hidden="true")


def _failures(groups: Sequence[FailureGroup]) -> Html:
    return tag(
        "section",
        tag("h2", "What went wrong", id="errors"),
        [_failure(group) for group in groups],
        class_="block",
        aria_labelledby="errors",
    )


def _failure(group: FailureGroup) -> Html:
    said, count = group.failure, len(group.targets)
    facts = [said.place, f"SQLSTATE {said.sqlstate}" if said.sqlstate else None]
    return tag(
        "article",
        tag("h3", badge("danger", f"{count:,} target{'' if count == 1 else 's'}"), " ", said.message),
        tag("p", [tag("code", fact, " ") for fact in facts if fact], class_="quiet"),
        tag("p", "What to do: ", said.hint) if said.hint else None,
        tag("details", tag("summary", "Which targets"), tag("p", _names(group.targets))),
        class_="error",
    )


def _names(names: Sequence[str]) -> Iterator[Html | str]:
    for at, name in enumerate(names[:_NAMED]):
        yield ", " if at else ""
        yield tag("code", name)
    if len(names) > _NAMED:
        yield f" and {len(names) - _NAMED:,} more"


def _waves(record: RunRecord, entries: Sequence[Entry]) -> Html:
    """Show how each wave has gone."""
    operation = record.head.wanted.operation
    by_wave: dict[str, Counter[State]] = {wave.name: Counter() for wave in record.head.waves}
    for (_, wave), entry in zip(record.targets(), entries, strict=True):
        by_wave[wave.name][entry.state] += 1
    shown = [state for state in _ORDER if any(counts[state] for counts in by_wave.values())]
    names = ("wave", "targets", *(sums.word(state, operation) for state in shown))
    heads = [tag("th", name, scope="col") for name in names]
    rows = [_wave(name, [counts.total(), *(counts[state] for state in shown)]) for name, counts in by_wave.items()]
    return tag(
        "section",
        tag("h2", "Waves", id="waves"),
        tag("div", tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="numbers"), class_="wide"),
        class_="block",
        aria_labelledby="waves",
    )


def _wave(name: str, numbers: Sequence[int]) -> Html:
    return tag("tr", tag("th", name, scope="row"), [tag("td", f"{number:,}") for number in numbers])


def _targets(record: RunRecord, entries: Sequence[Entry]) -> Html:
    operation = record.head.wanted.operation
    return tag(
        "section",
        tag("h2", "Targets", id="targets"),
        [
            _of_state(state, found, operation)
            for state in _ORDER
            if (found := [entry for entry in entries if entry.state is state])
        ],
        class_="block",
        aria_labelledby="targets",
    )


def _of_state(state: State, entries: Sequence[Entry], operation: str) -> Html:
    more = f"and {len(entries) - _MOST:,} more, which --format json has" if len(entries) > _MOST else None
    return tag(
        "details",
        tag("summary", f"{sums.word(state, operation).capitalize()}: {len(entries):,}"),
        tag("ul", [_target(entry) for entry in entries[:_MOST]], class_="targets"),
        tag("p", more, class_="quiet") if more else None,
        open=state in _OPEN,
    )


def _target(entry: Entry) -> Html:
    tries = f", {entry.attempt} attempts" if entry.attempt > 1 else ""
    facts = f"{_duration(entry.seconds)}{tries}{f', {entry.worker}' if entry.worker else ''}" if entry.attempt else ""
    return tag(
        "li",
        tag("b", entry.target, class_="name"),
        " ",
        tag("span", facts, class_="quiet"),
        tag("div", [tag("code", name, " ") for name in entry.migrations]) if entry.migrations else None,
        tag("div", str(entry.failure)) if entry.failure else None,
        tag("div", "In the way: ", entry.blocker) if entry.blocker else None,
    )


def _moment(text: str) -> str:
    return f"{text[:19].replace('T', ' ')} UTC"


def _duration(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004  a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
