"""Numbers of rows and bytes as people say them."""

from __future__ import annotations

_STEP = 1024


def in_words(number: int) -> str:
    """Shorten a number of rows, such as 120 M."""
    for factor, sign in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= factor:
            return f"{_short(number / factor)} {sign}"
    return str(number)


def in_bytes(number: int) -> str:
    """Shorten a size, such as 48 GiB."""
    size, units = float(number), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= _STEP and len(units) > 1:
        size, units = size / _STEP, units[1:]
    return f"{_short(size)} {units[0]}"


def _short(number: float) -> str:
    """Keep three digits, and never an exponent."""
    return f"{number:.0f}" if number >= 99.5 else f"{number:.3g}"  # noqa: PLR2004  from here on three digits are whole


def in_time(seconds: float) -> str:
    """Say a time in one unit, rounded as an estimate is: `40 s`, `15 min`, `6.5 h`."""
    number, unit = _in_unit(seconds)
    return f"{number} {unit}"


def in_range(least: float, most: float) -> str:
    """Say a range of times: `6 to 15 min`, `40 s to 3 min`, `up to 2 s`."""
    low, high = _in_unit(least), _in_unit(most)
    if least < 1:
        return f"up to {' '.join(high)}"
    if low == high:
        return " ".join(high)
    return f"{low[0]} to {' '.join(high)}" if low[1] == high[1] else f"{' '.join(low)} to {' '.join(high)}"


def _in_unit(seconds: float) -> tuple[str, str]:
    """Choose the unit in which a time is at most a two-digit number, days apart."""
    for factor, unit, most in ((1, "s", 90), (60, "min", 90), (3600, "h", 48)):
        if seconds / factor < most:
            return _rounded(seconds / factor), unit
    return _rounded(seconds / 86400), "days"


def _rounded(number: float) -> str:
    """Keep two digits at most; of a few, a half counts."""
    return f"{number:.0f}" if number >= 5 else f"{round(2 * number) / 2:g}"  # noqa: PLR2004  from here on whole
