"""The migrations that the benchmark gives to reviewers."""

import re
import tomllib
from collections import Counter

from support.places import ROOT

MIGRATIONS = ROOT / "bench" / "migrations"
TONGUES = {"sqlmigrate", "squawk", "pgfence", "safemigrate-lint"}
LEAST, LEAST_IN_GROUP = 40, 5


def read(name: str) -> dict:
    return tomllib.loads((MIGRATIONS / f"{name}.toml").read_text())


def test_every_kind_has_several_cases():
    groups = Counter(about["group"] for about in read("cases").values())
    assert groups.total() >= LEAST
    assert min(groups.values()) >= LEAST_IN_GROUP


def test_each_case_needs_a_reason_that_every_tool_may_say():
    needed = {about["needs"] for about in read("cases").values() if about["kind"] != "safe"}
    reasons = read("reasons")
    assert needed == set(reasons)
    for tongues in reasons.values():
        assert set(tongues) == TONGUES
        for pattern in (each for patterns in tongues.values() for each in patterns):
            re.compile(pattern)


def test_what_is_safe_needs_no_reason():
    cases = read("cases").values()
    assert {about["kind"] for about in cases} == {"danger", "advice", "safe"}
    assert all(("needs" in about) == (about["kind"] != "safe") for about in cases)
