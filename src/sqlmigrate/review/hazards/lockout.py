"""Hazards of what roles could do before a script and can no longer do behind it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.access import COMMANDS, PUBLIC, RELATIONS, privileges, words
from sqlmigrate.review.hazards.difference import news, original
from sqlmigrate.review.hazards.records import Context, Occurrence, Rule, briefly, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.hazards.access import Access, Properties
    from sqlmigrate.review.hazards.difference import Key
    from sqlmigrate.review.model import Severity
    from sqlmigrate.review.trace.follow import State

_ORDER = tuple(COMMANDS)
_HARDLY_MISSED = frozenset("xtmTc")
"""Letters of privileges that an application hardly uses: REFERENCES, TRIGGER, MAINTAIN, TEMPORARY, CONNECT."""
_DEFAULTS = "default privileges"


def _shut_out(context: Context) -> Iterator[Occurrence]:
    found: dict[tuple[int, str, Severity], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for number, (name, role, command), _ in news(context, _shut_out_in):
        severity = _how_bad(context, name, role, command)
        found[number, name, severity][role].add(command)
    for (number, name, severity), roles in found.items():
        commands = [one for one in _ORDER if any(one in of_role for of_role in roles.values())]
        table = context.access_after.tables[name]
        who = briefly(roles)
        why = f"none of its policies lets {who}" if table.policies else f"it has no policy, so {who} cannot"
        yield Occurrence(
            number,
            f"row level security of {name} is on, and {why} {_either(commands)} a row",
            (original(context, name),),
            severity=severity,
        )


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _shut_out_in(access: Access) -> dict[Key, None]:
    return {
        (name, role, command): None
        for name, table in access.tables.items()
        for role, commands in table.shut_out().items()
        for command in commands
    }


def _how_bad(context: Context, name: str, role: str, command: str) -> Severity:
    """Judge whether a role could do it before, gets a privilege of no use now, or has it as all new tables."""
    before = context.access_before.tables.get(original(context, name))
    if before is not None:
        could = command in dict(before.others()).get(role, ()) or (role == before.owner and not before.forced)
        return "danger" if could and context.trace.script_run.operation == "apply" else "note"
    for one in context.statements:
        if f"table {name}" in one.changes.made:
            first = privileges(one.step.after.get(f"table {name}", {}).get("acl"))
            return "note" if COMMANDS[command] in first.get(role, ()) else "warning"
    return "warning"


def _lost(context: Context) -> Iterator[Occurrence]:
    by_statement: dict[int, list[tuple[str, str, frozenset[str]]]] = defaultdict(list)
    for text, role, letters in _losses(context):
        by_statement[_taken_by(context, text, role, letters)].append((text, role, letters))
    for number, items in by_statement.items():
        letters = frozenset().union(*(item[2] for item in items))
        roles = list(dict.fromkeys(item[1] for item in items))
        names = [text.partition(" ")[2] for text, *_ in items if text.startswith("table ")]
        yield Occurrence(
            number,
            f"{briefly(roles)} can no longer use {listed(words(letters))} on {briefly(item[0] for item in items)}",
            tuple(dict.fromkeys(names)),
            severity=_severity(context, items),
        )


def _severity(context: Context, items: list[tuple[str, str, frozenset[str]]]) -> Severity | None:
    missed = any(role != PUBLIC and letters - _HARDLY_MISSED for _, role, letters in items)
    return None if missed and context.trace.script_run.operation == "apply" else "note"


def _losses(context: Context) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield what roles had and have not: the object as it was called before, the role, and the letters."""
    if all(one.step.before is one.step.after for one in context.statements):
        return
    now = _by_original_name(context)
    for text, properties in context.access_before.granted.items():
        after = now.get(text)
        if after is None or text.startswith(_DEFAULTS) or after.get("acl") == properties.get("acl"):
            continue
        given, whole = privileges(after.get("acl")), _of_whole(now, text, after)
        owners = {str(properties.get("owner")), str(after.get("owner"))}
        for role, letters in privileges(properties.get("acl")).items():
            left = letters.difference(*(of_it.get(one, ()) for of_it in (given, whole) for one in (role, PUBLIC)))
            if left and role not in owners:
                yield text, role, left


def _of_whole(now: Mapping[str, Properties], text: str, after: Properties) -> Mapping[str, frozenset[str]]:
    """Return the privileges on the table of a column, which are good for the column too."""
    table = now.get(f"table {after.get('table')}", {}) if text.startswith("column ") else {}
    return privileges(table.get("acl"))


def _by_original_name(context: Context) -> dict[str, Properties]:
    """Return all objects behind the script by the names by which the application knows them.

    What has such a name now answers to it, a relation of any kind; else it is what was renamed.
    """
    renamed, found = {}, dict(context.access_after.granted)
    for text, properties in context.access_after.granted.items():
        kind = next((kind for kind in RELATIONS if text.startswith(f"{kind} ")), None)
        if kind is not None:
            name = text[len(kind) + 1 :]
            found |= {f"{other} {name}": properties for other in RELATIONS if f"{other} {name}" not in found}
            renamed[f"{kind} {original(context, name)}"] = properties
    return {**renamed, **found}


def _taken_by(context: Context, text: str, role: str, letters: frozenset[str]) -> int:
    """Return the last statement that found the object with these privileges, and left it without, or left none."""
    changing = [one for one in context.statements if one.step.before is not one.step.after]
    for one in reversed(changing):
        had, has = (_letters(state, text, role) for state in (one.step.before, one.step.after))
        if letters & had and not letters & has:
            return one.statement.number
    return changing[-1].statement.number


def _letters(state: State, text: str, role: str) -> frozenset[str]:
    return privileges(state.get(text, {}).get("acl")).get(role, frozenset())


RULES = (
    Rule(
        "H70",
        "no-policy-for-a-role",
        "row level security without a policy for a role that uses the table",
        "danger",
        "Row level security of a table is on, and no policy lets a role use its privileges on the table: row level "
        "security was just enabled, a policy was dropped, or the table is new. It is a danger where the role could use "
        "them before, and a note where every new table has such privileges or where they are new.",
        "the application as it runs now: its queries find no rows, and its writes are refused or change nothing",
        "write the policies first, in the same migration, and drop a policy only when another one has its place",
        _shut_out,
    ),
    Rule(
        "H78",
        "privilege-lost",
        "a role loses a privilege that it had",
        "warning",
        "A role can no longer do what it could before: by REVOKE, or since an object was dropped and created again "
        "under its name, without the privileges that it had.",
        "the application as it runs now, if it still uses the privilege: from COMMIT on it gets permission denied",
        "deploy a version that does not need the privilege first; and grant again what a new object lost",
        _lost,
    ),
)
