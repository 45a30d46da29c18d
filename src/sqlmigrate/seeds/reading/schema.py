"""Read the JSON Schema beside a seed file, with the mapping to a table that it holds, and check values with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Place, Problem
from sqlmigrate.files.patterns import PatternError, Patterns
from sqlmigrate.seeds.model import Column, Csv, Prune, Reference, TableMapping, TableName
from sqlmigrate.seeds.problems import refusal, refuse
from sqlmigrate.seeds.reading import document, json_text, quick
from sqlmigrate.seeds.reading.rules import violations
from sqlmigrate.seeds.reading.wording import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sqlmigrate.seeds.reading.document import Document
    from sqlmigrate.seeds.reading.rules import Part

KEYWORD = "x-sqlmigrate"
_VALUES = frozenset({KEYWORD, "const", "default", "enum", "examples"})  # of a schema, these hold no schemas
_ERRORS_MAX = 100
_KINDS = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object", type(None): "null"}
_SAID = {"$comment", "title", "description", "type"}
_OF_FILE = {*_SAID, "$schema", "$id", "$defs", "properties", "required", "additionalProperties"}
_OF_LIST = {*_SAID, "items", "minItems", "maxItems"}
_ADDITIONAL = "use additionalProperties, or write the keys into properties"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON Schema (draft 2020-12) and its mapping; `places` says where each pattern and each `$ref` stands."""

    path: Path
    value: dict[str, Any]
    mapping: TableMapping
    places: Mapping[str, Place] = field(default_factory=dict)


def read_schema(path: Path) -> Schema:
    """Read a schema file; raise one SeedError with all of its problems."""
    text = document.read_text(path)
    value = json_text.read(path, text)
    if not isinstance(value, dict):
        raise refusal(Problem("a JSON Schema must be an object", Place(path)))
    located = json_text.located(path, text, value)
    places = _check_schema(located, value)
    return Schema(path, value, _mapping(located, value), places)


def check(file: Document | Part, schema: Schema) -> list[Problem]:
    """Return every way in which a file, or a part of its rows, does not fit its schema."""
    return violations(file, schema.value, Place(schema.path), schema.places)


def check_for_columns(schema: Schema) -> Callable[[quick.Columns], bool] | None:
    """Make a check of rows by the columns of their values, if there is one; what it accepts has no violation."""
    name, patterns = schema.mapping.list, Patterns()
    fits = quick.compiled(schema.value, patterns)
    if fits is None or not fits({name: []}):
        return None
    return quick.compiled_for_columns(schema.value, _row(schema.value, name), patterns)


def _check_schema(schema: Document, value: dict[str, Any]) -> dict[str, Place]:
    """Refuse a schema of another draft, one that leads out of its file, and one that is itself invalid.

    Gives the places of its references and patterns.
    """
    import jsonschema  # noqa: PLC0415

    if str(value.get("$schema", DIALECT)).rstrip("#") != DIALECT:
        message = f"$schema must be {DIALECT}"
        raise refusal(Problem(message, schema.place(("$schema",)), "other drafts of JSON Schema are not read"))
    rules = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    try:
        errors = list(islice(rules.iter_errors(value), _ERRORS_MAX))
    except RecursionError:
        raise refusal(Problem("nested too deeply", Place(schema.path))) from None
    refuse(
        [Problem(f"not valid JSON Schema: {p.message}", p.place) for error in errors for p in explain(error, schema)]
    )
    refuse(list(_outside(schema, value)))
    return _references(schema, value) | _patterns(schema, value)


def _outside(schema: Document, value: dict[str, Any]) -> Iterator[Problem]:
    """Find what leads out of the file, or asks for other rules in a part of it."""
    has_patterns = any("patternProperties" in part for _, part in _parts(value))
    for where, part in _parts(value):
        for key in ("$ref", "$dynamicRef"):
            if isinstance(ref := part.get(key), str) and not ref.startswith("#"):
                place = schema.place((*where, key))
                yield Problem(f"$ref '{ref}' leads out of the file", place, "copy what it names into $defs")
        if where and isinstance(part.get("$schema"), str):
            yield Problem("$schema may stand at the top only", schema.place(where, key="$schema"), "remove it")
        if "unevaluatedProperties" in part and has_patterns:  # jsonschema would evaluate them by `re`
            place = schema.place(where, key="unevaluatedProperties")
            yield Problem("unevaluatedProperties cannot go with patternProperties here", place, _ADDITIONAL)


def _references(schema: Document, value: dict[str, Any]) -> dict[str, Place]:
    """Return the place of each reference, the first one where it is there more than once."""
    found: dict[str, Place] = {}
    for where, part in _parts(value):
        for key in ("$ref", "$dynamicRef"):
            if isinstance(reference := part.get(key), str):
                found.setdefault(reference, schema.place((*where, key)))
    return found


def _patterns(schema: Document, value: dict[str, Any]) -> dict[str, Place]:
    """Compile every pattern once, so that one that is none is found whatever the rows are; gives their places."""
    places: dict[str, Place] = {}
    for where, part in _parts(value):
        if isinstance(pattern := part.get("pattern"), str):
            places.setdefault(pattern, schema.place((*where, "pattern")))
        if isinstance(named := part.get("patternProperties"), dict):
            for pattern in named:
                places.setdefault(pattern, schema.place((*where, "patternProperties"), key=pattern))
    problems = []
    for pattern, place in places.items():
        try:
            Patterns().require(pattern)
        except PatternError as error:
            problems.append(Problem(str(error), place))
    refuse(problems)
    return places


