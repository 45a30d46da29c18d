"""Numbers without leading zeros are sorted as text, which is told where it cannot be meant."""

from __future__ import annotations

import time

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
        (["V1.2__b", "V1.10__c"], "V1.10__c.sql: runs before V1.2__b", "write V1.02__b and V1.10__c"),
        (["V1_2__b", "V1_10__c"], "V1_10__c.sql: runs before V1_2__b", "write V1_02__b and V1_10__c"),
        (["1.2-b", "1.10-c", "2-d"], "1.10-c.sql: runs before 1.2-b", "write 1.02-b and 1.10-c"),
        (["9.1_a", "10_b"], "10_b.sql: runs before 9.1_a", "write 09.1_a and 10_b"),
        (["9999", "10000"], "10000.sql: runs before 9999", "write 09999 and 10000"),
    ],
)
def test_numbers_that_are_sorted_as_text_are_warned_about_once(project, names, message, hint):
    for name in names:
        project.migration(name)

    assert project.ids() == sorted(names)
    assert order_warnings(project) == [
        (f"{message}: the order is that of the names", f'set order = "natural", {hint}, or write `-- depends:`')
    ]


def test_zeros_are_not_advised_where_they_would_not_help(project):
    project.migration("V1.10__b")
    project.migration("V1.10.1__c")

    assert order_warnings(project) == [
        (
            "V1.10.1__c.sql: runs before V1.10__b: the order is that of the names",
            'set order = "natural", write `-- depends:`, or rename them',
        )
    ]


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
        {"2024.01.05_a": "", "2024.01.10_b": "", "2024.02.01_c": ""},
        {"1_10_a": "", "1_2_b": "1_10_a"},
        {"V1.02__a": "", "V1.10__b": "", "V2__d": ""},
        {"V10__a": "", "2_b": ""},
        {"0001_part10": "", "0001_part2": "", "add_v10": "", "add_v2": ""},
    ],
)
def test_names_in_an_order_that_may_be_meant_are_not_warned_about(project, needs):
    for name, need in needs.items():
        project.migration(name, f"-- depends: {need}\n")

    assert order_warnings(project) == []


def twice(project) -> list[str]:
    found = project.load()
    assert set(found.misnumbered) <= set(found.warnings)
    texts = [str(warning) for warning in found.misnumbered if "same number" in warning.message]
    return [text.replace(f"{project.directory}/", "") for text in texts]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0003_orders", "0003_users"], "0003_users.sql: it has the same number as 0003_orders"),
        (["3_a", "03_b"], "3_a.sql: it has the same number as 03_b"),
        (["V1__a", "V1.0__b"], "V1__a.sql: it has the same number as V1.0__b"),
        (["1_a", "1_b", "1_c", "2_d"], "1_b.sql: it has the same number as 1_a (and 1 more such)"),
    ],
)
def test_a_number_that_is_there_twice_is_warned_of_once(project, names, message):
    for name in names:
        project.migration(name)

    assert twice(project) == [f"{message}: the order is that of the names"]


@pytest.mark.parametrize(
    "needs",
    [
        {"0003_a": "", "0003_b": "0003_a"},
        {"20260301_a": "", "20260301_b": ""},
        {"V1__a": "", "1__b": ""},
        {"1.1_a": "", "1.2_b": "", "1_c": ""},
    ],
)
def test_a_number_that_is_there_twice_may_be_meant(project, needs):
    for name, need in needs.items():
        project.migration(name, f"-- depends: {need}\n")

    assert twice(project) == []


def test_of_very_many_wrong_directives_the_first_ones_are_named(project):
    project.migration("a", "-- sqlmigrate: role=a\n" * 3_000 + "SELECT 1;")
    found = project.problems()

    assert found[0].startswith("a.sql:2:")
    assert found[-1] == "a.sql: and 2,899 more like these"
    assert len(found) == 101


def test_very_many_names_that_do_not_exist_are_refused_quickly(project):
    project.migration("a", f"-- depends: {' '.join(f'name{number}' for number in range(20_000))}\n")
    began = time.process_time()

    found = project.problems()

    assert time.process_time() - began < 5
    assert found[0] == "a.sql:1:13: depends on name0, which does not exist in this directory"
    assert found[-1] == "a.sql: depends on 19980 more that do not exist in this directory"
    assert len(found) == 21
