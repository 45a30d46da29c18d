"""Seed files for tests: a directory with YAML and the schemas that map it to tables."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from sqlmigrate.errors import SeedError
from sqlmigrate.seeds import SeedSet, load

LLMS = {"list": "llms", "table": "public.llms", "conflict": ["model_code"]}
AGENTS = {
    "list": "agents",
    "table": "public.agents",
    "conflict": ["agent_type"],
    "columns": {
        "llm_id": {
            "from": "llm_model_code",
            "references": {"table": "public.llms", "match": "model_code", "select": "id"},
        }
    },
    "default_on_update": ["updated_at"],
}


class SeedFiles:
    """Writes seed files into a directory; a schema that says nothing but the mapping is enough for most tests."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def schema(self, name: str, mapping: dict[str, Any] | None, **rules: Any) -> None:
        schema = rules if mapping is None else {**rules, "x-sqlmigrate": mapping}
        (self.directory / f"{name}.schema.json").write_text(json.dumps(schema, indent=2), encoding="utf-8")

    def yaml(self, name: str, text: str) -> Path:
        path = self.directory / f"{name}.yaml"
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def file(self, name: str, mapping: dict[str, Any], text: str, **rules: Any) -> Path:
        self.schema(name, mapping, **rules)
        return self.yaml(name, text)

    def load(self) -> SeedSet:
        return load(self.directory)

    def refusal(self) -> SeedError:
        with pytest.raises(SeedError) as caught:
            self.load()
        return caught.value

    def problems(self) -> list[str]:
        """Give what is wrong, as `file:line:column: message` without the directory."""
        return [str(problem).replace(f"{self.directory}/", "") for problem in self.refusal().problems]
