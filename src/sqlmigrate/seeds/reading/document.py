"""Read YAML into plain values and know the place of every one.

Plain scalars are read as JSON reads them: `true`, `false`, `null` (also `~` and nothing at all) and JSON's numbers.
Everything else is text: dates, `yes` and `no`, `010`, `1_000`, `12:30`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlmigrate.errors import Place, Problem, SeedError
from sqlmigrate.files import read_bytes
from sqlmigrate.seeds.problems import SHOWN, refusal, refuse, shown
from sqlmigrate.seeds.reading import outline
from sqlmigrate.sql.position import place_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.seeds.reading.outline import Outline


# A node of PyYAML: scalar, sequence or mapping, by its attribute `id`.
Node = Any

_TAG = "tag:yaml.org,2002:"
_IMPLICIT = {
    "null": (r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "int": (r"-?(?:0|[1-9][0-9]*)$", list("-0123456789")),
    "float": (r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$", list("-0123456789")),
    "merge": (r"<<$", ["<"]),
}
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""PostgreSQL's text cannot hold the first, UTF-8 not the others."""
# Aliases of aliases can make a small file as large as one likes: so many values may come of each one in the text.
_MAX_VALUES, _MAX_VALUES_EACH = 10_000, 100
# libyaml's composer is recursive and has no limit of its own: it crashes the process.
_MAX_DEPTH = 100
_NEXT_ITEM = re.compile(r"(?:\n *-\s*|,\s*)\Z")  # what stands between an item of a list and the next one


class Places(Protocol):
    """What finds the places in a document."""

    def offset(self, where: Sequence[str | int], key: str | None) -> int | None:
        """Return the offset of a value, or of a key in it; of the nearest one around it if it is not there."""


@dataclass(frozen=True, slots=True)
class Document:
    """The value of a YAML file, None when it is empty, with its text and what knows the places in it."""

    path: Path
    text: str
    value: Any
    places: Places = field(repr=False, compare=False)

    def place(self, where: Sequence[str | int] = (), *, key: str | None = None) -> Place:
        """Return the place of a value, or of the key `key` in it; of the nearest one around it if it is not there."""
        offset = self.places.offset(where, key)
        return Place(self.path) if offset is None else place_at(self.path, self.text, offset)


@dataclass(frozen=True, slots=True)
class Nodes:
    """Finds places by the nodes of a document; without any, nothing has a place."""

    root: Node = None

    def offset(self, where: Sequence[str | int], key: str | None) -> int | None:
        """Return the offset of a value, or of a key in it; of the nearest one around it if it is not there."""
        node = self.root
        for step in where:
            found = _child(node, step)
            if found is None:
                break
            node = found
        else:
            node = _keys(node).get(key, node) if key is not None else node
        return node.start_mark.index if node else None


@dataclass(slots=True)
class Outlined:
    """Finds places by the outline of a document; only the item of a list that is asked for is read once more."""

    text: str
    outline: Outline
    value: Any
    _all: Nodes | None = None
    _last: tuple[str, int, int, Nodes] | None = None

    def offset(self, where: Sequence[str | int], key: str | None) -> int | None:
        """Return the same offset as the nodes of the whole document give."""
        keys, items = self.outline.keys, self.outline.items
        if not where:
            return keys[key][0] if key in keys else self.outline.root
        name = str(where[0])
        if name not in keys:
            return self.outline.root
        if len(where) == 1 and key is None:
            return keys[name][1]
        if len(where) > 1 and isinstance(index := where[1], int) and name in items:
            if index >= len(items[name]):
                return keys[name][1]
            if (found := self._in_item(name, index, where[2:], key)) is not None:
                return found
        if self._all is None:
            self._all = Nodes(_single_node(self.text))
        return self._all.offset(where, key)

    def _in_item(self, name: str, index: int, where: Sequence[str | int], key: str | None) -> int | None:
        """Find a place in an item of a list; None where the item cannot be read alone."""
        if self._last is None or self._last[:2] != (name, index):  # many problems are of one item
            self._last = (name, index, *self._item(name, index))
        *_, shift, nodes = self._last
        found = nodes.offset(where, key)
        return None if found is None else found + shift

    def _item(self, name: str, index: int) -> tuple[int, Nodes]:
        """Read an item alone, at its own column; no nodes where that gives something else than it has in the file."""
        import yaml  # noqa: PLC0415

        starts = self.outline.items[name]
        start, end = starts[index], starts[index + 1] if index + 1 < len(starts) else len(self.text)
        column = start - self.text.rfind("\n", 0, start) - 1
        text = " " * column + _NEXT_ITEM.sub("\n", self.text[start:end])
        try:
            node = _single_node(text)
            if node is not None and _Builder(Path(), text).value(node) == self.value[name][index]:
                return start - column, Nodes(node)
        except (yaml.YAMLError, SeedError):
            pass
        return 0, Nodes()


