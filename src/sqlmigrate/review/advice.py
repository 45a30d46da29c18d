"""Try the SQL that a hazard gives instead, on the database that its statement found, before anybody reads it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlmigrate import connection as connections
from sqlmigrate.engine.unrecorded import run_script
from sqlmigrate.errors import Error
from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.effect import open_block

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.review.hazards import Occurrence, Rule
    from sqlmigrate.shadow import Shadow, ShadowDatabase

_TRIED_MAX = 40  # of one script; each is tried on a copy of its own, which takes about 0.1 s
_UNTRIED = "this script has too many hazards to try SQL for this one: write it by hand"


@dataclass(slots=True)
class Advice:
    """Tries the SQL of hazards of one script on copies of `base`, the database that the script begins with.

    No session may be open in `base`.
    """

    shadow: Shadow
    base: ShadowDatabase
    script_run: ScriptRun
    options: Options
    info: ServerInfo
    _known: dict[tuple[int, bool, str], str | None] = field(default_factory=dict)

    def judged(self, rule: Rule, found: Occurrence) -> Occurrence:
        """Return what was found as it is where its SQL runs, else without the SQL and with a word on why."""
        if found.rewrite is None:
            return found
        key = (found.statement, found.behind, found.rewrite)
        if key not in self._known:
            is_tried = len(self._known) < _TRIED_MAX
            self._known[key] = (
                self._refusal(found.statement, found.rewrite, behind=found.behind) if is_tried else _UNTRIED
            )
        if (why := self._known[key]) is None:
            return found
        return replace(found, rewrite=None, instead=f"{found.instead or rule.instead}; {why}")

    def _refusal(self, number: int, sql: str, *, behind: bool) -> str | None:
        script = self.script_run.script
        advice = script_from_text(script.path, sql)
        if not any(advice.pieces()):  # a directive, say
            return None
        if script.text is None:
            return "write the SQL by hand: the script is too large to try it here"
        advice = replace(advice, directives=replace(script.directives, transactional=False, isolation=None))
        try:
            with self.shadow.clone(self.base) as copy, connections.session(copy.conninfo) as connection:
                self._bring_to(connection, number, behind=behind)
                self._run(connection, replace(self.script_run, script=advice, transactional=False))
        except Error as error:
            return f"write the SQL by hand: PostgreSQL refuses the usual one: {error.message}"
        return None

    def _bring_to(self, connection: Connection, number: int, *, behind: bool) -> None:
        """Run what stands before a statement, or what ends with it."""
        script = self.script_run.script
        statements = list(script.statements())
        passed = [item for item in statements if item.number < number + behind]
        if not passed:
            return
        text = script.text or ""
        end = statements[len(passed)].offset if len(passed) < len(statements) else len(text)
        closed = "\n;COMMIT;" if not self.script_run.transactional and open_block(passed) else ""
        before = script_from_text(script.path, text[:end] + closed)
        self._run(connection, replace(self.script_run, script=before))

    def _run(self, connection: Connection, script_run: ScriptRun) -> None:
        run_script(connection, script_run, options=self.options, info=self.info)
