"""Which targets belong to which wave: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING

from sqlmigrate.errors import UsageError
from sqlmigrate.fleet.model import Wave

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ALL = "all"
"""The name of the one wave where none is asked for."""
_WISH = re.compile(
    r"(?:(?P<name>(?!tag:)[^=]+)=)?"  # a tag may be region=eu
    r"(?:(?P<count>\d{1,9})|(?P<share>\d{1,3}(?:\.\d{1,6})?)%|(?P<rest>rest)|tag:(?P<tag>.+)|(?P<word>[^\W\d][\w.-]*))"
)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%")
_HINT = "write 5, 1%, tag:NAME or rest, each with a name before it if you like: canary=5"


@dataclass(frozen=True, slots=True)
class Wish:
    """A wave as somebody asks for it: a number of targets, a share of all in percent, those with a tag, or the rest."""

    name: str
    count: int | None = None
    share: float | None = None
    tag: str | None = None


def read_wish(text: str) -> Wish:
    """Read `[NAME=]N`, `[NAME=]P%`, `[NAME=]rest` or `[NAME=]tag:TAG`; raises UsageError.

    A word may stand for the tag of that name.
    """
    found = _WISH.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no wave", hint=_HINT)
    wish = Wish(
        found["name"] or text,
        count=int(found["count"]) if found["count"] else None,
        share=float(found["share"]) if found["share"] else None,
        tag=found["tag"] or found["word"],
    )
    if wish.count == 0 or (wish.share is not None and not 0 < wish.share <= 100):  # noqa: PLR2004  percent
        raise UsageError(f"a wave of {text} has no targets", hint=_HINT)
    return wish


def read_most(text: str, targets: int) -> int:
    """Read how many of the targets may fail, a number or a share such as `0.5%`; raises ValueError.

    Of a share it is at least one.
    """
    if found := _SHARE.fullmatch(text):
        return max(floor(targets * float(found[1]) / 100), 1)
    if not text.isascii() or not text.isdigit() or not int(text):
        raise ValueError(f"{text!r} is neither a number from 1 on nor a share such as 0.5%")
    return int(text)


def share_out(tags: Mapping[str, Sequence[str]], wishes: Sequence[Wish]) -> tuple[Wave, ...]:
    """Share the targets out among waves, each to the first that asks for it; `tags` names all targets in their order.

    A wave of a number takes those first that have its name as a tag. Without any wish there is one wave of all. Waves
    that get no target are left out; targets that no wave asks for are in none. Raises UsageError for two waves of one
    name, and for a tag that no target has.
    """
    if not wishes:
        return (Wave(ALL, tuple(tags)),) if tags else ()
    _require_sound(tags, wishes)
    left = dict(tags)
    waves = []
    for wish in wishes:
        taken = tuple(_taken(wish, left, len(tags)))
        for name in taken:
            del left[name]
        waves.append(Wave(wish.name, taken))
    return tuple(wave for wave in waves if wave.targets)


def _require_sound(tags: Mapping[str, Sequence[str]], wishes: Sequence[Wish]) -> None:
    names = [wish.name for wish in wishes]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two waves have the name {twice}", hint="give one of them another name: NAME=...")
    known = {tag for found in tags.values() for tag in found}
    if unknown := next((wish.tag for wish in wishes if wish.tag and wish.tag not in known), None):
        raise UsageError(f"no target has the tag {unknown}", hint=f"the tags are {', '.join(sorted(known)) or 'none'}")


def _taken(wish: Wish, left: Mapping[str, Sequence[str]], all_of_them: int) -> Iterator[str]:
    if wish.tag is not None:
        return (name for name, tags in left.items() if wish.tag in tags)
    if wish.count is None and wish.share is None:
        return iter(left)
    most = wish.count if wish.count is not None else ceil(all_of_them * (wish.share or 0) / 100)
    preferred = sorted(left, key=lambda name: wish.name not in left[name])
    return iter(preferred[:most])
