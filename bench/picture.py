"""Draw how long writers wait over time, one panel for each way, as an SVG that is read on light and on dark pages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _LEFT, _RIGHT = 760, 64, 16
_TOP, _PANEL, _GAP, _BOTTOM = 0, 92, 34, 30
_LEAST = 0.001  # seconds, at the bottom of a panel
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#5b6470}.name{font-weight:600}"
    ".axis{stroke:#8a93a0;stroke-width:1}.grid{stroke:#8a93a0;stroke-opacity:.3}"
    ".alone{stroke:#8a93a0;stroke-width:1.5;stroke-dasharray:6 4}"
    ".wait{fill:#c2413b;fill-opacity:.75}.calm{fill:#2f7fb8;fill-opacity:.75}"
    "@media(prefers-color-scheme:dark){text{fill:#b9c2cf}.wait{fill:#f0756d}.calm{fill:#63b3ea}}"
)
_STEPS, _MARKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000), 10
_CALM = 1.0  # seconds that nobody has to wait for


@dataclass(frozen=True, slots=True)
class Curve:
    """One way: how long it took, the longest wait, and the longest wait in each part of the time; in seconds."""

    name: str
    seconds: float
    worst: float
    parts: list[float]


def drawn(curves: list[Curve], alone: float) -> str:
    """Give the picture; time goes to the right, alike in all panels, and waits go up, ten times a line.

    `alone` is the longest wait without any of it, a dashed line in each panel.
    """
    longest = max(curve.seconds for curve in curves)
    decades = max(math.ceil(math.log10(max(curve.worst for curve in curves) / _LEAST)), 1)
    height = _TOP + len(curves) * (_PANEL + _GAP) + _BOTTOM
    body = []
    for number, curve in enumerate(curves):
        top = _TOP + number * (_PANEL + _GAP) + _GAP - 8
        body += _panel(curve, top, longest, decades)
        y = top + _PANEL - _high(alone, decades)
        body.append(f'<line class="alone" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    body += _seconds(longest, height - _BOTTOM + 4)
    label = f"The longest wait of a session is {spoken(alone)} alone. " + "; ".join(
        f"{curve.name}: the longest wait is {spoken(curve.worst)}" for curve in curves
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">\n'
        f"<title>{escape(label)}</title>\n<style>{_STYLE}</style>\n" + "\n".join(body) + "\n</svg>\n"
    )


def spoken(seconds: float) -> str:
    """Say a time as people do."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _panel(curve: Curve, top: float, longest: float, decades: int) -> list[str]:
    bottom = top + _PANEL
    name = f"{curve.name}: {spoken(curve.seconds)}; the longest wait is {spoken(curve.worst)}"
    found = [f'<text class="name" x="{_LEFT}" y="{top - 7:.0f}">{escape(name)}</text>']
    for decade in range(decades + 1):
        y = bottom - _PANEL * decade / decades
        found.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        found.append(f'<text text-anchor="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{_power(_LEAST * 10**decade)}</text>')
    points = [f"{_x(0, longest):.1f},{bottom:.1f}"]
    for at, wait in enumerate(curve.parts):
        y = bottom - _high(wait, decades)
        points += [f"{_x(curve.seconds * (at + side) / len(curve.parts), longest):.1f},{y:.1f}" for side in (0, 1)]
    points.append(f"{_x(curve.seconds, longest):.1f},{bottom:.1f}")
    kind = "wait" if curve.worst > _CALM else "calm"
    found.append(f'<polygon class="{kind}" points="{" ".join(points)}"/>')
    found.append(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    return found


def _high(wait: float, decades: int) -> float:
    return _PANEL * math.log10(max(wait, _LEAST) / _LEAST) / decades


def _power(seconds: float) -> str:
    return f"{1000 * seconds:g} ms" if seconds < 1 else f"{seconds:g} s"


def _seconds(longest: float, y: float) -> list[str]:
    step = next((step for step in _STEPS if longest / step <= _MARKS), _STEPS[-1])
    marks = range(0, int(longest) + 1, step)
    return [f'<text text-anchor="middle" x="{_x(at, longest):.1f}" y="{y + 12:.0f}">{at} s</text>' for at in marks]


def _x(seconds: float, longest: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * seconds / longest
