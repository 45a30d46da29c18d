"""Files and rows come in the order that their references need."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.errors import Place, SeedError
from sqlmigrate.seeds import SeedFile
from sqlmigrate.seeds.model import Column, Reference, TableMapping, TableName
from sqlmigrate.seeds.order import in_order, waves
from sqlmigrate.seeds.reading.document import Document, Nodes
from support.seeds import AGENTS, LLMS

TREE = {
    "list": "nodes",
    "table": "public.nodes",
    "conflict": ["code"],
    "columns": {
        "parent_id": {"from": "parent", "references": {"table": "public.nodes", "match": "code", "select": "id"}}
    },
}


def seed_file(name: str, needs: list[str]) -> SeedFile:
    columns = [Column(f"{need}_id", need, Reference(TableName("public", need), "code", "id")) for need in needs]
    mapping = TableMapping("rows", TableName("public", name), ("code",), tuple(columns))
    path = Path(f"{name}.yaml")
    return SeedFile(path, mapping, (), Document(path, "", None, Nodes()))


def test_a_file_comes_after_those_that_it_refers_to(seed_files):
    seed_files.file("agents", AGENTS, "agents: []\n")
    seed_files.file("llms", LLMS, "llms: []\n")

    assert [seed.path.name for seed in seed_files.load().files] == ["llms.yaml", "agents.yaml"]


def test_files_without_references_are_in_order_of_their_names():
    files = [seed_file(name, []) for name in ("c", "a", "b")]

    assert [file.path.name for file in in_order(files)] == ["a.yaml", "b.yaml", "c.yaml"]


@given(st.permutations("abcdef"), st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"))))
def test_the_order_satisfies_every_reference(names, pairs):
    needs = {name: [low for low, high in pairs if high == name and low < high] for name in names}
    ordered = [file.mapping.table.name for file in in_order([seed_file(name, needs[name]) for name in names])]

    assert sorted(ordered) == list("abcdef")
    assert all(ordered.index(need) < ordered.index(name) for name in names for need in needs[name])


def test_a_circle_of_files_is_refused_by_name():
    with pytest.raises(SeedError, match=r"in a circle: (a|b|c)\.yaml -> ") as caught:
        in_order([seed_file("a", ["b"]), seed_file("b", ["c"]), seed_file("c", ["a"]), seed_file("d", [])])

    assert all(name in caught.value.message for name in ("a.yaml", "b.yaml", "c.yaml"))
    assert "d.yaml" not in caught.value.message
    assert isinstance(caught.value.place, Place)


def test_the_circle_reads_as_each_file_refers_to_the_next():
    with pytest.raises(SeedError) as caught:
        in_order([seed_file("a", ["b"]), seed_file("b", ["c"]), seed_file("c", ["a"])])

    steps = caught.value.message.partition("circle: ")[2].split(" -> ")
    assert all((first[0], second[0]) in {("a", "b"), ("b", "c"), ("c", "a")} for first, second in pairwise(steps))


def test_rows_come_after_the_rows_of_their_own_table_that_they_refer_to(seed_files):
    rows = ["{code: leaf, parent: twig}", "{code: twig, parent: root}", "{code: root}", "{code: x, parent: old}"]
    seed_files.file("nodes", TREE, f"nodes: [{', '.join(rows)}]\n")

    [seed] = seed_files.load().files

    assert [[row.index for row in wave] for wave in waves(seed)] == [[2, 3], [1], [0]]


def test_a_circle_of_rows_is_refused_at_its_place(seed_files):
    seed_files.file("nodes", TREE, "nodes:\n  - {code: a, parent: b}\n  - {code: b, parent: a}\n")

    [problem] = seed_files.problems()

    assert "rows refer to each other in a circle: code '" in problem
    assert problem.startswith(("nodes.yaml:2:5", "nodes.yaml:3:5"))


def test_a_reference_that_no_file_satisfies_is_a_warning_with_its_place(seed_files):
    seed_files.file("llms", LLMS, "llms: [{model_code: a}]\n")
    path = seed_files.file(
        "agents", AGENTS, "agents:\n  - {agent_type: T, llm_model_code: a}\n  - {agent_type: U, llm_model_code: b}\n"
    )

    [warning] = seed_files.load().warnings

    assert warning.message == "llm_model_code 'b' of agent_type 'U' is in none of the seed files"
    assert str(warning.place) == f"{path}:3:37"
    assert warning.warning


def test_a_reference_to_a_table_without_seed_files_is_not_a_warning(seed_files):
    seed_files.file("agents", AGENTS, "agents: [{agent_type: T, llm_model_code: a}]\n")

    assert seed_files.load().warnings == ()


def test_an_empty_file_for_a_table_satisfies_no_reference(seed_files):
    seed_files.file("llms", LLMS, "")
    seed_files.file(
        "agents", AGENTS, "agents: [{agent_type: T, llm_model_code: a}, {agent_type: U, llm_model_code: }]\n"
    )

    assert len(seed_files.load().warnings) == 1
