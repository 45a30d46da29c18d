"""In natural order numbers count as numbers, wherever the order counts."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from sqlmigrate import config, migrations
from sqlmigrate.errors import ConfigError, MigrationsError, UsageError
from sqlmigrate.history import Applied, History
from sqlmigrate.importing.yoyo.ordering import require_natural
from sqlmigrate.migrations import migration_hash
from sqlmigrate.migrations.order import sort_key
from sqlmigrate.plan import ApplyRequest, make, status

ROOT = Path(__file__).parents[3] / "src" / "sqlmigrate"


@pytest.mark.parametrize(
    "names",
    [
        ["1_a", "2_b", "3_c", "10_d", "11_e", "100_f"],
        ["1_a", "1.1_b", "1.9_c", "1.10_d", "2_e"],
        ["V1__a", "V1_1__b", "V1.2__c", "V1_10__d", "V2__e", "V10__f"],
        ["V1__a", "V10__b", "20260301120000_c"],  # what `new` makes comes after imported versions
        ["0009_a", "10_b", "0011_c"],
        ["1", "1-a", "1_a", "1_b"],
        ["2a_x", "2b_x", "10a_x"],
        ["20261130_1_a", "20261130_2_b", "20261130_10_c", "20261201_1_a"],
        ["1_a", "1.0_b", "01_c", "2_d"],  # one number: by what is behind it
        ["1_step2", "1_step10"],
        ["3_a", "baseline", "step2", "step10"],
        ["V", "Version", "add_v2", "add_v10"],
    ],
)
def test_names_are_sorted_by_their_numbers(names):
    shuffled = random.Random(1).sample(names, len(names))

    assert sorted(shuffled, key=lambda name: sort_key(name, "natural")) == names


def found(project):
    return migrations.load(project.directory, order="natural")


def ids(items):
    return [item.migration_id for item in items]


def applied(*names: str) -> History:
    rows = (Applied(name, migration_hash(name), seq=seq, marked=True) for seq, name in enumerate(names, 1))
    return History(tuple(rows), version=1)


def test_dependencies_still_decide_where_they_are_written(project):
    project.migration("2_b", "-- depends: 10_c\n")
    project.tables("1_a", "10_c", "11_d")

    assert ids(found(project).ordered) == ["1_a", "10_c", "2_b", "11_d"]


def test_what_is_pending_runs_in_natural_order(project):
    project.tables("1_a", "2_b", "9_c", "10_d", "11_e")

    assert ids(status(found(project), applied("1_a"))) == ["1_a", "2_b", "9_c", "10_d", "11_e"]
    plan = make(ApplyRequest(migrations=found(project), to="10_d"), applied("1_a"))
    assert ids(plan.steps) == ["2_b", "9_c", "10_d"]


def test_what_is_late_and_who_is_ahead_goes_by_the_number(project):
    project.tables("1_a", "2_b", "10_c")

    with pytest.raises(MigrationsError, match="the order would not be that of the files"):
        make(ApplyRequest(migrations=found(project)), applied("1_a", "10_c"))
    assert ids(make(ApplyRequest(migrations=project.load()), applied("1_a", "10_c")).steps) == ["2_b"]
    newer = make(ApplyRequest(migrations=found(project)), applied("1_a", "2_b", "10_c", "11_d", "100_e"))
    assert newer.notes == ("the database is ahead by 2: 11_d, 100_e; a newer release applied what has no file here",)


def test_the_width_is_no_matter_and_a_number_that_is_there_twice_is(project):
    project.tables("1_a", "2_b", "10_c")
    assert found(project).misnumbered == ()

    project.tables("V2__x", "20260301120000_p", "20260301120000_q")
    warnings = found(project).misnumbered
    assert [str(item).replace(f"{project.directory}/", "") for item in warnings] == [
        "2_b.sql: it has the same number as V2__x (and 1 more such): the order is that of the names"
    ]


def test_the_setting_has_two_values(tmp_path):
    assert config.load({}, environ={"SQLMIGRATE_ORDER": "natural"}, cwd=tmp_path).order == "natural"
    assert config.load({}, environ={}, cwd=tmp_path).order == "name"
    with pytest.raises(ConfigError, match="order: 'text' is neither name nor natural"):
        config.load({}, environ={"SQLMIGRATE_ORDER": "text"}, cwd=tmp_path)


def test_whoever_has_the_settings_reads_the_files_in_their_order():
    """No command may read the folder of the settings without their order."""
    forgets = re.compile(r"load\([a-z_.]*config\.migrations\b(?!.*order=)")
    texts = {path: path.read_text() for path in ROOT.rglob("*.py")}

    assert [str(path) for path, text in texts.items() if forgets.search(text)] == []


def test_the_yoyo_command_may_only_run_what_comes_next(project):
    project.tables("1_a", "2_b", "10_c")
    one, two, ten = found(project).ordered

    require_natural("apply", [one, two, ten], applied())
    require_natural("apply", [two], applied("1_a"))
    require_natural("rollback", [ten, two], applied("1_a", "2_b", "10_c"))
    with pytest.raises(UsageError, match="10_c cannot run now: 2_b comes first in the natural order"):
        require_natural("apply", [one, ten, two], applied())
    with pytest.raises(UsageError, match="10_c cannot run now: 2_b comes first in the natural order"):
        require_natural("apply", [ten], applied("1_a"))
    with pytest.raises(UsageError, match="2_b cannot run now: 10_c was applied later; this project"):
        require_natural("rollback", [two, ten], applied("1_a", "2_b", "10_c"))