def _parts(value: Any, where: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Yield every object of a schema that may be a schema itself, with the way to it; plain values are left out."""
    if isinstance(value, dict):
        yield where, value
        for key, child in value.items():
            if key not in _VALUES:
                yield from _parts(child, (*where, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _parts(child, (*where, index))


def _mapping(schema: Document, value: dict[str, Any]) -> TableMapping:
    """Read the mapping to a table and check it with a schema of its own."""
    from importlib import resources  # noqa: PLC0415

    if KEYWORD not in value:
        hint = (
            f'add "{KEYWORD}": {{"list": ..., "table": ..., "conflict": [...]}}: which key of the file holds the rows, '
            "which table they go to, and which columns identify a row"
        )
        raise refusal(
            Problem(f"the schema has no '{KEYWORD}', so the table of its rows is unknown", Place(schema.path), hint)
        )
    rules = json.loads((resources.files(__package__) / "mapping.schema.json").read_text(encoding="utf-8"))
    rules.pop("$schema")  # jsonschema would check that part with a class of its own
    whole = {"properties": {KEYWORD: {"$ref": "#/$defs/mapping"}}, "$defs": {**rules.pop("$defs"), "mapping": rules}}
    refuse(violations(schema, whole))
    mapping = mapping_of(value[KEYWORD])
    refuse(list(_contradictions(mapping, schema)))
    return mapping


def mapping_of(said: Mapping[str, Any]) -> TableMapping:
    """Return the mapping that a schema says, which has been checked."""
    return TableMapping(
        list=said["list"],
        table=_table(said["table"]),
        conflict=tuple(said["conflict"]),
        columns=tuple(_column(name, column) for name, column in said.get("columns", {}).items()),
        default_on_update=tuple(said.get("default_on_update", ())),
        csv=Csv(**said.get("csv", {})),
        prune=_prune(said.get("prune")),
    )


def _prune(said: Any) -> Prune | None:
    return None if said is None else Prune(said["set"] if isinstance(said, dict) else None)


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
    for column in mapping.prune.values or () if mapping.prune else ():
        if column in (*mapping.conflict, *mapping.default_on_update):
            what = "says which row it is" if column in mapping.conflict else "gets its default"
            yield Problem(f"prune: column '{column}' {what}", schema.place((KEYWORD, "prune", "set"), key=column))
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
    """Return the keys that the schema allows in a row, or None where it does not say so in the plain way."""
    node = _row(value, name)
    if not isinstance(node, dict) or node.get("additionalProperties") is not False or "properties" not in node:
        return None
    return set(node["properties"])


def row_types(schema: Schema) -> dict[str, set[str]]:
    """Return the types that a schema allows for each key of a row, in its order; none where it names none."""
    node = _row(schema.value, schema.mapping.list)
    properties = node.get("properties", {}) if isinstance(node, dict) else {}
    return {key: set(_types(schema.value, part)) for key, part in properties.items()}


def _types(value: dict[str, Any], part: Any) -> Iterator[str]:
    """Yield the types of a part; each part is looked at once, however many others lead to it."""
    seen, left = set(), [part]
    while left:
        part = left.pop()
        if not isinstance(part, dict) or id(part) in seen:
            continue
        seen.add(id(part))
        said = part.get("type", ())
        yield from [said] if isinstance(said, str) else said
        if "type" not in part:
            for choice in (*part.get("enum", ()), *([part["const"]] if "const" in part else ())):
                yield next((name for kind, name in _KINDS.items() if isinstance(choice, kind)), "string")
            left += (*part.get("anyOf", ()), *part.get("oneOf", ()))
            if isinstance(reference := part.get("$ref"), str):
                left.append(_named(value, reference))


def _row(value: dict[str, Any], name: str) -> Any:
    """Return the schema of a row, or what stands where it should be."""
    node: Any = value
    for step in ("properties", name, "items"):
        node = node.get(step) if isinstance(node, dict) else None
        if isinstance(node, dict) and set(node) == {"$ref"}:
            node = _named(value, node["$ref"])
    return node


def row_by_row(schema: Schema) -> tuple[dict[str, Any], int, float]:
    """Return the schema for lists of a part of the rows, and how many there must be at least and at most.

    Raises SeedError where it says something that needs all rows at once.
    """
    value, name = schema.value, schema.mapping.list
    rows = value.get("properties", {}).get(name, {})
    rows = _named(value, rows["$ref"]) if isinstance(rows, dict) and set(rows) == {"$ref"} else rows
    if not isinstance(rows, dict):
        rows = {}
    unknown = [key for key in value if key not in _OF_FILE and not key.startswith("x-")]
    unknown += [key for key in rows if key not in _OF_LIST and not key.startswith("x-")]
    if unknown:
        message = f"'{unknown[0]}' needs all rows at once, and those of CSV and JSON Lines are checked one by one"
        raise refusal(Problem(message, Place(schema.path), f"say it in the schema of a row, or write {name} as YAML"))
    kept = {key: rule for key, rule in rows.items() if key not in {"minItems", "maxItems"}}
    parts = value | {"properties": value.get("properties", {}) | {name: kept}}
    return parts, rows.get("minItems", 0), rows.get("maxItems", float("inf"))


def of_any_length(schema: Schema) -> Schema:
    """Return a schema without how many rows there are at least: for files that are laid over others."""
    name = schema.mapping.list
    properties = schema.value.get("properties", {})
    rows = properties.get(name)
    if not isinstance(rows, dict) or "minItems" not in rows:
        return schema
    rows = {key: rule for key, rule in rows.items() if key != "minItems"}
    return replace(schema, value=schema.value | {"properties": properties | {name: rows}})


def _named(value: Any, ref: str) -> Any:
    """Follow a plain reference inside the schema, as in `#/$defs/agent`."""
    for step in ref.removeprefix("#/").split("/"):
        value = value.get(step) if isinstance(value, dict) else None
    return value
