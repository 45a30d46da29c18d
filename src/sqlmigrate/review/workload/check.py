"""What each statement of a workload meets in a database: asked as its role, under its path, in a form that is taken."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import pq
from psycopg.rows import tuple_row

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.review.workload.asking import ask
from sqlmigrate.review.workload.compare import State
from sqlmigrate.review.workload.facts import read_facts
from sqlmigrate.review.workload.forms import forms
from sqlmigrate.review.workload.standing import Standing, Way
from sqlmigrate.sql.statement.names import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlmigrate.connection import Connection
    from sqlmigrate.review.workload.asking import Answer
    from sqlmigrate.review.workload.compare import Resolve
    from sqlmigrate.review.workload.queries import Query, Workload
    from sqlmigrate.shadow import ShadowDatabase
    from sqlmigrate.sql.statement.names import Named

APPLICATION = "sqlmigrate: workload"
_STATEMENT_TIMEOUT = 5_000  # milliseconds for each: planning may run IMMUTABLE functions
# one plan for all values, that takes an index wherever one serves: see `plans`
_PLANNING = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
_ROLES = 4  # of the roles that send a statement, those that send it most are asked for


def first(database: ShadowDatabase, workload: Workload, paths: Sequence[str | None] = (None,)) -> State:
    """Find for each statement a way by which the database takes it: its role, each path, and each form of its text."""
    with _session(database) as connection:
        facts = read_facts(connection)
        known = _roles(connection, workload)
        ways: dict[int, Way] = {}
        answers: dict[int, Answer] = {}
        left = {number: _ways(query, known, paths) for number, query in enumerate(workload.queries)}
        tried = _next(left)
        while tried:
            found = ask_ways(connection, tried)
            taken = {number: tried[number] for number, answer in found.items() if answer.taken}
            ways |= taken
            answers = {**found, **answers, **{number: found[number] for number in taken}}  # else the first refusal
            refused = {number: way for number, way in tried.items() if number not in taken}
            typed = {number: more for number, way in refused.items() if (more := way.again(found[number].refused))}
            tried = typed | _next({number: left[number] for number in refused if number not in typed})
        return State(Standing(ways, answers, names_of_types(connection, answers), known), facts)


def again(database: ShadowDatabase, before: State) -> State:
    """Ask for everything that was taken before in the same way, in another state of the database."""
    with _session(database) as connection:
        facts = read_facts(connection)
        ways = {number: before.standing.ways[number] for number in before.standing.taken()}
        answers = ask_ways(connection, ways)
        return State(Standing(ways, answers, names_of_types(connection, answers)), facts)


@contextmanager
def resolving(database: ShadowDatabase) -> Iterator[Resolve]:
    """Yield what gives the oid of the table that a statement means by a name; None where there is none.

    Behind the block it still knows what it was asked in it, and nothing else.
    """
    with _session(database) as connection:
        known: dict[tuple[str | None, str | None, Named], int | None] = {}

        def resolve(way: Way, name: Named) -> int | None:
            key = way.role, way.path, name
            if key not in known and not connection.closed:
                _pristine(connection, way.role, way.path)
                known[key] = connections.relations(connection, quote(name.schema, name.name))[0]
            return known.get(key)

        yield resolve


def _next(left: Mapping[int, Iterator[Way]]) -> dict[int, Way]:
    return {number: way for number, more in left.items() if (way := next(more, None)) is not None}


def _session(database: ShadowDatabase) -> AbstractContextManager[Connection]:
    return connections.session(database.conninfo, application_name=APPLICATION)


def _roles(connection: Connection, workload: Workload) -> frozenset[str]:
    """Return which of the workload's roles are here, and may be taken by this session."""
    wanted = sorted({use.role for query in workload.queries for use in query.uses if use.role})
    row = connection.execute(queries.load("workload")["roles"], [wanted]).fetchone() if wanted else None
    return frozenset(row[0] if row else ())


def _ways(query: Query, roles: frozenset[str], paths: Sequence[str | None]) -> Iterator[Way]:
    used = sorted(query.uses, key=lambda use: -(use.calls or 0))[:_ROLES]
    known = [use.role for use in used if use.role in roles]
    for form in forms(query):
        for role in (*known, None):
            for path in paths:
                yield Way(role, path, form)


def ask_ways(
    connection: Connection, ways: Mapping[int, Way], planning: Mapping[str, str] = _PLANNING
) -> dict[int, Answer]:
    """Ask for statements, those of one role and path together; `planning` are settings that plans depend on."""
    groups: defaultdict[tuple[str | None, str | None], list[int]] = defaultdict(list)
    for number, way in ways.items():
        groups[way.role, way.path].append(number)
    found: dict[int, Answer] = {}
    for (role, path), numbers in groups.items():
        _pristine(connection, role, path, planning)
        found |= dict(zip(numbers, ask(connection, [ways[number].asked() for number in numbers]), strict=True))
    connections.give_back(connection)
    connections.settle(connection)
    return found


def _pristine(
    connection: Connection, role: str | None, path: str | None, planning: Mapping[str, str] = _PLANNING
) -> None:
    """Make the session that of a role, with nothing of ours in it."""
    connections.give_back(connection)
    become(connection, role, path, planning)


def become(connection: Connection, role: str | None, path: str | None, planning: Mapping[str, str] = _PLANNING) -> None:
    """Ask as a role and under a path from here on, up to the end of the transaction if one is open."""
    is_local = connection.info.transaction_status == pq.TransactionStatus.INTRANS
    connections.limit(connection, lock_timeout=_STATEMENT_TIMEOUT, statement_timeout=_STATEMENT_TIMEOUT)
    connection.execute(queries.load("workload")["planning"], [is_local, list(planning), list(planning.values())])
    if path is not None:
        connection.execute("SELECT pg_catalog.set_config('search_path', %s, %s)", [path, is_local])
    if role is not None:
        connections.set_role(connection, role)


def names_of_types(connection: Connection, answers: Mapping[int, Answer]) -> dict[int, str]:
    """Return the names of all types in some answers; an OID says nothing once a type was made anew."""
    used = {oid for answer in answers.values() for oid in (*answer.parameters, *(item[1] for item in answer.columns))}
    cursor = connection.cursor(row_factory=tuple_row)
    return dict(cursor.execute(queries.load("workload")["types"], [sorted(used)]).fetchall())
