"""The command that keeps a copy of what is lost is one line, whatever names others have given."""

from __future__ import annotations

import pytest

from sqlmigrate.plan.losses import Loss


def keep(table: str, column: str | None = None, key: tuple[str, ...] = ()) -> str | None:
    kind = "column" if column else "table"
    return Loss(migration_id="1", kind=kind, how="dropped", table=table, column=column, key=key).keep


NAMES = ['"a\nb"', '"a\r\\! touch x"', '"a\u2028b"', '"a\x1b[2K"', '"\u202e"']


@pytest.mark.parametrize("name", NAMES)
def test_no_command_for_psql_is_given_that_a_name_could_end(name):
    """psql takes what stands behind a line break for the next command: `\\!` starts a program."""
    assert keep(f"public.{name}") is None
    assert keep("public.t", name) is None
    assert keep("public.t", "a", key=(name,)) is None


def test_other_names_are_kept_as_they_are():
    found = keep('public."of; DROP ""x"" é"')

    assert found == '\\copy (SELECT * FROM public."of; DROP ""x"" é") TO \'public._of_DROP_x_é.csv\' CSV HEADER'
