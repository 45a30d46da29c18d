r"""Evaluate regular expressions that others wrote in bounded time and memory.

Those of a JSON Schema are ECMA-262's (https://json-schema.org/draft/2020-12/json-schema-core#name-regular-expressions):
`\p{L}` is known, `\d` and `\w` are ASCII, and `$` is the very end. Those of a configuration are Python's. Python's `re`
has no limit of time, so the package `regex` evaluates them; as it has none of memory while it compiles, what repeats
too often is refused before.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from sqlmigrate.errors import Error

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import regex

_LONGEST = 2_000  # characters
_LARGEST = 20_000  # characters once all repeats are written out
_SECONDS = 0.3
_SECONDS_HIDING = 10.0  # thousands of statements, each of tens of thousands of characters
_SECONDS_EACH = 1.0
_FREE = 0.001  # seconds of a search that is not counted, so that many rows need no larger budget
_SHORT = 200  # characters in which a pattern of one choice cannot take that long
_FIXED = re.compile(r"\{[0-9]+\}")
_CHOICE = re.compile(r"[*+?{(]")
_TOKEN = re.compile(
    r"""
    \\u\{(?P<point>[0-9A-Fa-f]{1,6})\} | \\c(?P<control>[A-Za-z]) | \\k<(?P<back>\w+)>
    | \\[pP]\{[^}]*\} | \\(?P<escape>.) | (?P<empty>\[\]) | (?P<any>\[\^\]) | (?P<class>\[\^?)
    | (?P<open>\() | (?P<close>\)) | \{(?P<least>\d+)(?:,(?P<most>\d*))?\} | (?P<end>\$) | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_CLASS_TOKEN = re.compile(
    r"\\u\{(?P<point>[0-9A-Fa-f]{1,6})\}|\\c(?P<control>[A-Za-z])|\\[pP]\{[^}]*\}|\\(?P<escape>.)|(?P<close>\])|(?P<bracket>\[)|.",
    re.DOTALL,
)
_ASCII = {"d": "[0-9]", "D": "[^0-9]", "w": "[A-Za-z0-9_]", "W": "[^A-Za-z0-9_]"}
_ASCII_IN_CLASS = {"d": "0-9", "w": "A-Za-z0-9_"}


class PatternError(ValueError):
    """A pattern cannot be used, or takes too long; `pattern` is the pattern."""

    def __init__(self, pattern: str, reason: str) -> None:
        super().__init__(reason)
        self.pattern = pattern


@dataclass(slots=True)
class Patterns:
    """The patterns of one check; each may take so many seconds in all, beside what is too short to count.

    No search may take more than one. They are Python's if `python` says so, else ECMA-262's.
    """

    seconds: float = _SECONDS
    python: bool = False
    _compiled: dict[str, regex.Pattern[str]] = field(default_factory=dict)
    _left: dict[str, float] = field(default_factory=dict)

    def matches(self, pattern: str, text: str) -> bool:
        """Tell whether a pattern matches anywhere in a text; raises PatternError."""
        compiled = self._compiled.get(pattern) or self.require(pattern)
        began = time.process_time()
        try:
            found = compiled.search(text, timeout=min(self._left[pattern], _SECONDS_EACH))
        except TimeoutError:
            raise PatternError(pattern, f"the pattern {_shown(pattern)} takes too long on {_shown(text)}") from None
        taken = time.process_time() - began
        if taken > _FREE:
            self._left[pattern] = max(self._left[pattern] - taken, _FREE)
        return found is not None

    def match_all(self, pattern: str, texts: Collection[str]) -> bool:
        """Tell whether a pattern is known to match anywhere in each of these texts: none takes long enough to count."""
        search = (self._compiled.get(pattern) or self.require(pattern)).search
        if len(_CHOICE.findall(_FIXED.sub("", pattern))) > 1 or max(map(len, texts), default=0) > _SHORT:
            search = partial(search, timeout=_FREE)  # which costs more than most searches
        try:
            return all(map(search, texts))
        except TimeoutError:
            return False

    def require(self, pattern: str) -> regex.Pattern[str]:
        """Compile a pattern; raises PatternError where it is none, or too large."""
        import regex  # noqa: PLC0415  only for schemas with patterns

        if len(pattern) > _LONGEST:
            raise PatternError(pattern, f"{_shown(pattern)} is longer than {_LONGEST} characters")
        try:
            self._compiled[pattern] = compiled = regex.compile(self._written(pattern))
        except (regex.error, RecursionError, OverflowError) as error:
            reason = getattr(error, "msg", None) or "nested too deeply, or a number is too large"
            raise PatternError(pattern, f"{_shown(pattern)} is not a regular expression: {reason}") from None
        self._left[pattern] = self.seconds
        return compiled

    def _written(self, pattern: str) -> str:
        """Return a pattern as `regex` takes it; that of ECMA-262 tells also of Python's how often it repeats."""
        as_ecma = translated(pattern)
        return pattern if self.python else as_ecma


class Hidden:
    """The patterns of `workload_hide`: statements that one of them finds are not shown."""

    def __init__(self, patterns: Collection[str] = ()) -> None:
        self._texts = tuple(patterns)
        self._patterns = Patterns(_SECONDS_HIDING, python=True)

    def hides(self, text: str) -> bool:
        """Tell whether a pattern finds a statement; raises Error where that takes too long, since nobody knows then."""
        try:
            return any(self._patterns.matches(pattern, text) for pattern in self._texts)
        except PatternError as error:
            hint = "write the pattern so that it can match in one way only"
            message = f"the pattern {_shown(error.pattern)} of workload_hide takes too long on a statement"
            raise Error(message, hint=hint) from None


NOTHING = Hidden()
"""Hides no statement."""


def require_python(pattern: str) -> None:
    """Raise PatternError where a regular expression in Python's syntax is none, or too large."""
    Patterns(python=True).require(pattern)


def translated(pattern: str) -> str:
    """Write a pattern of ECMA-262 for the package `regex`; raises PatternError where it repeats too often."""
    return "".join(_translate(pattern))


def _translate(pattern: str) -> Iterator[str]:
    sizes, last, position = [0], 0, 0  # of each open group so far, of what stands before a repeat
    while found := _TOKEN.match(pattern, position):
        position = found.end()
        text, size = _one(pattern, found), 1
        if found["class"]:
            rest, position = _class(pattern, position)
            text += rest
        if found["open"]:
            sizes.append(0)
            last = 0
        elif found["close"] and len(sizes) > 1:
            last = sizes.pop() + 1
            sizes[-1] += last
        elif found["least"]:
            size = last * max(int(found["most"] or 0), int(found["least"]), 1)
            sizes[-1] += size - last
            last = size
        else:
            last = size
            sizes[-1] += size
        if sum(sizes) > _LARGEST:
            raise PatternError(pattern, f"{_shown(pattern)} repeats too often")
        yield text


def _one(pattern: str, found: re.Match[str]) -> str:
    if found["point"]:
        return _code_point(pattern, found["point"])
    if found["control"]:
        return re.escape(chr(ord(found["control"]) % 32))
    if found["back"]:
        return f"(?P={found['back']})"
    if found["escape"]:
        return _ASCII.get(found["escape"], found[0])
    special = {"empty": r"(?!)", "any": r"[\s\S]", "end": r"\Z"}
    return next((text for name, text in special.items() if found[name]), found[0])


def _class(pattern: str, position: int) -> tuple[str, int]:
    """Write the rest of a character class; gives the position behind it."""
    parts: list[str] = []
    while found := _CLASS_TOKEN.match(pattern, position):
        position = found.end()
        if found["close"]:
            return "".join([*parts, "]"]), position
        if found["point"]:
            parts.append(_code_point(pattern, found["point"]))
        elif found["control"]:
            parts.append(re.escape(chr(ord(found["control"]) % 32)))
        elif found["bracket"]:
            parts.append(r"\[")
        else:
            parts.append(_ASCII_IN_CLASS.get(found["escape"] or "", found[0]))
    return "".join(parts), position


def _code_point(pattern: str, digits: str) -> str:
    if int(digits, 16) > 0x10FFFF:  # noqa: PLR2004  Unicode's last
        raise PatternError(pattern, f"\\u{{{digits}}} in {_shown(pattern)} is not a character")
    return f"\\U{int(digits, 16):08x}"


def _shown(pattern: str, limit: int = 60) -> str:
    return repr(pattern if len(pattern) <= limit else f"{pattern[: limit - 3]}...")
