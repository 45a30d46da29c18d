from __future__ import annotations

import pytest

from sqlmigrate.review.hazards import RULES
from support.hazards import EXAMPLES, GROUND, example
from support.tracing import run, shadow_on

CODES = [rule.code for rule in RULES]
FAIL_ON_THE_SHADOW = {("H25", "bad")}


@pytest.fixture(scope="module")
def shadow(pg_server):
    with shadow_on(pg_server) as shadow:
        yield shadow


@pytest.fixture(scope="module")
def ground(shadow):
    with shadow.database() as database:
        run(database, GROUND.read_text())
        yield database


@pytest.mark.parametrize("code", CODES)
def test_the_bad_example_has_the_hazard(shadow, ground, code):
    traced, hazards = example(shadow, ground, code, "bad")

    assert (traced.error is not None) == ((code, "bad") in FAIL_ON_THE_SHADOW), traced.error
    assert code in {hazard.code for hazard in hazards}


@pytest.mark.parametrize("code", CODES)
def test_the_good_example_has_it_not(shadow, ground, code):
    traced, hazards = example(shadow, ground, code, "good")

    assert traced.error is None
    assert code not in {hazard.code for hazard in hazards}


def test_every_example_belongs_to_a_hazard():
    assert sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()) == CODES
