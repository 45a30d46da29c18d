"""Hazards of rows and functions that more roles can reach behind a script than before it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.access import PUBLIC, RELATIONS, privileges, words
from sqlmigrate.review.hazards.difference import news, original
from sqlmigrate.review.hazards.records import Context, Occurrence, Rule, briefly, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.hazards.access import Access, View
    from sqlmigrate.review.hazards.difference import Key
    from sqlmigrate.review.model import Severity

_DEFAULTS = "default privileges"
_FREE_FOR_ALL = {
    "function": "X", "procedure": "X", "aggregate": "X", "type": "U", "domain": "U", "language": "U", _DEFAULTS: "XU",
}  # fmt: skip
_WITH_ROWS = (_DEFAULTS, "table", "view", "materialized view", "foreign table", "column")
_KINDS = (*RELATIONS, *_WITH_ROWS, *_FREE_FOR_ALL)
_ROWS = frozenset("rawdD")


def _to_public(context: Context) -> Iterator[Occurrence]:
    by_statement: dict[int, list[Key]] = defaultdict(list)
    for number, key, _ in news(context, _public):
        by_statement[number].append(key)
    commands = {one.statement.number: one.command for one in context.statements}
    for number, keys in by_statement.items():
        found = [(*key[:2], key[3]) for key in keys if not key[2] or _was_there(context, key)]
        if not found or commands[number].endswith("EXTENSION"):
            continue
        letters = "".join(letter for _, letter, _ in found)
        objects = (_where(kind, name) for name, _, kind in found)
        is_open = any(_is_open(context, *one) for one in found)
        yield Occurrence(
            number,
            f"every role, as PUBLIC, gets {listed(words(letters))} on {briefly(objects)}",
            tuple(dict.fromkeys(original(context, name) for name, _, kind in found if kind in RELATIONS)),
            severity="danger" if is_open else None,
        )


def _public(access: Access) -> dict[Key, None]:
    """Say what PUBLIC may do: an object's name, a letter, `new` where PostgreSQL gives that by itself, its kind."""
    found: dict[Key, None] = {}
    for text, properties in access.granted.items():
        letters = privileges(properties.get("acl")).get(PUBLIC)
        if not letters:
            continue
        kind = next((kind for kind in _KINDS if text.startswith(f"{kind} ")), text.partition(" ")[0])
        by_itself = _FREE_FOR_ALL.get(kind, "")
        for letter in letters:
            found[text[len(kind) + 1 :], letter, "new" if letter in by_itself else "", kind] = None
    return found


def _was_there(context: Context, key: Key) -> bool:
    return f"{key[3]} {original(context, key[0])}" in context.access_before.granted


def _is_open(context: Context, name: str, letter: str, kind: str) -> bool:
    """Whether everybody reaches rows, now or of tables to come, or may create."""
    if kind == "schema":
        return letter == "C"
    table = context.access_after.tables.get(name) if kind == "table" else None
    return letter in _ROWS and kind in _WITH_ROWS and not (table and table.secured)


def _where(kind: str, name: str) -> str:
    return f"what is created by {kind} {name}" if kind == _DEFAULTS else f"{kind} {name}"


def _weaker(context: Context) -> Iterator[Occurrence]:
    for number, (name, how), severity in news(context, _weak_in):
        before, now = context.access_before.tables.get(original(context, name)), context.access_after.tables[name]
        if before is None or not before.secured:
            continue
        others = [role for role, _ in now.others()]
        if how == "off" and others and not now.reached(context.exposed):  # these are another hazard's
            seen = f"row level security of {name} is off again: {briefly(others)} may use every row"
        elif how == "not forced" and before.forced:
            seen = f"row level security of {name} no longer counts for its owner, {now.owner}"
        else:
            continue
        sql = f"ALTER TABLE {name} {'ENABLE' if how == 'off' else 'FORCE'} ROW LEVEL SECURITY;"
        yield Occurrence(number, seen, (before.name,), sql, severity, behind=True)
    yield from _restrictions_gone(context)


def _weak_in(access: Access) -> dict[Key, Severity]:
    found: dict[Key, Severity] = {}
    for name, table in access.tables.items():
        if not table.secured:
            found[name, "off"] = "danger"
        elif not table.forced:
            found[name, "not forced"] = "warning"
    return found


