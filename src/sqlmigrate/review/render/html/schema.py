"""Draw what a migration changes in the schema: each object as it was before and as it is after."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from sqlmigrate.review.render import words
from sqlmigrate.review.render.html.tags import Html, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlmigrate.review.model import Migration

_SIGNS = {"added": ("+", "added"), "removed": ("-", "removed"), "changed": ("~", "changed")}
_NOBODYS = frozenset({"table", "position", "owner", "acl"})  # said elsewhere, or the same for all that a script makes
_HEADS = ("Object", "Before", "After")


def schema_changes(migration: Migration) -> Html:
    """Give the changes as a table, or as lines where there are only lines."""
    if migration.changes:
        body = [row for change in migration.changes for row in _rows(change)]
        head = tag("thead", tag("tr", (tag("th", name, scope="col") for name in _HEADS)))
        return tag("table", head, tag("tbody", body), class_="stack schema")
    if migration.change_lines:
        return diff_lines(migration.change_lines)
    return tag("p", "Nothing: the schema is the same before and after.", class_="quiet")


def diff_lines(lines: Iterable[str]) -> Html:
    """Draw lines that begin with the signs of a diff."""
    return tag("pre", (_diff_line(line) for line in lines), class_="diff")


def _diff_line(line: str) -> Html:
    class_ = {"+": "added", "-": "removed", "~": "changed", "@": "quiet"}.get(line.lstrip()[:1])
    return tag("span", line, "\n", class_=f"d {class_ or ''}".strip())


def _rows(change: Mapping[str, Any], depth: int = 0) -> Iterator[Html]:
    kind, name = change["object"]["kind"], change["object"]["name"]
    sign, said = _SIGNS[change["kind"]]
    title = tag(
        "th",
        tag("span", sign, class_="sign", aria_hidden="true"),
        tag("span", f"{said} ", class_="said"),
        tag("small", kind),
        " ",
        tag("code", name),
        tag("span", f" {change['property']}", class_="property") if change["property"] else None,
        scope="row",
        class_="part" if depth else None,
    )
    yield tag("tr", title, _cells(change), class_=change["kind"])
    for part in change.get("parts", ()):
        yield from _rows(part, depth + 1)


def _cells(change: Mapping[str, Any]) -> list[Html]:
    before, after = change["before"], change["after"]
    if change["kind"] != "changed":
        whole = _cell(_properties(change), "After" if change["kind"] == "added" else "Before")
        nothing = tag("td", "—", class_="none", data_label="Before" if change["kind"] == "added" else "After")
        return [nothing, whole] if change["kind"] == "added" else [whole, nothing]
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        lines = list(difflib.unified_diff(words.lines_of(before), words.lines_of(after), lineterm="", n=2))[2:]
        return [tag("td", diff_lines(lines), colspan=2, data_label="Difference")]
    return [_cell(_value(before), "Before"), _cell(_value(after), "After")]


def _cell(text: str, label: str) -> Html:
    if not text:
        return tag("td", "yes" if label == "After" else "it was there", class_="quiet", data_label=label)
    return tag("td", tag("code", text, class_="value"), data_label=label)


def _properties(change: Mapping[str, Any]) -> str:
    """Say what an object that came or went is."""
    found = dict(change.get("properties") or {})
    if isinstance(found.get("definition"), str):
        return str(found["definition"])
    kind = [str(found.pop("type"))] if "type" in found else []
    left = [
        key if value is True else f"{key} {_value(value)}"
        for key, value in found.items()
        if key not in _NOBODYS and value not in (None, False)
    ]
    return ", ".join(kind + left)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
