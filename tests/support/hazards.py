"""The examples of hazards: for each code a script that has the hazard and one that has it not."""

from __future__ import annotations

from pathlib import Path

from sqlmigrate.migrations import Migration
from sqlmigrate.review.hazards import Context, check, pages
from sqlmigrate.review.model import Hazard
from sqlmigrate.review.trace.tracer import Trace
from sqlmigrate.shadow import Shadow, ShadowDatabase
from sqlmigrate.sql.script import read_script
from support.tracing import run, trace_text

EXAMPLES = Path(str(pages.EXAMPLES))
GROUND = EXAMPLES / "ground.sql"


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
