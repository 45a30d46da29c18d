"""A run as one HTML page: no scripts, no network, everything escaped, readable on a phone."""

from __future__ import annotations

import base64
import hashlib
import shlex
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
_NAMED, _FEW = 200, 5  # targets of an error, and how many are named at once
_FEW_MIGRATIONS = 50
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
            _migrations(entries, record.head.wanted.operation),
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
        _figure([_dot(state), sums.word(state, operation).capitalize()], f"{counts[state]:,}")
        for state in _ORDER
        if counts[state]
    ]
    return tag(
        "section",
        tag("p", badge(tone, _TONES[tone])),
        tag("h1", sums.headline(record), id="verdict"),
        tag("dl", figures, _figure("Time", _duration(took)) if took is not None else None, class_="figures"),
        _bar(counts),
        [tag("p", _with_code(text), class_="next") for text in _next(record)],
        class_=f"verdict {tone}",
        aria_labelledby="verdict",
    )


def _next(record: RunRecord) -> Iterator[str]:
    """Say how one goes on from here: with what is left, or back."""
    quoted = shlex.quote(record.head.run_id[:8])
    if sums.tone(record) != "fine":
        yield f"To go on with what is left: `sqlmigrate fleet resume {quoted}`"
    if record.head.wanted.operation == "apply" and record.counts()[State.DONE]:
        yield f"To take it back: `sqlmigrate fleet rollback {quoted}`"


def _with_code(text: str) -> list[Html | str]:
    """Set what stands between backticks as code."""
    return [tag("code", part) if at % 2 else part for at, part in enumerate(text.split("`"))]


def _dot(state: State) -> Html:
    return tag("span", class_=f"dot {state.value}", aria_hidden="true")


def _figure(term: Sequence[Html | str] | str, number: str) -> Html:
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
        tag("h3", badge("danger", _targets_of(count)), " ", said.message),
        tag("p", [tag("code", fact, " ") for fact in facts if fact], class_="quiet"),
        tag("p", "What to do: ", _with_code(said.hint)) if said.hint else None,
        tag("p", "In ", _names(group.targets), class_="in")
        if count <= _FEW
        else tag("details", tag("summary", "Which targets"), tag("p", _names(group.targets))),
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
    heads = [tag("th", name, scope="col") for name in ("wave", "targets", "outcome")]
    rows = [_wave(name, counts, operation) for name, counts in by_wave.items()]
    return tag(
        "section",
        tag("h2", "Waves", id="waves"),
        tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="numbers"),
        class_="block",
        aria_labelledby="waves",
    )


def _migrations(entries: Sequence[Entry], operation: str) -> Html | None:
    """Show which migrations the run has done, and in how many targets each."""
    counts = Counter(name for entry in entries for name in entry.migrations)
    if not counts:
        return None
    done = sums.word(State.DONE, operation)
    heads = [tag("th", name, scope="col") for name in ("migration", f"{done} in")]
    shown = sorted(counts)
    rows = [
        tag("tr", tag("th", tag("code", name), scope="row"), tag("td", _targets_of(counts[name])))
        for name in shown[:_FEW_MIGRATIONS]
    ]
    more = f"and {len(shown) - _FEW_MIGRATIONS:,} more migrations" if len(shown) > _FEW_MIGRATIONS else None
    return tag(
        "section",
        tag("h2", "Migrations", id="migrations"),
        tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="numbers"),
        tag("p", more, class_="quiet") if more else None,
        class_="block",
        aria_labelledby="migrations",
    )


def _targets_of(count: int) -> str:
    return f"{count:,} target{'' if count == 1 else 's'}"


def _wave(name: str, counts: Counter[State], operation: str) -> Html:
    """Say in words how a wave has gone: so it fits on a phone, and has no row of noughts."""
    outcome = [
        tag("span", _dot(state), f"{counts[state]:,} {sums.word(state, operation)}", class_="part")
        for state in _ORDER
        if counts[state]
    ]
    count = tag("td", f"{counts.total():,}")
    return tag("tr", tag("th", name, scope="row"), count, tag("td", outcome, class_="outcome"))


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
