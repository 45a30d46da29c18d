"""What a tool's history says of migrations whose place one of ours has taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate import migrations
from sqlmigrate.importing.marking import known_of
from sqlmigrate.importing.tools import named
from support.importing import written

BASE = '-- sqlmigrate: replaces="0001_a 0002_b 0003_c"\nSELECT 1;\n'


@pytest.mark.parametrize(("head", "applied"), [("a", ["a"]), ("b", ["a", "b"]), ("c", ["a", "b", "c"])])
def test_a_head_of_alembics_in_a_squashed_migration_has_those_before_it(
    head: str, applied: list[str], tmp_path: Path
) -> None:
    written(tmp_path, {"0000_base.sql": BASE, "0004_d.sql": "-- depends: 0003_c\nSELECT 4;\n"})
    tool = named("alembic")

    known = known_of(tool, migrations.load(tmp_path), None)
    told = tool.history.told([(head,)], known)

    assert list(known.versions.items())[:3] == [("a", "0001_a"), ("b", "0002_b"), ("c", "0003_c")]
    assert [row.version for row in told.applied] == applied


def test_a_head_of_alembics_after_a_squashed_migration_has_all_of_it(tmp_path: Path) -> None:
    written(tmp_path, {"0000_base.sql": BASE, "0004_d.sql": "-- depends: 0003_c\nSELECT 4;\n"})
    tool = named("alembic")

    told = tool.history.told([("d",)], known_of(tool, migrations.load(tmp_path), None))

    assert [row.version for row in told.applied] == ["a", "b", "c", "d"]
