"""A database with the shipped change is what its files say, although its platform is not the bootstrap's."""

from __future__ import annotations

import pytest

from fixtures.postgres import Database
from project.application import SQL
from support.drift import Drifting, lines

pytestmark = pytest.mark.pg


def test_the_shipped_change_leaves_no_drift_in_a_database_of_the_users(supabase: Database):
    drifting = Drifting(supabase.conninfo, SQL, None)
    drifting.apply()
    supabase.connect_superuser().execute("ALTER TABLE auth.users ADD COLUMN phone text")

    found = drifting.find()

    assert lines(found) == []
    assert (found.migrations, found.notes) == (2, ())

    supabase.connect().execute("DROP POLICY anon_select_system_agents ON system_agents")
    assert [line.partition(":")[0] for line in lines(drifting.find())] == [
        "- policy anon_select_system_agents on public.system_agents"
    ]
