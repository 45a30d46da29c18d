"""The real tools apply 30 migrations, and we go on: imported, marked, two rolled back and applied again."""

from __future__ import annotations

import pytest

from sqlmigrate.importing.convert import convert
from sqlmigrate.importing.marking import adopt
from sqlmigrate.importing.tables import Where
from sqlmigrate.importing.tools import named
from support.importing import contents
from support.runner import Runner, ids
from support.their_tools import COUNT, REAL, changes, project, require

pytestmark = pytest.mark.contract


@pytest.mark.parametrize("name", REAL)
def test_a_project_that_the_tool_has_applied_goes_on_with_us(name, database, tmp_path):
    real, tool = REAL[name], named(name)
    require(real)
    theirs = project(tmp_path, real)
    real.apply(theirs, database)
    files, schema = contents(theirs), database.dump()
    runner = Runner(database.conninfo, tmp_path / "sql")

    done = convert(tool, [theirs / path for path in real.paths], runner.directory, "name")
    own = None if tool.streams else theirs / real.paths[0]
    marks = adopt(runner.conninfo, tool, runner.load(), runner.options({}), files=own, where=Where())

    assert [len(part) for part in (done.new, done.refused, done.problems)] == [COUNT, 0, 0]
    assert marks.marked == done.new
    assert [getattr(marks, part) for part in ("pending", "without_file", "edited", "skipped", "not_there")] == [()] * 5
    found = runner.load().ordered
    for (_, up, down), item in zip(changes(), found, strict=True):
        assert up.strip() in (item.script.text or "")
        assert item.rollback is None or down.strip() in (item.rollback.text or "")
    if real.undoes:
        assert ids(runner.rollback(steps=2, include_marked=tuple(done.new[-2:]))) == list(reversed(done.new[-2:]))
        assert ids(runner.apply()) == list(done.new[-2:])
    assert contents(theirs) == files
    assert database.dump("--exclude-schema=sqlmigrate") == schema
