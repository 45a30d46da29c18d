"""Try the SQL that a hazard gives instead, on the database that its statement found, before anybody reads it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlmigrate import connection as connections
from sqlmigrate.engine.stepwise.words import open_block
from sqlmigrate.engine.unrecorded import run_script
from sqlmigrate.errors import Error
from sqlmigrate.sql.script import script_from_text

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.review.hazards import Found, Rule
    from sqlmigrate.shadow import Shadow, ShadowDatabase
    from sqlmigrate.sql.script import Script

_TRIED_MAX = 40  # of one script; each is tried on a copy of its own, which takes about 0.1 s
_UNTRIED = "the SQL for it was not tried here, since this script has too many hazards: write it by hand"


@dataclass(slots=True)
class Advice:
    """Tries the SQL of hazards of one script on copies of `base`, the database that the script begins with.

    No session may be open in `base`.
    """

    shadow: Shadow
    base: ShadowDatabase
    script: Script
    options: Options
    info: ServerInfo
    transactional: bool
    _known: dict[tuple[int, bool, str], str | None] = field(default_factory=dict)

    def judged(self, rule: Rule, found: Found) -> Found:
        """Give what was found as it is where its SQL runs, else without the SQL and with a word on why."""
        if found.rewrite is None:
            return found
        key = (found.statement, found.behind, found.rewrite)
        if key not in self._known:
            self._known[key] = self._refusal(*key) if len(self._known) < _TRIED_MAX else _UNTRIED
        if (why := self._known[key]) is None:
            return found
        return replace(found, rewrite=None, instead=f"{found.instead or rule.instead}; {why}")

    def _refusal(self, number: int, behind: bool, sql: str) -> str | None:  # noqa: FBT001  a key's part
        advice = script_from_text(self.script.path, sql)
        if not any(advice.pieces()):  # a directive, say
            return None
        if self.script.text is None:
            return "the SQL for it has to be written by hand, since the script is too large to try it"
        advice = replace(advice, directives=replace(self.script.directives, transactional=False, isolation=None))
        try:
            with self.shadow.clone(self.base) as copy, connections.session(copy.conninfo) as connection:
                self._bring_to(connection, number, behind=behind)
                self._run(connection, advice, transactional=False)
        except Error as error:
            return f"the SQL for it has to be written by hand: of the usual one, PostgreSQL says: {error.message}"
        return None

    def _bring_to(self, connection: Connection, number: int, *, behind: bool) -> None:
        """Run what stands before a statement, or what ends with it."""
        statements = list(self.script.statements())
        passed = [item for item in statements if item.number < number + behind]
        if not passed:
            return
        text = self.script.text or ""
        end = statements[len(passed)].offset if len(passed) < len(statements) else len(text)
        closed = "\n;COMMIT;" if not self.transactional and open_block(passed) else ""
        before = script_from_text(self.script.path, text[:end] + closed)
        self._run(connection, before, transactional=self.transactional)

    def _run(self, connection: Connection, script: Script, *, transactional: bool) -> None:
        run_script(
            connection, "advice", "apply", script, transactional=transactional, options=self.options, info=self.info
        )
