"""The examples of hazards: for each code a script that has the hazard and one that has it not."""

from __future__ import annotations

from pathlib import Path

from sqlmigrate import connection as connections
from sqlmigrate.migrations import Migration
from sqlmigrate.review.advice import Advice
from sqlmigrate.review.hazards import Context, check, pages
from sqlmigrate.review.model import Hazard
from sqlmigrate.review.trace.tracer import Trace
from sqlmigrate.shadow import Shadow, ShadowDatabase
from sqlmigrate.sql.script import read_script
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
    setup = EXAMPLES / code / "setup.sql"
    with shadow.clone(ground) as database:
        if setup.exists():
            run(database, setup.read_text())
        transactional = Migration(code, script).forward().transactional
        traced = trace_text(shadow, database, script.text or "", transactional=transactional)
    return traced, check(Context(traced, shadow.owner))
