"""Hazards of who may see and do what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.records import Context, Occurrence, Rule, briefly, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.review.trace.tracer import Traced

_ON_ROWS = ("trigger", "rule", "policy")
_FIXED_PATH = re.compile(r"^\s*SET search_path ", re.MULTILINE | re.IGNORECASE)
_DEFINER = re.compile(r"^.*\bSECURITY DEFINER\b", re.MULTILINE)


def _row_security_off(context: Context) -> Iterator[Occurrence]:
    told: set[str] = set()
    by_column = _reaching_columns(context.after)
    for one in context.statements:
        open_now: dict[str, str] = {}
        roles: dict[str, None] = {}
        for found in _in_question(context, one):
            text = context.at_end(one, found)
            properties = context.after.get(text, {})
            named = _named(properties.get("acl")) | by_column.get(text, set())
            reached = [role for role in context.exposed if role in named]
            if properties and reached and not properties.get("row security") and text not in told:
                open_now.setdefault(text.removeprefix("table "), found.removeprefix("table "))
                roles |= dict.fromkeys(reached)
        told |= {f"table {name}" for name in open_now}
        if open_now:
            have, them = ("have", "them") if len(open_now) > 1 else ("has", "it")
            seen = f"{briefly(open_now)} {have} no row level security, and {listed(roles)} may use {them}"
            sql = "\n".join(f"ALTER TABLE {now} ENABLE ROW LEVEL SECURITY;" for now in open_now.values())
            yield Occurrence(one.statement.number, seen, tuple(open_now), sql, behind=True)


def _reaching_columns(state: State) -> dict[str, set[str]]:
    """Return the roles that have a privilege on a column, by table."""
    found: dict[str, set[str]] = {}
    for properties in state.of("column").values():
        if acl := properties.get("acl"):
            found.setdefault(f"table {properties.get('table')}", set()).update(_named(acl))
    return found


def _in_question(context: Context, one: Traced) -> Iterator[str]:
    """Yield the tables that a statement makes, takes row level security from, or opens to an exposed role."""
    yield from (text for text in one.changes.made if text.startswith("table "))
    for text in one.changes.changed:
        before, after = one.step.before.get(text, {}), one.step.after.get(text, {})
        if not text.startswith(("table ", "column ")) or not after:
            continue
        opened = (_named(after.get("acl")) - _named(before.get("acl"))) & set(context.exposed)
        if before.get("row security") or opened:
            yield text if text.startswith("table ") else f"table {after.get('table')}"


def _named(acl: object) -> set[str]:
    """Return the roles that an access list names, without their quotes."""
    found = {str(item).rpartition("=")[0] for item in acl} if isinstance(acl, tuple) else set()
    return {role[1:-1].replace('""', '"') if role.startswith('"') else role for role in found}


def _definer(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        for text in (*one.changes.made, *one.changes.changed):
            definition = str(context.after.get(context.at_end(one, text), {}).get("definition", ""))
            head = definition.partition("AS $")[0]
            if text.startswith(("function ", "procedure ")) and _DEFINER.search(head) and not _FIXED_PATH.search(head):
                kind, _, name = text.partition(" ")
                yield Occurrence(
                    one.statement.number,
                    f"{name} is SECURITY DEFINER and finds names by the search_path of whoever calls it",
                    (),
                    f"ALTER {kind.upper()} {name} SET search_path = '';  -- and qualify every name in its body",
                    behind=True,
                )


def _other_rows(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        if one.command == "COMMENT":
            continue
        words = [
            f"{text} is {how}"
            for how, texts in (
                ("made", one.changes.made),
                ("changed", one.changes.changed),
                ("dropped", one.changes.dropped),
            )
            for text in texts
            if text.startswith(tuple(f"{kind} " for kind in _ON_ROWS))
            and " (now " not in text
            and (table := one.step.known.get(text.rpartition(" on ")[2]))
            and not context.goes(table, one)
        ]
        for text in one.changes.changed:
            before, after = one.step.before.get(text, {}), one.step.after.get(text, {})
            if (
                text.removeprefix("table ") in one.step.known
                and before
                and after
                and before.get("row security") != after.get("row security")
            ):
                words.append(f"row level security of {text.removeprefix('table ')} is changed")
        off = _switched_off(context, one)
        words = [word for word in words if word.removesuffix(" is changed") not in off]
        words += [f"{text} is switched off, so rows are written without it" for text in off]
        if words:
            tables = dict.fromkeys(word.rpartition(" is ")[0].rpartition(" on ")[2] for word in words)
            known = (one.step.known.get(name) for name in tables)
            names = tuple(item.name for item in known if item)
            yield Occurrence(one.statement.number, listed(words), names, severity="warning" if off else None)


def _switched_off(context: Context, one: Traced) -> list[str]:
    """Return the triggers and rules that a statement disables and that stay so, those of constraints too."""
    if one.step.before is one.step.after:
        return []
    found = [text for text in one.changes.changed if text.startswith(("trigger ", "rule ")) and " (now " not in text]
    if (
        any(text.startswith("table ") for text in one.changes.changed)
        or " trigger " in f" {one.statement.text.lower()} "
    ):
        found += [text for text in one.step.after if text.startswith("internal trigger ")]
    return [
        text
        for text in found
        if _is_off(one.step.after, text)
        and not _is_off(one.step.before, text)
        and _is_off(context.after, context.at_end(one, text))
        and (table := one.step.known.get(text.rpartition(" on ")[2]))
        and not context.goes(table, one)
    ]


def _is_off(state: State, text: str) -> bool:
    return state.get(text, {}).get("enabled") == "disabled"


RULES = (
    Rule(
        "H14",
        "rows-behave-differently",
        "a trigger, rule, policy or row level security of a table in use is changed",
        "note",
        "The script changes what happens when rows of an existing table are read or written. A trigger or rule that "
        "is switched off, and stays off, is a warning.",
        "nothing for long; but from COMMIT on the application sees other rows or other effects, while sessions that "
        "began earlier may still see the old ones",
        "try it with the roles of the application; first deploy a version that can live with both",
        _other_rows,
    ),
    Rule(
        "H30",
        "row-security-off",
        "no row level security on a table that an API exposes",
        "danger",
        "A table has no row level security, and roles of an API have privileges on it: the script creates the "
        "table, takes its row level security away, or grants the privileges. These roles are anon and "
        "authenticated, unless the setting api_roles names others.",
        "everybody who can reach the API can read, and perhaps write, all of its rows",
        "enable row level security in the same migration, and write policies for what may be seen",
        _row_security_off,
    ),
    Rule(
        "H31",
        "definer-without-search-path",
        "SECURITY DEFINER without a fixed search_path",
        "danger",
        "A function runs with the privileges of its owner, but looks names up in the search_path of its caller.",
        "anybody who can create a table or function in some schema can make the function run their code as its owner",
        "fix the search_path in the function's definition, and qualify every name in its body",
        _definer,
    ),
)
