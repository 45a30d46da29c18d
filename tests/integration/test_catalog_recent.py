"""What the open transaction has changed is found from its own rows, and is what a reading of all stamps finds."""

from __future__ import annotations

import pytest

from sqlmigrate.review.trace import passes
from sqlmigrate.review.trace.follow import Follower
from sqlmigrate.schema.read import read_changes, read_schema
from sqlmigrate.schema.recent import Recent, recent
from support.schema_changes import Case, read_cases
from support.statement_kinds import GROUND, KINDS, Kind
from support.tracing import run, shadow_on, trace_text

CASES = read_cases()
ALTERS = ("ALTER TABLE app.orders ADD", "ALTER TABLE app.orders ALTER", "COMMENT ON TABLE", "GRANT SELECT ON app.orders")


def followed(session) -> Recent:
    """Follow a session that may stop the server from counting, and does not."""
    found = recent(session)
    found.may_stop = False
    found.changed(session, ())
    return found


def stepped(session, recent: Recent, before):
    """Read what has changed in both ways, and give what was found, and whether it was from the rows alone."""
    whole = read_schema(session, since=before)
    sure = []
    answered = recent.changed
    recent_changed = type("Spy", (), {"catalogs": recent.catalogs, "changed": lambda _, *asked: spied(answered(*asked), sure)})()
    found, changed = read_changes(session, recent_changed, before)
    assert found.schema == whole.schema
    assert changed >= {unit for unit, stamp in whole.stamps.items() if before.stamps.get(unit) != stamp}
    assert changed >= before.stamps.keys() - whole.stamps.keys()
    assert found.stamps.keys() == whole.stamps.keys()
    assert {unit for unit, stamp in found.stamps.items() if unit not in changed and whole.stamps[unit] != stamp} == set()
    return whole, sure[0]


def spied(answer, into: list[bool]):
    into.append(answer is not None)
    return answer


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_readings_of_a_single_change_are_the_same(case: Case, rich):
    if not int(case.since) <= rich.info.server_version // 10000 <= int(case.until):
        pytest.skip("another version")
    if case.extension and not rich.execute(
        "SELECT FROM pg_available_extensions WHERE name = %s", [case.extension]
    ).fetchone():
        pytest.skip(f"no extension {case.extension}")
    if case.setup:
        rich.execute(case.setup)
    before, following = read_schema(rich), followed(rich)

    rich.execute("SAVEPOINT before")
    rich.execute(case.do)
    after, sure = stepped(rich, following, before)
    rich.execute(case.undo)
    stepped(rich, following, after)

    assert sure or not case.do.startswith(ALTERS)
