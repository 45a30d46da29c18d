"""Draw which relation is locked how strongly during which statements: a picture, and the same as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.render import words
from sqlmigrate.review.render.html.scale import Scale, scale
from sqlmigrate.review.render.html.tags import Html, join, tag
from sqlmigrate.review.render.words import STRENGTHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlmigrate.review.model import Direction, Hold
    from sqlmigrate.review.render.words import Strength

MOST = 20
"""Relations in the picture; the table has all."""
_LONGEST = 40  # characters of a name: what a phone's width holds
_HEIGHTS: dict[Strength, int] = {"reads": 14, "writes": 10, "changes": 6, "little": 3}
_ROW, _BAR, _AXIS, _MARK = 38, 14, 22, 8
_SOURCES = {"seen": "seen in pg_locks", "table": "from PostgreSQL's documentation"}


def timeline(direction: Direction, anchor: str) -> Html | None:
    """Return the figure of a script that locks something, else nothing."""
    if not direction.holds or not direction.statements:
        return None
    last = max(direction.statements[-1].number, *(hold.last for hold in direction.holds))
    drawn = _rows(direction.holds)
    picture = drawn[:MOST]
    more = len(drawn) - len(picture)
    across = scale(direction, last)
    return tag(
        "figure",
        _picture(direction, picture, across, anchor),
        _legend(picture, direction, across),
        tag("p", f"{words.count(more, 'more relation')} in the table", class_="quiet") if more else None,
        tag("details", tag("summary", "The same data as a table"), _table(direction.holds)),
        class_="timeline",
    )


def _rows(holds: Iterable[Hold]) -> list[list[Hold]]:
    """Put the holds of one relation in one row, the strongest rows first, else as they begin."""
    found: dict[tuple[str, str], list[Hold]] = {}
    for hold in holds:
        found.setdefault((hold.lock.kind, hold.lock.name), []).append(hold)
    ranks = list(STRENGTHS)
    return sorted(found.values(), key=lambda row: ranks.index(words.strength(_worst(row).lock)))


def _worst(row: Sequence[Hold]) -> Hold:
    return max(row, key=lambda hold: hold.lock.level)


def _picture(direction: Direction, picture: Sequence[Sequence[Hold]], across: Scale, anchor: str) -> Html:
    count = words.count(len(across.edges) - 1, "statement")
    title = f"Locks of the {direction.operation} script over its {count}{' in time' if across.timed else ''}"
    axis = len(picture) * _ROW + 4
    return tag(
        "svg",
        tag("title", title, id=f"{anchor}-t"),
        tag("desc", _told(picture, direction), id=f"{anchor}-d"),
        _grid(across, axis),
        [_row(row, at, direction, across) for at, row in enumerate(picture)],
        _axis(direction, across, axis),
        width="100%",
        height=axis + _AXIS * (2 if across.timed else 1),
        role="img",
        aria_labelledby=f"{anchor}-t {anchor}-d",
    )  # fmt: skip


def _told(picture: Iterable[Iterable[Hold]], direction: Direction) -> str:
    """Say the picture in words."""
    told = [f"{hold.lock.name} is locked {hold.lock.mode} during {_during(hold)}" for row in picture for hold in row]
    end = "all locks are held until COMMIT" if direction.transactional else "each statement commits by itself"
    return f"{'; '.join(told)}; {end}"


def _during(hold: Hold) -> str:
    how_long = words.takes(hold.takes)
    return words.span(hold) + (f", for {how_long}" if how_long else "")


def _row(row: Sequence[Hold], at: int, direction: Direction, across: Scale) -> Html:
    top = at * _ROW
    bars = [
        tag(
            "rect",
            class_=f"bar {(kind := words.strength(hold.lock))}",
            x=_percent(across.start(hold.first)),
            width=_percent(across.end(hold.last) - across.start(hold.first)),
            y=top + 18 + _BAR - _HEIGHTS[kind],
            height=_HEIGHTS[kind],
        )
        for hold in row
    ]
    worst = _worst(row).lock
    label = tag(
        "text",
        tag("tspan", _short(worst.name), class_="name"),
        tag("tspan", worst.mode, class_="mode", dx=8),
        x=0,
        y=top + 12,
    )
    rail = tag("rect", class_="rail", x=0, width="100%", y=top + 18 + _BAR - 1, height=1)
    return join(label, rail, bars, _marks(row, top, direction, across))


_MARKS = (("scans", "reads from end to end"), ("rewrites", "rewrites"))


def _marks(row: Sequence[Hold], top: int, direction: Direction, across: Scale) -> list[Html]:
    """Mark on the bar of a relation the statements that rewrite it or read it; a rewrite reads it, too."""
    relation = f"{row[0].lock.kind} {row[0].lock.name}"
    found = {
        statement.number: attribute
        for attribute, _ in _MARKS
        for statement in direction.statements
        if relation in getattr(statement, attribute)
    }
    return [
        tag(
            "rect",
            class_=f"mark {name}",
            x=_percent(across.middle(number)),
            y=top + 18 + (_BAR - _MARK) // 2,
            width=_MARK,
            height=_MARK,
            transform=f"translate(-{_MARK // 2} 0)",
        )
        for number, name in sorted(found.items())
    ]


def _grid(across: Scale, height: int) -> Html:
    places = [share for share, _ in across.times] or [across.start(number) for number in across.ticks]
    return join(tag("line", class_="grid", x1=_percent(share), x2=_percent(share), y1=0, y2=height) for share in places)


def _axis(direction: Direction, across: Scale, top: int) -> Html:
    numbers = [
        tag("text", number, class_="tick", x=_percent(across.middle(number)), y=top + 16, text_anchor="middle")
        for number in across.ticks
    ]
    ends = {0.0: "start", 1.0: "end"}
    times = [
        tag("text", said, class_="time", x=_percent(share), y=top + _AXIS + 12, text_anchor=ends.get(share, "middle"))
        for share, said in across.times
    ]
    end = [tag("line", class_="commit", x1="100%", x2="100%", y1=0, y2=top)] if direction.transactional else []
    return join(tag("line", class_="axis", x1=0, x2="100%", y1=top, y2=top), numbers, times, end)


def _legend(picture: Iterable[Iterable[Hold]], direction: Direction, across: Scale) -> Html:
    """Explain only what is in the picture."""
    holds = [hold for row in picture for hold in row]
    seen = {words.strength(hold.lock) for hold in holds}
    shown = {f"{hold.lock.kind} {hold.lock.name}" for hold in holds}
    items = [
        tag("li", _sample(f"bar {kind}", _HEIGHTS[kind]), text) for kind, text in STRENGTHS.items() if kind in seen
    ]
    items += [
        tag("li", _sample(f"mark {attribute}", _MARK, _MARK), label)
        for attribute, label in reversed(_MARKS)
        if any(not shown.isdisjoint(getattr(statement, attribute)) for statement in direction.statements)
    ]
    said = "; ".join(_across(direction, across))
    return tag("figcaption", tag("ul", items, class_="legend"), tag("span", f"Across: {said}", class_="quiet"))


def _across(direction: Direction, across: Scale) -> Iterator[str]:
    if across.timed:
        yield "statement number, as wide as its time on the target at the slower rates"
        if across.unknown:
            several = len(across.unknown) > 1
            names = words.listed(list(map(str, across.unknown)), 5)
            yield f"the time of statement{'s' if several else ''} {names} is not known"
    else:
        yield "statement number"
    if direction.transactional:
        yield "all locks are held until COMMIT"


def _sample(class_: str, height: int, width: int = 18) -> Html:
    mark = tag("rect", class_=class_, x=0, y=14 - height, width=width, height=height)
    return tag("svg", mark, width=width, height=14, aria_hidden="true", class_="sample")


def _table(holds: Iterable[Hold]) -> Html:
    heads = ("Locked", "Mode", "During", "What waits meanwhile", "Known")
    body = [
        tag(
            "tr",
            tag("td", tag("code", hold.lock.name), " ", tag("small", hold.lock.kind), data_label=heads[0]),
            tag("td", hold.lock.mode, data_label=heads[1]),
            tag("td", f"{words.span(hold)} ({hold.statements})", _for(hold), data_label=heads[2]),
            tag("td", hold.lock.blocks, data_label=heads[3]),
            tag("td", _SOURCES[hold.lock.source], data_label=heads[4]),
        )
        for hold in holds
    ]
    return tag(
        "table",
        tag("thead", tag("tr", (tag("th", head, scope="col") for head in heads))),
        tag("tbody", body),
        class_="stack",
    )


def _for(hold: Hold) -> Html | None:
    how_long = words.takes(hold.takes)
    return tag("small", f" {how_long}") if how_long else None


def _percent(share: float) -> str:
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"


def _short(name: str) -> str:
    """Cut a long name in its middle: schema and the end tell it from others."""
    if len(name) <= _LONGEST:
        return name
    half = (_LONGEST - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
