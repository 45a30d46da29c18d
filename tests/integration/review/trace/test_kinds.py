from __future__ import annotations

import pytest

from support.statement_kinds import GROUND, KINDS, Kind
from support.tracing import run, shadow_on, trace_one


@pytest.fixture(scope="module")
def shadow(pg_server):
    with shadow_on(pg_server) as shadow:
        yield shadow


@pytest.fixture(scope="module")
def ground(shadow):
    with shadow.database() as database:
        run(database, GROUND.read_text())
        yield database


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_statement_locks_rewrites_and_scans_what_postgresql_does(shadow, ground, kind: Kind):
    one = trace_one(shadow, ground, kind.sql, alone=kind.alone)

    assert {bare(lock.name): lock.mode for lock in one.own} == kind.locks_on(shadow.major)
    assert {bare(item.name) for item in one.rewrites} == set(kind.rewrites)
    assert {bare(item.name) for item in one.scans} == set(kind.scans)


def bare(name: str) -> str:
    return name.removeprefix("shop.")
