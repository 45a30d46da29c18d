"""Read plain YAML fast: its values come from the parser's events, and of the places only the outline is kept.

A node for each value takes nine times as long and twenty times the memory. What is not plain (anchors, tags, merged
mappings, and whatever is wrong) is left to the nodes, which have a place for everything.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Event = Any

_DEPTH = 100
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class NotPlainError(ValueError):
    """A document is not plain YAML: only its nodes tell what it holds, or what is wrong with it."""


@dataclass(slots=True)
class Outline:
    """The offsets of a document's own parts: its root, its keys with their values, and the items of their lists."""

    root: int = 0
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    items: dict[str, array[int]] = field(default_factory=dict)


def read(text: str, exact: Callable[[str], float], unstorable: re.Pattern[str]) -> tuple[Any, Outline]:
    """Return the value of a plain document and its outline.

    Raises NotPlainError, or an error of PyYAML, where the nodes have to be asked.
    """
    return _Reader(text, exact, unstorable).document()


class _Reader:
    def __init__(self, text: str, exact: Callable[[str], float], unstorable: re.Pattern[str]) -> None:
        import yaml  # noqa: PLC0415  most commands read no YAML

        if not yaml.__with_libyaml__:
            raise NotPlainError
        from yaml.cyaml import CParser  # type: ignore[attr-defined]  # noqa: PLC0415

        self._events: Any = yaml.events
        self._parser = CParser(text)
        self._next: Callable[[], Event] = self._parser.get_event
        self._exact, self._unstorable = exact, unstorable
        self._names: dict[str, str] = {}  # each key once, however many rows have it
        self._depth = 0
        self.outline = Outline()

    def document(self) -> tuple[Any, Outline]:
        """Return the value of the only document, and where its rows are."""
        try:
            self._expect("StreamStartEvent")
            self._expect("DocumentStartEvent")
            value = self._root(self._next())
            self._expect("DocumentEndEvent")
            self._expect("StreamEndEvent")
        finally:
            self._parser.dispose()
        return value, self.outline

    def _expect(self, name: str) -> None:
        if type(self._next()).__name__ != name:
            raise NotPlainError

    def _root(self, event: Event) -> Any:
        """Read the mapping at the top, and note where its parts are."""
        if type(event) is not self._events.MappingStartEvent or event.anchor or event.tag:
            raise NotPlainError
        self.outline.root = event.start_mark.index
        found: dict[str, Any] = {}
        end = self._events.MappingEndEvent
        while type(event := self._next()) is not end:
            name, at = self._key(event, found), event.start_mark.index
            event = self._next()
            self.outline.keys[name] = (at, event.start_mark.index)
            found[name] = self._top(name, event)
        return found

    def _top(self, name: str, event: Event) -> Any:
        if type(event) is not self._events.SequenceStartEvent:
            return self._value(event)
        if event.anchor or event.tag:
            raise NotPlainError
        starts = self.outline.items[name] = array("Q")
        found = []
        end, value = self._events.SequenceEndEvent, self._value
        while type(event := self._next()) is not end:
            starts.append(event.start_mark.index)
            found.append(value(event))
        return found

    def _key(self, event: Event, found: dict[str, Any]) -> str:
        if type(event) is not self._events.ScalarEvent or event.anchor or event.tag:
            raise NotPlainError
        name: str = event.value
        if name in found or name == "<<" or (event.style == '"' and self._unstorable.search(name)):
            raise NotPlainError
        return self._names.setdefault(name, name)

    def _value(self, event: Event) -> Any:
        if event.__class__ is self._events.ScalarEvent:
            return self._scalar(event)
        if event.__class__ is self._events.AliasEvent or event.anchor or event.tag or self._depth > _DEPTH - 4:
            raise NotPlainError
        self._depth += 1
        found: Any
        end: Any
        if event.__class__ is self._events.MappingStartEvent:
            found, end = {}, self._events.MappingEndEvent
            while (event := self._next()).__class__ is not end:
                found[self._key(event, found)] = self._value(self._next())
        else:
            found, end = [], self._events.SequenceEndEvent
            while (event := self._next()).__class__ is not end:
                found.append(self._value(event))
        self._depth -= 1
        return found

    def _scalar(self, event: Event) -> Any:
        if event.anchor or event.tag:
            raise NotPlainError
        text: str = event.value
        if not event.implicit[0]:
            if event.style == '"' and self._unstorable.search(text):
                raise NotPlainError
            return text
        if text[:1] in "-0123456789":
            if _INTEGER.fullmatch(text):
                return int(text)
            if text and _NUMBER.fullmatch(text):
                return self._exact(text)
        return _WORDS.get(text, text)
