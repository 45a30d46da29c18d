"""Which statement of a script does it to a statement of the application: asked again after each of them.

Only what is known to be affected by the whole script is asked, in the script's own transaction, behind a savepoint that
gives role, path and transaction back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg import pq

from sqlmigrate import connection as connections
from sqlmigrate.engine.unrecorded import run_script
from sqlmigrate.errors import Error
from sqlmigrate.review.workload.asking import ask
from sqlmigrate.review.workload.check import APPLICATION, become, names_of_types
from sqlmigrate.review.workload.compare import State, affected
from sqlmigrate.review.workload.facts import read_facts
from sqlmigrate.review.workload.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.review.workload.compare import Affected, Effect, Resolve
    from sqlmigrate.review.workload.queries import Workload
    from sqlmigrate.shadow import ShadowDatabase
    from sqlmigrate.sql.script import Statement

_QUERIES, _STATEMENTS = 200, 200  # of more, none is asked again


@dataclass(frozen=True, slots=True)
class Culprit:
    """A statement of a script, by its number and line."""

    number: int
    line: int


@dataclass(slots=True)
class _Search:
    workload: Workload
    before: State
    resolve: Resolve
    left: dict[int, Effect]
    found: dict[int, Culprit]

    def look(self, connection: Connection, statement: Statement) -> None:
        """See what a statement has just done; the transaction is left as it was."""
        if not self.left:
            return
        opened = connection.info.transaction_status == pq.TransactionStatus.IDLE
        connection.execute("BEGIN" if opened else "SAVEPOINT sqlmigrate_blame")
        with connections.undisturbed(connection):
            facts = read_facts(connection)
        answers = {}
        for number in sorted(self.left):
            way = self.before.standing.ways[number]
            connection.execute("SAVEPOINT sqlmigrate_asked")
            become(connection, way.role, way.path)
            answers[number] = ask(connection, [way.asked()])[0]
            connection.execute("ROLLBACK TO SAVEPOINT sqlmigrate_asked")
        with connections.undisturbed(connection):
            types = names_of_types(connection, answers)
        connection.execute("ROLLBACK" if opened else "ROLLBACK TO SAVEPOINT sqlmigrate_blame")
        ways = {number: self.before.standing.ways[number] for number in self.left}
        old = replace(self.before.standing, ways=ways)
        now = State(Standing(ways, answers, types), facts)
        for item in affected(self.workload, State(old, self.before.facts), now, self.resolve):
            if item.effect == self.left[item.number]:  # another statement may do something milder to it before
                del self.left[item.number]
                self.found[item.number] = Culprit(statement.number, statement.line)


def culprits(
    database: ShadowDatabase,
    script_run: ScriptRun,
    workload: Workload,
    before: State,
    found: Sequence[Affected],
    resolve: Resolve,
    *,
    options: Options,
    info: ServerInfo,
) -> dict[int, Culprit]:
    """Return the statement that did it, by the number of the query; `database` is a copy of its own, before the script.

    None is named where there are too many to ask, or where the script stops.
    """
    if not found or len(found) > _QUERIES or sum(1 for _ in script_run.script.statements()) > _STATEMENTS:
        return {}
    search = _Search(workload, before, resolve, {item.number: item.effect for item in found}, {})
    with connections.session(database.conninfo, application_name=APPLICATION) as connection:

        def around(statement: Statement, run: Callable[[], None]) -> None:
            run()
            if connection.info.transaction_status in (pq.TransactionStatus.IDLE, pq.TransactionStatus.INTRANS):
                search.look(connection, statement)

        try:
            run_script(connection, script_run, options=options, info=info, around=around)
        except Error:
            return search.found
    return search.found
