"""Draw which relation is locked how strongly during which statements: a picture, and the same as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.render import words
from sqlmigrate.review.render.html.tags import Html, join, tag
from sqlmigrate.review.render.words import STRENGTHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.review.model import Direction, Hold
    from sqlmigrate.review.render.words import Strength

MOST = 20
"""Relations in the picture; the table has all."""
_LONGEST = 40  # characters of a name: what a phone's width holds
_HEIGHTS: dict[Strength, int] = {"reads": 14, "writes": 10, "changes": 6, "little": 3}
_ROW, _BAR, _LANE, _AXIS, _TICKS = 38, 14, 20, 22, 12
_SOURCES = {"seen": "seen in pg_locks", "table": "from PostgreSQL's documentation"}


def timeline(direction: Direction, anchor: str) -> Html | None:
    """Return the figure of a script that locks something, else nothing."""
    if not direction.holds or not direction.statements:
        return None
    last = max(direction.statements[-1].number, *(hold.last for hold in direction.holds))
    drawn = _rows(direction.holds)
    picture = drawn[:MOST]
    more = len(drawn) - len(picture)
    return tag(
        "figure",
        _picture(direction, picture, last, anchor),
        _legend(picture, direction),
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


def _picture(direction: Direction, picture: Sequence[Sequence[Hold]], last: int, anchor: str) -> Html:
    title = f"Locks of the {direction.operation} script over its {words.count(last, 'statement')}"
    lanes = [lane for attribute, _ in _LANES if (lane := _lane(direction, attribute, last)) is not None]
    bottom = len(picture) * _ROW + 4
    axis = bottom + len(lanes) * _LANE
    return tag(
        "svg",
        tag("title", title, id=f"{anchor}-t"),
        tag("desc", _told(picture, direction), id=f"{anchor}-d"),
        _grid(last, axis),
        [_row(row, at, last) for at, row in enumerate(picture)],
        [tag("g", lane, transform=f"translate(0 {bottom + at * _LANE})") for at, lane in enumerate(lanes)],
        _axis(direction, last, axis),
        width="100%",
        height=axis + _AXIS,
        role="img",
        aria_labelledby=f"{anchor}-t {anchor}-d",
    )  # fmt: skip


def _told(picture: Iterable[Iterable[Hold]], direction: Direction) -> str:
    """Say the picture in words."""
    told = [f"{hold.lock.name} is locked {hold.lock.mode} during {words.span(hold)}" for row in picture for hold in row]
    end = "all locks are held until COMMIT" if direction.transactional else "each statement commits by itself"
    return f"{'; '.join(told)}; {end}"


def _row(row: Sequence[Hold], at: int, last: int) -> Html:
    top = at * _ROW
    bars = [
        tag(
            "rect",
            class_=f"bar {(kind := words.strength(hold.lock))}",
            x=_percent(hold.first - 1, last),
            width=_percent(hold.last - hold.first + 1, last),
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
    return join(label, tag("rect", class_="rail", x=0, width="100%", y=top + 18 + _BAR - 1, height=1), bars)


_LANES = (("rewrites", "rewrites"), ("scans", "reads from end to end"))


def _lane(direction: Direction, attribute: str, last: int) -> Html | None:
    """Draw a mark for each statement that rewrites or scans."""
    marked = [statement.number for statement in direction.statements if getattr(statement, attribute)]
    if not marked:
        return None
    return join(
        tag("rect", class_=attribute, x=_middle(number, last), y=6, width=8, height=8, transform="translate(-4 0)")
        for number in marked
    )


def _grid(last: int, height: int) -> Html:
    return join(
        tag("line", class_="grid", x1=_percent(number - 1, last), x2=_percent(number - 1, last), y1=0, y2=height)
        for number in _ticks(last)
    )


def _axis(direction: Direction, last: int, top: int) -> Html:
    numbers = [
        tag("text", number, class_="tick", x=_middle(number, last), y=top + 16, text_anchor="middle")
        for number in _ticks(last)
    ]
    end = [tag("line", class_="commit", x1="100%", x2="100%", y1=0, y2=top)] if direction.transactional else []
    return join(tag("line", class_="axis", x1=0, x2="100%", y1=top, y2=top), numbers, end)


def _ticks(last: int) -> list[int]:
    """Choose the statements to be numbered: all, or as many as can be read."""
    steps = (step * 10**power for power in range(9) for step in (1, 2, 5))
    step = next(step for step in steps if last / step <= _TICKS)
    return list(range(1, last + 1)) if step == 1 else list(range(step, last + 1, step))


def _legend(picture: Iterable[Iterable[Hold]], direction: Direction) -> Html:
    """Explain only what is in the picture."""
    seen = {words.strength(hold.lock) for row in picture for hold in row}
    items = [
        tag("li", _sample(f"bar {kind}", _HEIGHTS[kind]), text) for kind, text in STRENGTHS.items() if kind in seen
    ]
    items += [
        tag("li", _sample(attribute, 8, 8), label)
        for attribute, label in _LANES
        if any(getattr(statement, attribute) for statement in direction.statements)
    ]
    unit = "statement number; all locks are held until COMMIT" if direction.transactional else "statement number"
    return tag("figcaption", tag("ul", items, class_="legend"), tag("span", f"Across: {unit}", class_="quiet"))


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
            tag("td", f"{words.span(hold)} ({hold.statements})", data_label=heads[2]),
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


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3f}".rstrip("0").rstrip(".") + "%"


def _middle(number: int, last: int) -> str:
    return _percent(2 * number - 1, 2 * last)


def _short(name: str) -> str:
    """Cut a long name in its middle: schema and the end tell it from others."""
    if len(name) <= _LONGEST:
        return name
    half = (_LONGEST - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
