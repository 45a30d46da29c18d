"""Read the JSON Schema beside a seed file, with the mapping to a table that it holds, and check values with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Place, Problem, SeedError
from sqlmigrate.seeds import document
from sqlmigrate.seeds.model import Column, Reference, TableMapping, TableName
from sqlmigrate.seeds.problems import refusal, refuse
from sqlmigrate.seeds.wording import explain
from sqlmigrate.sql.position import place_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlmigrate.seeds.document import Document

KEYWORD = "x-sqlmigrate"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON Schema (draft 2020-12) and the mapping that it declares."""

    path: Path
    value: dict[str, Any]
    mapping: TableMapping


def read_schema(path: Path) -> Schema:
    """Read a schema file; raise one SeedError with all of its problems."""
    text = document.read_text(path)
    value = _json(path, text)
    if not isinstance(value, dict):
        raise refusal(Problem("a JSON Schema must be an object", Place(path)))
    _check_schema(path, text, value)
    return Schema(path, value, _mapping(path, text, value))


def check(file: Document, schema: Schema) -> list[Problem]:
    """Give every way in which a file does not fit its schema."""
    from referencing.exceptions import Unresolvable  # noqa: PLC0415  jsonschema brings it

    try:
        return _violations(file, schema.value, file.value)
    except Unresolvable as error:
        return [Problem(f"$ref '#{error.ref.removeprefix('#')}' leads nowhere in the schema", Place(schema.path))]


def _violations(file: Document, schema: Any, value: Any) -> list[Problem]:
    """Validate a value without any way to the network."""
    import jsonschema  # noqa: PLC0415  slow to import, and most commands validate nothing
    import referencing  # noqa: PLC0415

    validator = jsonschema.Draft202012Validator(schema, registry=referencing.Registry())
    return [problem for error in validator.iter_errors(value) for problem in explain(error, file)]


def _json(path: Path, text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise refusal(Problem(f"the key '{key}' is there twice in one object", Place(path), "keep one of them"))
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        problem = Problem(f"no valid JSON: {error.msg[:1].lower()}{error.msg[1:]}", place_at(path, text, error.pos))
    except RecursionError:
        problem = Problem("nested too deeply", Place(path))
    raise refusal(problem)


def _check_schema(path: Path, text: str, value: dict[str, Any]) -> None:
    """Refuse a schema of another draft, one that leads out of its file, and one that is itself invalid."""
    import jsonschema  # noqa: PLC0415

    schema = _located(path, text, value)
    if value.get("$schema", DIALECT).rstrip("#") != DIALECT:
        message = f"$schema must be {DIALECT}"
        raise refusal(Problem(message, schema.place(("$schema",)), "other drafts of JSON Schema are not read"))
    outside = [ref for ref in _refs(value) if not ref.startswith("#")]
    hint = "copy what it names into $defs"
    refuse([Problem(f"$ref '{ref}' leads out of the file", Place(path), hint) for ref in outside])
    errors = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA).iter_errors(value)
    refuse([Problem(f"no valid JSON Schema: {p.message}", p.place) for error in errors for p in explain(error, schema)])


def _refs(value: Any) -> Iterator[str]:
    """Give the targets of all references in a schema."""
    if isinstance(value, dict):
        yield from (value[key] for key in ("$ref", "$dynamicRef") if isinstance(value.get(key), str))
        for child in value.values():
            yield from _refs(child)
    elif isinstance(value, list):
        for child in value:
            yield from _refs(child)


def _located(path: Path, text: str, value: Any) -> Document:
    """Give the document of a JSON text, with places where YAML can read it too (tabs, for one, it cannot)."""
    try:
        return document.parse(path, text)
    except SeedError:
        return document.Document(path, text, value, None)


def _mapping(path: Path, text: str, value: dict[str, Any]) -> TableMapping:
    """Read the mapping to a table and check it with a schema of its own."""
    from importlib import resources  # noqa: PLC0415

    schema = _located(path, text, value)
    if KEYWORD not in value:
        hint = (
            f'add "{KEYWORD}": {{"list": ..., "table": ..., "conflict": [...]}}: which key of the file holds the rows, '
            "which table they go to, and which columns tell one row from another"
        )
        raise refusal(Problem(f"the schema has no '{KEYWORD}', so the table of its rows is unknown", Place(path), hint))
    rules = json.loads((resources.files(__package__) / "mapping.schema.json").read_text(encoding="utf-8"))
    whole = {"properties": {KEYWORD: {"$ref": "#/$defs/mapping"}}, "$defs": {**rules.pop("$defs"), "mapping": rules}}
    refuse(_violations(schema, whole, value))
    mapping = _table_mapping(value[KEYWORD])
    refuse(list(_contradictions(mapping, schema)))
    return mapping


def _table_mapping(said: dict[str, Any]) -> TableMapping:
    return TableMapping(
        list=said["list"],
        table=_table(said["table"]),
        conflict=tuple(said["conflict"]),
        columns=tuple(_column(name, column) for name, column in said.get("columns", {}).items()),
        default_on_update=tuple(said.get("default_on_update", ())),
    )


def _column(name: str, said: dict[str, Any]) -> Column:
    found = said.get("references")
    reference = Reference(_table(found["table"]), found["match"], found["select"]) if found else None
    return Column(name, said["from"], reference)


def _table(name: str) -> TableName:
    schema, _, table = name.partition(".")
    return TableName(schema, table)


def _contradictions(mapping: TableMapping, schema: Document) -> Iterator[Problem]:
    """Find columns that the mapping would write in two ways, and keys that no row can have."""
    for column in mapping.default_on_update:
        if column in (*mapping.conflict, *(special.name for special in mapping.columns)):
            place = schema.place((KEYWORD, "default_on_update"))
            yield Problem(f"default_on_update: column '{column}' gets its value from the file", place)
    keys = _row_keys(schema.value, mapping.list)
    wanted: list[tuple[str, tuple[str, ...]]] = [
        (column.source, ("columns", column.name, "from")) for column in mapping.columns
    ]
    wanted += [(mapping.source_of(column), ("conflict",)) for column in mapping.conflict]
    for source, where in wanted:
        if keys is not None and source not in keys:
            message = f"'{source}' is no property of the rows in '{mapping.list}'"
            yield Problem(message, schema.place((KEYWORD, *where)), f"the schema has {', '.join(sorted(keys))}")


def _row_keys(value: dict[str, Any], name: str) -> set[str] | None:
    """Give the keys that the schema allows in a row, or None where it does not say so in the plain way."""
    node: Any = value
    for step in ("properties", name, "items"):
        node = node.get(step) if isinstance(node, dict) else None
        if isinstance(node, dict) and set(node) == {"$ref"}:
            node = _named(value, node["$ref"])
    if not isinstance(node, dict) or node.get("additionalProperties") is not False or "properties" not in node:
        return None
    return set(node["properties"])


def _named(value: Any, ref: str) -> Any:
    """Follow a plain reference inside the schema, as in `#/$defs/agent`."""
    for step in ref.removeprefix("#/").split("/"):
        value = value.get(step) if isinstance(value, dict) else None
    return value