def _restrictions_gone(context: Context) -> Iterator[Occurrence]:
    kept = {
        (original(context, name), policy.name)
        for name, table in context.access_after.tables.items()
        for policy in table.policies
        if policy.restrictive
    }
    there = {original(context, name) for name, table in context.access_after.tables.items() if table.secured}
    for name, table in context.access_before.tables.items():
        for policy in table.policies:
            if table.secured and policy.restrictive and name in there and (name, policy.name) not in kept:
                number = _dropper(context, policy.name)
                seen = f"{name} loses the restrictive policy {policy.name}, which kept rows from {listed(policy.roles)}"
                yield Occurrence(number, seen, (name,), severity="warning")


def _dropper(context: Context, policy: str) -> int:
    """Return the statement behind which a policy is not there any more, or not as it was."""
    changing = [one for one in context.statements if one.step.before is not one.step.after]
    for one in reversed(changing):
        if any(text.startswith(f"policy {policy} on ") for text in (*one.changes.dropped, *one.changes.changed)):
            return one.statement.number
    return changing[-1].statement.number


def _past(context: Context) -> Iterator[Occurrence]:
    found: dict[tuple[int, str, str], set[str]] = defaultdict(set)
    views: dict[str, View] = {}
    for number, (name, table, role), view in news(context, _past_in):
        found[number, name, table].add(role)
        views[name] = view
    for (number, name, table), roles in found.items():
        reached = [role for role in context.exposed if {role, PUBLIC} & roles]
        view = views[name]
        sql = f"ALTER VIEW {name} SET (security_invoker = true);" if name in context.after.of("view") else None
        yield Occurrence(
            number,
            f"{name} reads {table} as its owner {view.owner}, past its row level security, and "
            f"{briefly(sorted(roles))} may read it",
            (original(context, table),),
            sql,
            "danger" if reached else None,
            behind=True,
        )


def _past_in(access: Access) -> dict[Key, View]:
    return {
        (view.name, table.name, role): view
        for view, table in access.read_past()
        for role, letters in view.granted.items()
        if "r" in letters and role != view.owner
    }


def _definers(context: Context) -> Iterator[Occurrence]:
    for number, (text, *_), owner in news(context, _callable_definers):
        kind, _, name = text.partition(" ")
        yield Occurrence(
            number,
            f"every role may call {name}, which runs with the privileges of {owner}",
            (),
            f"REVOKE EXECUTE ON {kind.upper()} {name} FROM PUBLIC;",
            behind=True,
        )


def _callable_definers(access: Access) -> dict[Key, str]:
    return {
        (text,): str(properties.get("owner"))
        for text, properties in access.definers.items()
        if "X" in privileges(properties.get("acl")).get(PUBLIC, ())
    }


RULES = (
    Rule(
        "H71",
        "row-security-weaker",
        "row level security is off again, or weaker",
        "danger",
        "Row level security of an existing table is switched off, no longer forced on its owner, or loses a "
        "restrictive policy.",
        "nothing waits; but from COMMIT on, roles see and change rows that were kept from them",
        "keep row level security on, and write a policy for what the application needs",
        _weaker,
    ),
    Rule(
        "H72",
        "granted-to-public",
        "a privilege is granted to PUBLIC",
        "warning",
        "Every role, also those that are still to come, gets a privilege that PostgreSQL does not give by itself.",
        "nothing waits; but whoever can connect to the database has this privilege, the roles of an API among them",
        "grant the privilege to the roles that need it, by name",
        _to_public,
    ),
    Rule(
        "H76",
        "view-past-row-security",
        "a view reads past row level security",
        "warning",
        "A view reads a table as its owner, for whom the row level security of that table does not count. Others may "
        "read the view.",
        "nothing waits; but whoever may read the view sees rows that the policies of the table keep from them",
        "create the view WITH (security_invoker = true), so that policies count for whoever reads it (since "
        "PostgreSQL 15); revoke SELECT on a materialized view, which has no such option",
        _past,
    ),
    Rule(
        "H77",
        "definer-for-everybody",
        "every role may call a SECURITY DEFINER function",
        "warning",
        "A function that runs with the privileges of its owner can be called by PUBLIC, as PostgreSQL gives it by "
        "itself.",
        "nothing waits; but whoever can connect to the database, perhaps through an API, can do what the function does",
        "revoke EXECUTE from PUBLIC in the same migration, and grant it to the roles that need it",
        _definers,
    ),
)