def read_text(path: Path) -> str:
    """Read a file as UTF-8, without a byte order mark."""
    try:
        data = read_bytes(path)
        return data.decode("utf-8").removeprefix("\ufeff")
    except OSError as error:
        problem = Problem(f"cannot be read: {error.strerror or error}", Place(path))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = Problem(f"byte {data[error.start]:#04x} is not UTF-8", Place(path, line), "save the file as UTF-8")
    raise refusal(problem)


def read_document(path: Path) -> Document:
    """Read a YAML file; raise one SeedError with all of its problems."""
    return parse(path, read_text(path))


def parse(path: Path, text: str) -> Document:
    """Read the text of a YAML file; raise one SeedError with all of its problems."""
    import yaml  # noqa: PLC0415

    try:
        value, found = outline.read(text, exact, UNSTORABLE)
    except (yaml.YAMLError, ValueError, ArithmeticError):  # the nodes tell what is wrong, if anything is
        return _by_nodes(path, text)
    return Document(path, text, value, Outlined(text, found, value))


def _by_nodes(path: Path, text: str) -> Document:
    root = _compose(path, text)
    builder = _Builder(path, text)
    try:
        value = builder.value(root) if root is not None else None
    except RecursionError:
        message = "an alias leads back to the value that holds it, or by way of too many others"
        builder.problems.append(Problem(message, Place(path)))
    refuse(builder.problems)
    return Document(path, text, value, Nodes(root))


def _compose(path: Path, text: str) -> Node:
    """Let PyYAML make nodes of the text, after a look at how deep it goes."""
    import yaml  # noqa: PLC0415  most commands read no YAML

    try:
        _check_depth(path, text)
        return _single_node(text)
    except yaml.reader.ReaderError as error:
        problem = Problem(f"not valid YAML: {error.reason}", place_at(path, text, error.position))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = place_at(path, text, mark.index) if mark else Place(path)
        problem = Problem(f"not valid YAML: {error.problem}", place)
    raise refusal(problem)


def _single_node(text: str) -> Node:
    loader = _loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _check_depth(path: Path, text: str) -> None:
    """Refuse what is nested so deeply that it would crash the composer."""
    import yaml  # noqa: PLC0415

    depth = 0
    loader = _loader(text)
    while loader.check_event():
        event = loader.get_event()
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise refusal(Problem(f"nested more than {_MAX_DEPTH} deep", place_at(path, text, event.start_mark.index)))


def _loader(text: str) -> Any:
    """Make a parser and composer with JSON's idea of scalars, on libyaml where PyYAML was built with it."""
    import yaml  # noqa: PLC0415
    from yaml import composer, parser, reader, resolver, scanner  # noqa: PLC0415

    class Resolver(resolver.BaseResolver):
        pass

    for tag, (pattern, first) in _IMPLICIT.items():
        Resolver.add_implicit_resolver(_TAG + tag, re.compile(pattern), first)
    if yaml.__with_libyaml__:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]  # noqa: PLC0415

        class Fast(CParser, Resolver):
            def __init__(self, text: str) -> None:
                CParser.__init__(self, text)
                Resolver.__init__(self)

        return Fast(text)

    class Slow(reader.Reader, scanner.Scanner, parser.Parser, composer.Composer, Resolver):
        def __init__(self, text: str) -> None:
            reader.Reader.__init__(self, text)
            for base in (scanner.Scanner, parser.Parser, composer.Composer, Resolver):
                base.__init__(self)

    return Slow(text)


