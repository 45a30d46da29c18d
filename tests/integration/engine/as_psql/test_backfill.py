"""What psql cannot do as `apply` does it: run a statement in batches."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import ScriptError
from support.backfill import script
from support.runner import place
from support.twins import written_plan


def test_a_plan_for_psql_says_why_it_holds_no_batches(twins):
    twins.write("a", script())

    with pytest.raises(ScriptError, match="psql cannot run a statement in batches") as caught:
        written_plan(twins.planned)

    assert "a DO block that commits each batch would be in a transaction also while it waits" in str(caught.value)
    assert place(caught.value) == "a.sql:2:4"
    assert "let `sqlmigrate apply` run this migration" in str(caught.value.hint)
