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
