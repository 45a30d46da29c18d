"""Draw what a migration changes in the schema: each object as it was before and as it is after."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from sqlmigrate.review.render import words
from sqlmigrate.review.render.html.tags import Html, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlmigrate.review.model import Migration

_SIGNS = {"added": ("+", "added"), "removed": ("-", "removed"), "changed": ("~", "changed")}
# said elsewhere, or the same for all that a script makes
_NOBODYS = frozenset({"table", "position", "owner", "acl", "uses"})
_USUAL = ("access method", "heap")
_HEADS = ("Object", "Before", "After")


def schema_changes(migration: Migration) -> Html:
    """Return the changes as a table, or as lines where there are only lines."""
    if migration.changes:
        body = [_row(change) for change in migration.changes]
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


def _row(change: Mapping[str, Any]) -> Html:
    sign, said = _SIGNS[change["kind"]]
    title = tag(
        "th",
        tag("span", sign, class_="sign", aria_hidden="true"),
        tag("span", f"{said} ", class_="said"),
        tag("small", change["object"]["kind"]),
        " ",
        tag("code", change["object"]["name"]),
        tag("span", f" {change['property']}", class_="property") if change["property"] else None,
        scope="row",
    )
    return tag("tr", title, _cells(change), class_=change["kind"])


def _cells(change: Mapping[str, Any]) -> list[Html]:
    before, after = change["before"], change["after"]
    if change["kind"] == "added":
        return [tag("td", "-", class_="none", data_label="Before"), _whole(change, "After")]
    if change["kind"] == "removed":
        return [_whole(change, "Before"), tag("td", "-", class_="none", data_label="After")]
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        lines = list(difflib.unified_diff(words.lines_of(before), words.lines_of(after), lineterm="", n=2))[2:]
        return [tag("td", diff_lines(lines), colspan=2, data_label="Difference")]
    return [_cell(_value(before), "Before"), _cell(_value(after), "After")]


def _cell(text: str, label: str) -> Html:
    return tag("td", tag("code", text, class_="value"), data_label=label)


def _whole(change: Mapping[str, Any], label: str) -> Html:
    """Say what an object that came or went is, with its parts under it."""
    parts = [
        tag("li", tag("small", part["object"]["kind"]), " ", tag("code", _own_name(part, change)), " ", _said(part))
        for part in change.get("parts", ())
        if not _told_by_column(part)
    ]
    said = _properties(change)
    head = tag("code", said, class_="value") if said or parts else tag("span", "is there", class_="quiet")
    return tag("td", head, tag("ul", parts, class_="parts") if parts else None, data_label=label)


def _said(part: Mapping[str, Any]) -> Html:
    return tag("span", _properties(part), class_="quiet")


def _own_name(part: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """Leave out the name of the table that a part belongs to."""
    name, owner = part["object"]["name"], whole["object"]["name"]
    return str(name.removeprefix(f"{owner}.").removesuffix(f" on {owner}"))


def _told_by_column(part: Mapping[str, Any]) -> bool:
    """Tell the constraints that PostgreSQL 18 makes for NOT NULL: their columns say so already."""
    definition = (part.get("properties") or {}).get("definition")
    return part["object"]["kind"] == "constraint" and str(definition).startswith("NOT NULL ")


def _properties(change: Mapping[str, Any]) -> str:
    """Say what an object that came or went is."""
    found = dict(change.get("properties") or {})
    if isinstance(found.get("definition"), str):
        return str(found["definition"])
    kind = [str(found.pop("type"))] if "type" in found else []
    left = [
        key if value is True else f"{key} {_value(value)}"
        for key, value in found.items()
        if key not in _NOBODYS and value not in (None, False) and (key, value) != _USUAL
    ]
    return ", ".join(kind + left)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
