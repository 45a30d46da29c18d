"""The key of what is kept is the same in every process that wants the same."""

from __future__ import annotations

import os
import subprocess
import sys

KEY = """

from sqlmigrate.drift.model import Live, Role
from sqlmigrate.drift.privileges import DefaultPrivileges, Key, Right
from sqlmigrate.drift.replay import _before
from sqlmigrate.schema import Schema
from sqlmigrate.server.kept import key_of
from sqlmigrate.shadow import TargetFacts, Wanted
from sqlmigrate.shadow.bases import _decisive

names = frozenset("ann bob cid dan eve fay".split())
facts = TargetFacts(18, "18.1", "shop", "ann", "bob", member_of=names)
rights = {Key("ann", None, "r"): frozenset(Right(name, "SELECT", False) for name in names)}
roles = {name: Role(name, member_of=names - {name}) for name in names}
live = Live(facts, Schema({}), (), roles, DefaultPrivileges(rights, rights))
before = _before(live)
print(key_of(_decisive(Wanted(target=facts, before=before, roles=names, owners=names, tablespaces=names))))
"""


def test_the_key_does_not_depend_on_the_order_in_which_a_process_prints_its_sets():
    assert len({_key(seed) for seed in ("1", "2")}) == 1


def _key(seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", KEY],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": seed},
    )
    return done.stdout
