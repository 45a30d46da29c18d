"""The examples of hazards: for each code a script that has the hazard and one that has it not."""

from __future__ import annotations

from pathlib import Path

from sqlmigrate import connection as connections
from sqlmigrate.migrations import Migration, ScriptRun
from sqlmigrate.review.hazards import Context, check, pages
from sqlmigrate.review.model import Hazard
from sqlmigrate.review.trace.tracer import Trace
from sqlmigrate.review.workload.files import read_files
from sqlmigrate.review.workload.watch import Live, Watch
from sqlmigrate.shadow import Shadow, ShadowDatabase
from sqlmigrate.sql.script import Script, read_script
from support.tracing import OPTIONS, run, trace_text

EXAMPLES = Path(str(pages.EXAMPLES))
GROUND = EXAMPLES / "ground.sql"


def example(shadow: Shadow, ground: ShadowDatabase, code: str, name: str) -> tuple[Trace, list[Hazard]]:
    """Trace an example of a code, `bad` or `good`, and look for every hazard in it."""
    script, problems = read_script(EXAMPLES / code / f"{name}.sql")
    assert problems == []
    setup, queries = EXAMPLES / code / "setup.sql", EXAMPLES / code / "queries.sql"
    with shadow.clone(ground) as database:
        if setup.exists():
            run(database, setup.read_text())
        asked = Asked(shadow, database, script, queries) if queries.exists() else None
        transactional = Migration(code, script).forward().transactional
        traced = trace_text(shadow, database, script.text or "", transactional=transactional)
        live = asked.live(database) if asked else {}
    return traced, check(Context(traced, shadow.owner, live=live))


class Asked:
    """What an application sends, asked before a script has run and behind it."""

    def __init__(self, shadow: Shadow, database: ShadowDatabase, script: Script, queries: Path) -> None:
        with connections.session(database.conninfo) as session:
            info = connections.probe(session)
        self.script_run = ScriptRun("0001", "apply", script, transactional=True)
        self.watch = Watch(read_files(queries), shadow, OPTIONS, info, (OPTIONS.search_path,))
        self.copied = shadow.clone(database)
        self.start = self.copied.__enter__()
        self.before = self.watch.before(self.start)

    def live(self, database: ShadowDatabase) -> Live:
        """Ask behind the script."""
        try:
            return self.watch.behind(self.script_run, (self.start, database), self.start, self.before)
        finally:
            self.copied.__exit__(None, None, None)
