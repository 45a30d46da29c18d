"""Hazards of policies: those that let everybody, that cost a call for each row, or that have no effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.access import PUBLIC
from sqlmigrate.review.hazards.difference import news, original
from sqlmigrate.review.hazards.records import Context, Occurrence, Rule, listed
from sqlmigrate.sql.statement.expressions import calls_of_every_row, is_constant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.hazards.access import Access, Policy, Table
    from sqlmigrate.review.hazards.difference import Key

_WRITES = frozenset({"insert", "update", "delete"})
_FALSE = "false"
_SETTING = "current_setting"


def _for_everybody(context: Context) -> Iterator[Occurrence]:
    for number, (name, *_), (table, policy) in news(context, _open_in):
        roles = _exposed(context, table, policy)
        if roles:
            commands = [one for one in ("select", "insert", "update", "delete") if one in policy.commands]
            yield Occurrence(
                number,
                f"policy {policy.name} lets {listed(roles)} {listed(commands)} every row of {name}",
                (original(context, name),),
                severity="danger" if _WRITES & policy.commands else None,
            )


def _open_in(access: Access) -> dict[Key, tuple[Table, Policy]]:
    return {
        (name, policy.name, *sorted(policy.roles), *sorted(policy.commands)): (table, policy)
        for name, table in access.tables.items()
        for policy in table.policies
        if not policy.restrictive and _lets_all(policy)
    }


def _lets_all(policy: Policy) -> bool:
    """Whether a policy lets every row pass, to be read or to be written."""
    conditions = [policy.using] if "insert" not in policy.commands or len(policy.commands) > 1 else []
    if "insert" in policy.commands or policy.check is not None:
        conditions.append(policy.check if policy.check is not None else policy.using)
    return any(one is not None and one != _FALSE and is_constant(one) for one in conditions)


def _exposed(context: Context, table: Table, policy: Policy) -> list[str]:
    """Return the roles of an API that a policy is for; of one for all, those that have a privilege on the table."""
    if PUBLIC in policy.roles:
        return table.reached(context.exposed)
    return [role for role in context.exposed if role in policy.roles]


def _each_row(context: Context) -> Iterator[Occurrence]:
    for number, (name, _, *calls), policy in news(context, _calling_in):
        yield Occurrence(
            number,
            f"policy {policy.name} of {name} calls {listed(calls)} again for each row",
            (original(context, name),),
            _once(policy),
            behind=True,
        )


def _calling_in(access: Access) -> dict[Key, Policy]:
    return {
        (name, policy.name, *calls): policy
        for name, table in access.tables.items()
        for policy in table.policies
        if (calls := _calls(access, policy))
    }


def _calls(access: Access, policy: Policy) -> list[str]:
    found: dict[str, None] = {}
    for condition in filter(None, (policy.using, policy.check)):
        for call in calls_of_every_row(condition):
            if _costs(access, call.function):
                found[condition[call.start : call.end]] = None
    return list(found)


def _costs(access: Access, function: str) -> bool:
    """Whether a call costs something for each row: one of PostgreSQL's own, printed without a schema, hardly does.

    What is IMMUTABLE is called once, when the statement is planned.
    """
    if "." not in function:
        return function == _SETTING
    definitions = [
        str(properties.get("definition", "")).partition("AS $")[0]
        for name, properties in access.state.of("function").items()
        if name.startswith(f"{function}(")
    ]
    return not definitions or not all(" IMMUTABLE" in definition for definition in definitions)


def _once(policy: Policy) -> str:
    """Write the policy so that each call is made once for the statement."""
    parts = [
        f" {word} ({_wrapped(condition)})"
        for word, condition in (("USING", policy.using), ("WITH CHECK", policy.check))
        if condition is not None
    ]
    return f"ALTER POLICY {policy.name} ON {policy.table}{''.join(parts)};"


def _wrapped(condition: str) -> str:
    for call in reversed(calls_of_every_row(condition)):
        condition = f"{condition[: call.start]}(SELECT {condition[call.start : call.end]}){condition[call.end :]}"
    return condition


def _idle(context: Context) -> Iterator[Occurrence]:
    before = context.access_before.tables
    for number, (name, policy), _ in news(context, _idle_in):
        was = before.get(original(context, name))
        if was is None or not was.secured:  # else row level security was switched off, which is another hazard
            seen = f"policy {policy} has no effect: row level security of {name} is not enabled"
            sql = f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"
            yield Occurrence(number, seen, (original(context, name),), sql, behind=True)


def _idle_in(access: Access) -> dict[Key, None]:
    return {
        (name, policy.name): None
        for name, table in access.tables.items()
        if not table.secured
        for policy in table.policies
    }


RULES = (
    Rule(
        "H73",
        "policy-for-everybody",
        "a policy lets an API's callers use every row",
        "warning",
        "The condition of a policy is true for every row, and roles of an API are among those that it is for. These "
        "roles are anon and authenticated, unless the setting api_roles names others.",
        "nothing waits; but everybody who can reach the API can read these rows, or write them",
        "write a condition that tells whose row it is, or grant nothing to these roles",
        _for_everybody,
    ),
    Rule(
        "H74",
        "policy-calls-for-each-row",
        "a policy calls a function for each row",
        "warning",
        "The condition of a policy calls a function, such as auth.uid() or current_setting(), that does not depend on "
        "the row. PostgreSQL calls it again for every row that it reads.",
        "every query of the table, which grows slower with its rows",
        "put the call in a subquery, as in (SELECT auth.uid()): PostgreSQL then runs it once for the statement",
        _each_row,
        scale="work",
    ),
    Rule(
        "H75",
        "policy-without-row-security",
        "a policy without row level security has no effect",
        "warning",
        "A table has a policy, but its row level security is not enabled.",
        "nothing waits; but rows that the policy is meant to keep from a role can be read and written by it",
        "enable row level security in the same migration",
        _idle,
    ),
)
