"""What a baseline writes: nothing that a name in the database holds becomes a statement or a directive of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate.importing.baseline import scripts
from sqlmigrate.sql.directives import read_directives
from sqlmigrate.sql.scan import split


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028"])
def test_a_role_whose_name_has_a_line_break_begins_no_statement_and_no_directive(end):
    role = f"x{end}ALTER ROLE x SUPERUSER;{end}-- transactional: false{end}-- sqlmigrate: role=postgres"
    text = scripts.script([f"It needs the roles {role}."], [f'GRANT SELECT ON t TO "{role}"'])

    first, *_, last = [piece.text for piece in split(text)]
    directives, problems = read_directives(Path("a.sql"), text)
    assert first.startswith("SET LOCAL check_function_bodies")
    assert last == f'GRANT SELECT ON t TO "{role}"'
    assert len(list(split(text))) == 3
    assert (directives.transactional, directives.role, problems) == (None, None, [])
