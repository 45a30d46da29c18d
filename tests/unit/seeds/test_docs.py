"""What docs/seeding.md shows and names is true."""

from __future__ import annotations

import json
import re
from importlib import resources

from sqlmigrate.seeds import load
from support.places import ROOT

MAPPING = resources.files("sqlmigrate.seeds.reading") / "mapping.schema.json"
PAGE = (ROOT / "docs" / "seeding.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_the_example_of_the_page_can_be_loaded(tmp_path):
    (tmp_path / "countries.yaml").write_text(block("yaml"), encoding="utf-8")
    (tmp_path / "countries.schema.json").write_text(block("json"), encoding="utf-8")

    [file] = load(tmp_path).files

    assert [row.values["code"] for row in file.rows] == ["CH", "NO"]
    assert file.mapping.columns[0].name == "currency_id"


def test_every_key_of_the_mapping_is_explained():
    rules = json.loads(MAPPING.read_text(encoding="utf-8"))
    column = rules["properties"]["columns"]["additionalProperties"]["properties"]

    missing = [key for key in rules["properties"] if f"| `{key}` |" not in PAGE]
    missing += [key for key in column if f"| `columns.COLUMN.{key}` |" not in PAGE]

    assert missing == []


def test_every_key_that_the_page_explains_is_in_the_mapping():
    rules = json.loads(MAPPING.read_text(encoding="utf-8"))
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE))

    assert explained == set(rules["properties"])
