from __future__ import annotations

import pytest

from support.statement_kinds import KINDS, Kind
from support.tracing import trace_one


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_statement_locks_rewrites_and_scans_what_postgresql_does(review_shadow, shop_database, kind: Kind):
    one = trace_one(review_shadow, shop_database, kind.sql, alone=kind.alone)

    assert {bare(lock.name): lock.mode for lock in one.own} == kind.locks_on(review_shadow.major)
    assert {bare(item.name) for item in one.rewrites} == set(kind.rewrites)
    assert {bare(item.name) for item in one.scans} == set(kind.scans)


def bare(name: str) -> str:
    return name.removeprefix("shop.")
