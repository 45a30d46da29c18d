"""The repository's own pairs are proven: exact, with their sample rows and what must be true of them."""

from __future__ import annotations

import pytest

from project.application import CHANGE, SQL
from sqlmigrate import migrations, roundtrip, shadow
from sqlmigrate.config import Config
from sqlmigrate.engine import Options
from sqlmigrate.roundtrip import RoundTrip, Verdict, proofs


@pytest.fixture(scope="module")
def trips(clean_environment: None) -> list[RoundTrip]:
    found = migrations.load(SQL)
    samples, astray = roundtrip.find_samples(found)
    assert (astray, len(samples[CHANGE].scripts())) == ([], 3)
    config = Config(migrations=SQL)
    wanted = [item.migration_id for item in found.ordered]
    with shadow.opened(shadow.wanted(config, roundtrip.scripts_of(found, samples))) as server:
        return list(roundtrip.round_trips(found, wanted, server, Options(), samples=samples))


def test_every_pair_is_exact(trips):
    assert [(trip.verdict, trip.failure, trip.expectations) for trip in trips] == [(Verdict.EXACT, None, ())] * 2


def test_the_recorded_proofs_are_those_of_these_files():
    found = migrations.load(SQL)

    assert proofs.require(found, found.ordered, major=18) == []


def test_the_recorded_proofs_are_what_the_round_trip_finds(trips):
    assert proofs.outdated(migrations.load(SQL), trips) == []
