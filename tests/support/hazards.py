"""The examples of hazards: for each code a script that has the hazard and one that has it not."""

from __future__ import annotations

from pathlib import Path

from sqlmigrate import connection as connections
from sqlmigrate.migrations import Migration, ScriptRun
from sqlmigrate.review.advice import Advice
from sqlmigrate.review.answers import rules_by_statement
from sqlmigrate.review.dependents import broken_bodies
from sqlmigrate.review.hazards import Context, check, pages
from sqlmigrate.review.model import Hazard
from sqlmigrate.review.squawk import lint
from sqlmigrate.review.trace.tracer import Trace
from sqlmigrate.review.workload.files import read_files
from sqlmigrate.review.workload.watch import Live, Watch
from sqlmigrate.shadow import Shadow, ShadowDatabase
from sqlmigrate.sql.script import Script, read_script
from support.tracing import OPTIONS, run, trace_text

EXAMPLES = Path(str(pages.EXAMPLES))
GROUND = EXAMPLES / "ground.sql"


def judged(
    shadow: Shadow, base: ShadowDatabase, text: str, *, transactional: bool = True
) -> tuple[Trace, list[Hazard]]:
    """Trace a script and look for its hazards as a review does: with the remedies that are proven, and no others."""
    with shadow.clone(base) as database:
        traced = trace_text(shadow, database, text, transactional=transactional)
    with connections.session(base.conninfo) as session:
        info = connections.probe(session)
    context = Context(traced, shadow.owner)
    return traced, check(context, judged=Advice(shadow, base, context, OPTIONS, info).judged)


def example(shadow: Shadow, ground: ShadowDatabase, code: str, name: str) -> tuple[Trace, list[Hazard]]:
    """Trace an example of a code, `bad` or `good`, and look for every hazard in it."""
    script, problems = read_script(EXAMPLES / code / f"{name}.sql")
    assert problems == []
    setup, queries = EXAMPLES / code / "setup.sql", EXAMPLES / code / "queries.sql"
    text = setup.read_text() if setup.exists() else "SELECT 1"
    with shadow.clone(ground) as database, shadow.clone(ground) as before:
        run(database, text)
        run(before, text)
        transactional = Migration(code, script).forward().transactional
        traced = trace_text(shadow, database, script.text or "", transactional=transactional)
        broken = broken_bodies(shadow, traced, before, database, search_path=OPTIONS.search_path)
        live = lived(shadow, script, queries, (before, database)) if queries.exists() else {}
    return traced, check(Context(traced, shadow.owner, broken=broken, linted=linted(traced), live=live))


def lived(shadow: Shadow, script: Script, queries: Path, way: tuple[ShadowDatabase, ShadowDatabase]) -> Live:
    """Ask what an application sends before a script and behind it."""
    with connections.session(way[0].conninfo) as session:
        info = connections.probe(session)
    watch = Watch(read_files(queries), shadow, OPTIONS, info, (OPTIONS.search_path,))
    return watch.behind(ScriptRun("0001", "apply", script, transactional=True), way, watch.before(way[0]))


def linted(traced: Trace) -> dict[int, frozenset[str]]:
    """Let squawk look at a script that was traced."""
    run = traced.script_run
    return rules_by_statement(lint([run], major=18).findings[run], list(run.script.statements()))
