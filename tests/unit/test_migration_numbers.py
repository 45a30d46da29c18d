"""Numbers without leading zeros are sorted as text, which is told where it cannot be meant."""

from __future__ import annotations

import pytest


def order_warnings(project) -> list[tuple[str, str]]:
    return [
        (str(warning).replace(f"{project.directory}/", ""), warning.hint)
        for warning in project.load().warnings
        if "runs before" in warning.message
    ]


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        (["1_t1", "2_t2", "10_t10", "11_t11"], "11_t11.sql: runs before 1_t1", "write 0001_t1 and 0011_t11"),
        (["01_t1", "2_t2", "10_t10", "3_t3"], "10_t10.sql: runs before 2_t2", "write 0002_t2 and 0010_t10"),
        (["V2__t2", "V10__t10"], "V10__t10.sql: runs before V2__t2", "write V0002__t2 and V0010__t10"),
        (["9999", "10000"], "10000.sql: runs before 9999", "write 09999 and 10000"),
    ],
)
def test_numbers_that_are_sorted_as_text_are_warned_about_once(project, names, message, hint):
    for name in names:
        project.migration(name)

    assert project.ids() == sorted(names)
    assert order_warnings(project) == [(f"{message}: the order is that of the names", f"{hint}, or say `-- depends:`")]


def test_a_number_before_a_lower_one_that_does_not_depend_on_it_is_warned_about(project):
    project.migration("1_a")
    project.migration("2_b", "-- depends: 1_a\n")
    project.migration("10_c", "-- depends: 1_a\n")

    assert [warning for warning, _ in order_warnings(project)] == [
        "10_c.sql: runs before 2_b: the order is that of the names"
    ]


@pytest.mark.parametrize(
    "needs",
    [
        {"0001_a": "", "0002_b": "", "0010_c": ""},
        {"1_a": "", "2_b": "1_a", "10_c": "2_b"},  # in the order of their numbers
        {"10_a": "", "m_b": "10_a", "2_c": "m_b"},  # meant, through another one
        {"3_a": "4_b", "4_b": ""},
        {"20260301_a": "", "202603011530_b": "", "20260302_c": "", "2027_d": ""},
        {"V20260301120000__a": "", "V2__b": ""},
        {"10th_a": "", "2fa_b": ""},
        {"V10__a": "", "2_b": ""},
        {"0001_part10": "", "0001_part2": "", "add_v10": "", "add_v2": ""},
    ],
)
def test_names_in_an_order_that_may_be_meant_are_not_warned_about(project, needs):
    for name, need in needs.items():
        project.migration(name, f"-- depends: {need}\n")

    assert order_warnings(project) == []
