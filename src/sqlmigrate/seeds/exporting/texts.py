"""Write rows as the text of a seed file, part by part."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import SeedError
from sqlmigrate.files.reading import SMALL
from sqlmigrate.seeds.exporting import yaml_text
from sqlmigrate.seeds.exporting.yaml_text import Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlmigrate.seeds.model import Csv

_NAMED_PLAINLY = re.compile(r"[\w./-]+")
_TOO_LARGE = f"a file of YAML may have {SMALL >> 20} MB, and these rows need more"
_TOO_LONG = f"a line of CSV may have {SMALL >> 22} MB, and one of these rows needs more"
_WIDTH = 100
_HIDDEN = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e0fff]|(?<=#)#(?=\w*\[)")
_encode = json.JSONEncoder(ensure_ascii=False).encode


def schema_text(schema: dict[str, Any]) -> str:
    """Write a schema, with short lists in one line; what a terminal or a log would carry out are escapes."""
    return _HIDDEN.sub(lambda found: _ascii(found[0]), _laid_out(schema, "")) + "\n"


def _ascii(character: str) -> str:
    return r"\u0023" if character == "#" else json.dumps(character)[1:-1]


def _laid_out(value: Any, indent: str) -> str:
    inner = f"{indent}  "
    if isinstance(value, dict) and value:
        lines = (f"{inner}{_encode(key)}: {_laid_out(part, inner)}" for key, part in value.items())
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and len(text := _encode(value)) + len(indent) > _WIDTH:
        lines = (f"{inner}{_laid_out(part, inner)}" for part in value)
        return "[\n" + ",\n".join(lines) + f"\n{indent}]"
    return text if isinstance(value, list) else _encode(value)


def as_yaml(rows: Iterable[dict[str, Any]], name: str, schema: str | None = None) -> Iterator[str]:
    """Write rows as the list of that name; `schema` is the file beside it that editors are told of."""
    head = f"# yaml-language-server: $schema={schema}\n\n" if schema and _NAMED_PLAINLY.fullmatch(schema) else ""
    some, size, head = False, 0, f"{head}{yaml_text.scalar(name)}:"
    for row in rows:
        text = yaml_text.row(row)
        size += len(text.encode())
        if size > SMALL:
            raise SeedError(_TOO_LARGE, hint="write CSV: --format csv")
        yield text if some else f"{head}\n{text}"
        some = True
    if not some:
        yield f"{head} []\n"


def as_csv(rows: Iterable[dict[str, Any]], keys: Sequence[str], csv: Csv) -> Iterator[str]:
    """Write rows with these keys in this order."""
    special = re.compile(f'["\\r\\n{re.escape(csv.delimiter)}]')

    def cell(value: Any) -> str:
        text = _cell(value)
        if text is None:
            return csv.null
        if text == csv.null or text.startswith("\ufeff") or special.search(text):
            return '"' + text.replace('"', '""') + '"'
        return text

    head = csv.delimiter.join(map(cell, keys)) + "\n" if csv.header else ""
    for row in rows:
        line = head + csv.delimiter.join(cell(row[key]) for key in keys) + "\n"
        if len(line) > SMALL // 4:  # bytes of a letter
            raise SeedError(_TOO_LONG)
        yield line
        head = ""
    yield head


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.text if isinstance(value, Written) else _encode(value)
