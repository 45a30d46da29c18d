"""What each statement of a workload meets in a database: asked as its role, under its path, in a form that is taken."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from psycopg.rows import tuple_row

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.review.workload.asking import Asked, ask
from sqlmigrate.review.workload.forms import Form, forms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlmigrate.connection import Connection
    from sqlmigrate.review.workload.asking import Answer, Refusal
    from sqlmigrate.review.workload.queries import Query, Workload
    from sqlmigrate.shadow import ShadowDatabase

APPLICATION = "sqlmigrate: workload"
_STATEMENT_TIMEOUT = 5_000  # milliseconds for each: planning may run IMMUTABLE functions
_PARAMETERS = re.compile(r"\$(\d{1,5})(?!\d)")
_ROLES = 4  # of the roles that send a statement, those that send it most are asked for


@dataclass(frozen=True, slots=True)
class Way:
    """How a statement is asked: `role` is None for the owner of the database, `path` None for what the role finds."""

    role: str | None
    path: str | None
    form: Form

    def asked(self, types: Sequence[int] = ()) -> Asked:
        """Return what goes to the server; `types` are those of its parameters, where they are known already."""
        return Asked(self.form.text, tuple(types or self.form.types), _parameters(self.form.text))

    def again(self, refusal: Refusal | None) -> Way | None:
        """Return the same way with types for the parameters that a refusal is about."""
        form = self.form.again(refusal) if refusal else None
        return replace(self, form=form) if form else None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a workload meets in one state of a database, by the number of the query in the workload.

    `ways` are those by which a statement was taken, `answers` what was said to it, also where nothing was taken;
    `types` are PostgreSQL's names of types by their OIDs.
    """

    ways: Mapping[int, Way] = field(default_factory=dict)
    answers: Mapping[int, Answer] = field(default_factory=dict)
    types: Mapping[int, str] = field(default_factory=dict)

    def taken(self) -> list[int]:
        """Return the numbers of the queries that the database takes."""
        return [number for number in self.ways if self.answers[number].taken]


def first(database: ShadowDatabase, workload: Workload, paths: Sequence[str | None] = (None,)) -> Standing:
    """Find for each statement a way by which the database takes it: its role, each path, and each form of its text."""
    with _session(database) as connection:
        known = _roles(connection, workload)
        ways: dict[int, Way] = {}
        answers: dict[int, Answer] = {}
        left = {number: _ways(query, known, paths) for number, query in enumerate(workload.queries)}
        tried = _next(left)
        while tried:
            found = _ask(connection, tried)
            taken = {number: tried[number] for number, answer in found.items() if answer.taken}
            ways |= taken
            answers = {
                **found,
                **answers,
                **{number: found[number] for number in taken},
            }  # the first refusal tells most
            refused = {number: way for number, way in tried.items() if number not in taken}
            typed = {number: more for number, way in refused.items() if (more := way.again(found[number].refused))}
            tried = typed | _next({number: left[number] for number in refused if number not in typed})
        return Standing(ways, answers, _types(connection, answers))


def _next(left: Mapping[int, Iterator[Way]]) -> dict[int, Way]:
    return {number: way for number, more in left.items() if (way := next(more, None)) is not None}


def again(database: ShadowDatabase, before: Standing) -> Standing:
    """Ask for everything that was taken before in the same way, in another state of the database."""
    with _session(database) as connection:
        ways = {number: before.ways[number] for number in before.taken()}
        answers = _ask(connection, ways)
        return Standing(ways, answers, _types(connection, answers))


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


def _ask(connection: Connection, ways: Mapping[int, Way]) -> dict[int, Answer]:
    """Ask for statements, those of one role and path together."""
    groups: defaultdict[tuple[str | None, str | None], list[int]] = defaultdict(list)
    for number, way in ways.items():
        groups[way.role, way.path].append(number)
    found: dict[int, Answer] = {}
    for (role, path), numbers in groups.items():
        _become(connection, role, path)
        found |= dict(zip(numbers, ask(connection, [ways[number].asked() for number in numbers]), strict=True))
    connections.give_back(connection)
    return found


def _become(connection: Connection, role: str | None, path: str | None) -> None:
    """Make the session that of a role, with nothing of ours in it."""
    connections.give_back(connection)
    connections.limit(connection, lock_timeout=_STATEMENT_TIMEOUT, statement_timeout=_STATEMENT_TIMEOUT)
    connection.execute("SET plan_cache_mode TO force_generic_plan")
    if path is not None:
        connection.execute("SELECT pg_catalog.set_config('search_path', %s, false)", [path])
    if role is not None:
        connections.set_role(connection, role)


def _types(connection: Connection, answers: Mapping[int, Answer]) -> dict[int, str]:
    """Return the names of all types in some answers; an OID says nothing once a type was made anew."""
    used = {oid for answer in answers.values() for oid in (*answer.parameters, *(item[1] for item in answer.columns))}
    cursor = connection.cursor(row_factory=tuple_row)
    return dict(cursor.execute(queries.load("workload")["types"], [sorted(used)]).fetchall())


def _parameters(text: str) -> int:
    """Return how many parameters a statement has; one in a quote counts too, and does no harm."""
    return max((int(number) for number in _PARAMETERS.findall(text)), default=0)