class _Builder:
    """Makes plain values of YAML nodes and collects what is wrong with them."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.problems: list[Problem] = []
        self._built: dict[int, Any] = {}
        self._sizes: dict[int, int] = {}
        self._merged = 0

    def value(self, node: Node) -> Any:
        """Return the value of a node; an alias gives the same object again."""
        if id(node) not in self._built:
            build = {"scalar": self._scalar, "sequence": self._list, "mapping": self._mapping}[node.id]
            self._built[id(node)] = build(node)
            size = self._sizes[id(node)] = 1 + sum(self._sizes[id(child)] for child in _values(node))
            if size > _MAX_VALUES + _MAX_VALUES_EACH * len(self._built):
                self._refuse(node, "its aliases stand for too many values")
                refuse(self.problems)
        return self._built[id(node)]

    def _refuse(self, node: Node, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(message, place_at(self.path, self.text, node.start_mark.index), hint))
        if len(self.problems) > SHOWN:
            refuse(list(shown(self.problems, self.path)))

    def _list(self, node: Node) -> list[Any]:
        self._check_tag(node, "seq")
        return [self.value(child) for child in node.value]

    def _mapping(self, node: Node) -> dict[str, Any]:
        self._check_tag(node, "map")
        seen: set[str] = set()
        for key, value in node.value:
            if key.id != "scalar":
                self._refuse(key, "a key must be text")
            elif key.tag == f"{_TAG}merge":
                sources = value.value if value.id == "sequence" else [value]
                if any(source.id != "mapping" for source in sources):
                    self._refuse(value, "'<<' takes a mapping, or a list of mappings")
            elif key.value in seen:
                self._refuse(key, f"the key '{key.value}' appears twice", "keep one of them")
            else:
                seen.add(key.value)
                self._check_text(key)
        entries = dict(_entries(node))
        self._merged += len(entries) - len(seen)
        if self._merged > _MAX_VALUES + _MAX_VALUES_EACH * len(self._built):
            self._refuse(node, "what mappings are merged of (<<) stands for too many values")
            refuse(self.problems)
        return {name: self.value(child) for name, child in entries.items()}

    def _scalar(self, node: Node) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        try:
            if kind in {"str", "merge"}:
                self._check_text(node)
                return text
            if kind in {"null", "bool"}:
                return None if kind == "null" else {"true": True, "false": False}[text.lower()]
            if kind in {"int", "float"}:
                return int(text) if kind == "int" else exact(text)
        except (ValueError, KeyError, ArithmeticError):
            self._refuse(node, f"{text[:40]} cannot be kept exactly as a number", "put it in quotes")
            return None
        self._check_tag(node, "str")
        return None

    def _check_tag(self, node: Node, expected: str) -> None:
        if node.tag != _TAG + expected:
            self._refuse(node, f"the tag {node.tag.replace(_TAG, '!!')} is not known here", "remove the tag")

    def _check_text(self, node: Node) -> None:
        if UNSTORABLE.search(node.value):
            self._refuse(node, "PostgreSQL cannot store NUL or half a surrogate pair in a text")


def exact(text: str) -> float:
    """Read a number that a float holds without loss; raise ValueError for any other."""
    value = float(text)
    if repr(value) != text and Decimal(repr(value)) != Decimal(text):
        raise ValueError(text)
    return value


def _values(node: Node) -> list[Node]:
    """Return the nodes inside a node that became part of its value."""
    if node.id == "scalar":
        return []
    return [child for _, child in _entries(node)] if node.id == "mapping" else list(node.value)


def _entries(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield the keys and value nodes of a mapping; merged mappings (`<<`) come behind what it says itself."""
    yield from _merged(node).items()


def _merged(node: Node) -> dict[str, Node]:
    """Put a mapping together once: its merged mappings may be merged of others, again and again."""
    known: dict[str, Node] | None = getattr(node, "merged", None)
    if known is not None:
        return known
    found: dict[str, Node] = {}
    sources: list[Node] = []
    for key, value in node.value:
        if key.tag == f"{_TAG}merge":
            sources += value.value if value.id == "sequence" else [value]
        elif key.id == "scalar":
            found.setdefault(key.value, value)
    for source in {id(source): source for source in sources}.values():
        if getattr(source, "id", None) == "mapping":
            found |= {name: value for name, value in _merged(source).items() if name not in found}
    node.merged = found
    return found


def _keys(node: Node) -> dict[str, Node]:
    """Return a mapping's own keys with the nodes of the keys themselves; found once, since each problem asks."""
    if node is None or node.id != "mapping":
        return {}
    known: dict[str, Node] | None = getattr(node, "keys", None)
    if known is None:
        known = node.keys = {key.value: key for key, _ in node.value if key.id == "scalar"}
    return known


def _child(node: Node, step: str | int) -> Node:
    """Go one step down: to a key's value or to an item of a list."""
    if isinstance(step, int):
        return node.value[step] if node is not None and node.id == "sequence" and step < len(node.value) else None
    return _merged(node).get(step) if node is not None and node.id == "mapping" else None
