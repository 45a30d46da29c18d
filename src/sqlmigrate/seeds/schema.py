"""Read the JSON Schema beside a seed file, with the mapping to a table that it holds, and check values with it."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Place, Problem, SeedError
from sqlmigrate.files.patterns import PatternError, Patterns
from sqlmigrate.seeds import document
from sqlmigrate.seeds.model import Column, Reference, TableMapping, TableName
from sqlmigrate.seeds.problems import refusal, refuse
from sqlmigrate.seeds.rules import violations
from sqlmigrate.seeds.wording import explain
from sqlmigrate.sql.position import place_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlmigrate.seeds.document import Document

KEYWORD = "x-sqlmigrate"
_VALUES = frozenset({KEYWORD, "const", "default", "enum", "examples"})  # of a schema, these hold no schemas
_ERRORS_MAX = 100
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
    value = _json(path, text)
    if not isinstance(value, dict):
        raise refusal(Problem("a JSON Schema must be an object", Place(path)))
    located = _located(path, text, value)
    places = _check_schema(located, value)
    return Schema(path, value, _mapping(located, value), places)


def check(file: Document, schema: Schema) -> list[Problem]:
    """Return every way in which a file does not fit its schema."""
    return violations(file, schema.value, Place(schema.path), schema.places)


def _json(path: Path, text: str) -> Any:
    """Read a JSON text strictly: no key twice, no NaN, no number that would not be kept."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counted = Counter(key for key, _ in pairs)
            key = next(key for key, count in counted.items() if count > 1)
            raise refusal(_twice(path, text, key))
        return found

    def refused(constant: str) -> Any:
        raise refusal(Problem(f"not valid JSON: {constant} is not a number in JSON", _word_place(path, text, constant)))

    def number(digits: str) -> Any:
        try:
            return int(digits) if digits.lstrip("-").isdigit() else document.exact(digits)
        except (ValueError, ArithmeticError):
            message = f"{digits[:40]} cannot be kept exactly as a number"
            raise refusal(Problem(message, _word_place(path, text, digits))) from None

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refused, parse_int=number, parse_float=number)
    except json.JSONDecodeError as error:
        problem = Problem(f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}", place_at(path, text, error.pos))
    except RecursionError:
        problem = Problem("nested too deeply", Place(path))
    raise refusal(problem)


def _twice(path: Path, text: str, key: str) -> Problem:
    """Say that a key is there twice in an object, and where: YAML's reader has the places that JSON's has not."""
    try:
        document.parse(path, text)
    except SeedError as error:
        if (found := error.problems[0]).message.endswith("appears twice"):
            return found
    return Problem(f"the key '{key}' appears twice in one object", Place(path), "keep one of them")


def _word_place(path: Path, text: str, word: str) -> Place:
    """Return the place of a number or a word, which stands in a JSON text as it was read."""
    found = re.search(rf'(?<![\w."+-]){re.escape(word)}(?![\w."+-])', text)
    return place_at(path, text, found.start()) if found else Place(path)


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


def _located(path: Path, text: str, value: Any) -> Document:
    """Return the document of a JSON text, with places where YAML can read it too (tabs, for one, it cannot)."""
    try:
        return document.parse(path, text)
    except SeedError:
        return document.Document(path, text, value, document.Nodes())


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
    """Return the keys that the schema allows in a row, or None where it does not say so in the plain way."""
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
