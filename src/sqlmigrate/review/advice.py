"""Try the SQL that a hazard gives instead, on the database that its statement found, before anybody reads it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from sqlmigrate import connection as connections
from sqlmigrate.engine.unrecorded import run_script
from sqlmigrate.errors import Error
from sqlmigrate.review.hazards import Context, check
from sqlmigrate.review.hazards.remedies.becoming import becoming
from sqlmigrate.review.trace.tracer import Trace, trace
from sqlmigrate.schema import Schema
from sqlmigrate.schema.diff import as_text, compare, is_order
from sqlmigrate.schema.read import read_schema
from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.effect import open_block

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.review.hazards import Occurrence, Rule
    from sqlmigrate.review.model import Hazard
    from sqlmigrate.review.remedy import Remedy, RemedyStep
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.schema.read import Snapshot
    from sqlmigrate.shadow import Shadow, ShadowDatabase
    from sqlmigrate.sql.script import Script

_TRIED_MAX = 40  # of one script; each is tried on a copy of its own, which takes about 0.3 s
_TIMEOUT = 60_000  # milliseconds; a loop that never ends must not hold the review up
_UNTRIED = "this script has too many hazards to try SQL for this one: write it by hand"


class _NotProvenError(Error):
    """A remedy that runs, but does not what it promises."""


class _NotUndoneError(Error):
    """A remedy whose rollback fails, or leaves another schema than the one that was there before."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """What came of a remedy: the traces of its files and the hazards in them, with the oids that these are about.

    Or why it is not given.
    """

    remedy: Remedy | None = None
    traces: tuple[Trace, ...] = ()
    hazards: tuple[tuple[Hazard, frozenset[int]], ...] = ()
    refused: str | None = None


@dataclass(slots=True)
class Advice:
    """Tries the SQL of the hazards of one script on copies of `base`, the database that the script begins with.

    No session may be open in `base`. `context` is the trace in which the hazards are found.
    """

    shadow: Shadow
    base: ShadowDatabase
    context: Context
    options: Options
    info: ServerInfo
    _known: dict[tuple[int, Remedy], _Tried] = field(default_factory=dict)

    def judged(self, rule: Rule, found: Occurrence) -> Occurrence:
        """Return what was found with the first of its remedies that is proven, else without SQL and with a word on why.

        Proven is what runs forward, back and forward again, leaves the schema that it promises, and has neither the
        same hazard nor a danger of its own. Where only its rollback does not hold, it is given without one.
        """
        reasons = []
        for remedy in found.remedies:
            tried = self._tried(found.statement, remedy)
            why = tried.refused or self._repeats(rule, found, tried, after=remedy.after)
            if why is None:
                names = [name for name in found.relations if name in self.context.existing]
                proven = tried.remedy or remedy
                becomes = becoming(self._statement(found.statement), tried.traces, proven, names)
                return replace(found, rewrite=(replace(proven, becomes=becomes),))
            reasons.append(why)
        if not reasons:
            return found
        return replace(found, rewrite=None, instead=f"{found.instead or rule.instead}; {reasons[-1]}")

    def _statement(self, number: int) -> Traced | None:
        return next((one for one in self.context.statements if one.statement.number == number), None)

    def _tried(self, number: int, remedy: Remedy) -> _Tried:
        key = (number, remedy)
        if key not in self._known:
            is_tried = len(self._known) < _TRIED_MAX
            self._known[key] = self._try(number, remedy) if is_tried else _Tried(refused=_UNTRIED)
        return self._known[key]

    def _try(self, number: int, remedy: Remedy) -> _Tried:
        scripts = [self._script(step.sql) for step in remedy.steps]
        if not any(any(script.pieces()) for script in scripts):  # a directive, say
            return _Tried(remedy)
        if self.context.trace.script_run.script.text is None:
            return _Tried(refused="write the SQL by hand: the script is too large to try it here")
        try:
            with self.shadow.clone(self.base) as copy:
                with connections.session(copy.conninfo) as connection:
                    self._bring_to(connection, number, behind=remedy.after)
                return self._compared(number, remedy, self._proven(copy, remedy.steps))
        except _NotUndoneError:
            return self._try(
                number, replace(remedy, steps=tuple(replace(step, rollback=None) for step in remedy.steps))
            )
        except _NotProvenError as error:
            return _Tried(refused=f"write the SQL by hand: {error.message}")
        except Error as error:
            return _Tried(refused=f"write the SQL by hand: PostgreSQL refuses the usual one: {error.message}")

    def _compared(self, number: int, remedy: Remedy, traces: tuple[Trace, ...]) -> _Tried:
        one = self._statement(number)
        wanted = Schema(one.step.after.objects) if remedy.same and one is not None else traces[-1].after.schema
        if lines := _differences(wanted, traces[-1].after.schema):
            raise _NotProvenError(f"the usual one leaves another schema ({lines[0].strip()})")
        context = self.context
        found = [
            (hazard, _oids(item, hazard.relations))
            for item in traces
            for hazard in check(Context(item, context.role, context.exposed, context.new))
        ]
        return _Tried(remedy, traces, tuple(found))

    def _repeats(self, rule: Rule, found: Occurrence, tried: _Tried, *, after: bool) -> str | None:
        """Say which hazard a remedy has itself: the one that it is for, or any danger.

        What stands `after` the statement may be a danger only beside what the statement has left, as where it puts
        back what was there before.
        """
        about = _oids(self.context.trace, found.relations)
        for hazard, oids in tried.hazards:
            if hazard.relations and oids.isdisjoint(self.context.trace.relations):
                continue  # what the script has made itself is in nobody's use
            again = hazard.code == rule.code and (not about or about & oids)
            if again or (hazard.severity == "danger" and not after):
                return f"write the SQL by hand: the usual one has a hazard itself ({hazard.seen})"
        return None

    def _proven(self, database: ShadowDatabase, steps: Sequence[RemedyStep]) -> tuple[Trace, ...]:
        """Trace the files in order; those that can be undone are run back and forward once more before the others."""
        undone = list(takewhile(lambda step: step.rollback is not None, steps))
        left = steps[len(undone) :]
        traces = tuple(self._traced(database, undone, self.context.trace.before))
        if undone:
            self._there_and_back(database, traces, undone, again=bool(left))
        since = traces[-1].after if traces else self.context.trace.before
        return (*traces, *self._traced(database, left, since))

    def _traced(self, database: ShadowDatabase, steps: Sequence[RemedyStep], since: Snapshot) -> Iterator[Trace]:
        found = None
        for step in steps:
            made = trace(
                self.shadow,
                database,
                self._run_of(step.sql, transactional=step.transactional),
                options=self.options,
                info=self.info,
                since=since,
                found=found,
                apart=False,
            )
            if made.error is not None:
                raise made.error
            found = made.left
            yield made

    def _there_and_back(
        self, database: ShadowDatabase, traces: Sequence[Trace], steps: Sequence[RemedyStep], *, again: bool
    ) -> None:
        """Undo what was traced, which must leave the schema that it found, and do it again."""
        with connections.session(database.conninfo) as connection:
            try:
                for step in reversed(steps):
                    self._run(connection, self._run_of(step.rollback or "", transactional=step.transactional))
            except Error as error:
                raise _NotUndoneError(error.message) from None
            with connections.undisturbed(connection):
                after = read_schema(connection, since=traces[0].before)
            if lines := _differences(traces[0].before.schema, after.schema):
                raise _NotUndoneError(lines[0])
            for step in steps if again else ():
                self._run(connection, self._run_of(step.sql, transactional=step.transactional))

    def _script(self, sql: str) -> Script:
        script = self.context.trace.script_run.script
        directives = replace(script.directives, isolation=None, statement_timeout=_TIMEOUT, transactional=None)
        return replace(script_from_text(script.path, sql), directives=directives)

    def _run_of(self, sql: str, *, transactional: bool) -> ScriptRun:
        return replace(self.context.trace.script_run, script=self._script(sql), transactional=transactional)

    def _bring_to(self, connection: Connection, number: int, *, behind: bool) -> None:
        """Run what stands before a statement, or what ends with it."""
        script_run = self.context.trace.script_run
        script = script_run.script
        statements = list(script.statements())
        passed = [item for item in statements if item.number < number + behind]
        if not passed:
            return
        text = script.text or ""
        end = statements[len(passed)].offset if len(passed) < len(statements) else len(text)
        closed = "\n;COMMIT;" if not script_run.transactional and open_block(passed) else ""
        before = script_from_text(script.path, text[:end] + closed)
        self._run(connection, replace(script_run, script=before))

    def _run(self, connection: Connection, script_run: ScriptRun) -> None:
        run_script(connection, script_run, options=self.options, info=self.info)


def _oids(traced: Trace, names: Iterable[str]) -> frozenset[int]:
    wanted = set(names)
    return frozenset(oid for oid, relation in traced.relations.items() if relation.name in wanted)


def _differences(before: Schema, after: Schema) -> list[str]:
    """Return how two schemas differ in what counts.

    A new column comes last in any order of columns; and whether NOT NULL of a partition is inherited alone shows only
    where the partitioned table drops it.
    """
    return as_text([item for item in compare(before, after) if not is_order(item) and item.property != "also local"])
