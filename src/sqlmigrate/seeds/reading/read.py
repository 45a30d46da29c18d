"""Read and check all seed files of a directory, without a database."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Place, Problem, SeedError
from sqlmigrate.files import open_file
from sqlmigrate.files.reading import SMALL
from sqlmigrate.seeds import order
from sqlmigrate.seeds.model import Digest, Row, SeedFile, SeedSet, TableMapping, canonical
from sqlmigrate.seeds.problems import SHOWN, refusal, refuse, shown
from sqlmigrate.seeds.progress import tell
from sqlmigrate.seeds.reading.blocks import surely_differ
from sqlmigrate.seeds.reading.document import read_document, read_text
from sqlmigrate.seeds.reading.json_text import read_document as read_json
from sqlmigrate.seeds.reading.layers import lay
from sqlmigrate.seeds.reading.rules import Part
from sqlmigrate.seeds.reading.schema import (
    KEYWORD,
    check,
    check_for_columns,
    of_any_length,
    read_schema,
    row_by_row,
    row_types,
)
from sqlmigrate.seeds.reading.streams import Lines, Streamed, csv_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.seeds.model import TableName
    from sqlmigrate.seeds.reading.document import Document
    from sqlmigrate.seeds.reading.schema import Schema

_YAML = (".yaml", ".yml")
_SUFFIXES = (*_YAML, ".json", ".jsonl", ".csv")
_AT_ONCE = 1 << 20  # bytes
_LINES = {".jsonl", ".csv"}  # of any size


def load(directory: Path, env: str | None = None) -> SeedSet:
    """Read every seed file of a directory and check it with the `<name>.schema.json` beside it.

    Seed files are `*.yaml` and `*.yml`, and those `*.json`, `*.jsonl` and `*.csv` that have such a schema. With `env`,
    those of its subdirectory of that name are laid over them; where they have no schema, that of the file below counts.
    All files are read before one SeedError with everything that is wrong is raised. No database is needed.
    """
    before = _stamps(directory, env)
    files, problems = _load_files(directory)
    if (above := _layer(directory, env)) is not None:
        others, found = _load_files(above, directory)
        problems += found
        try:
            files = lay(files, others)
        except SeedError as error:
            problems += error.problems
    problems += _pruned_in_two_ways(files)
    try:
        ordered = order.in_order(files)
        for file in ordered:
            order.waves(file)
    except SeedError as error:
        problems += error.problems
    refuse(problems)
    warnings = shown(order.unknown_references(ordered), directory, warning=True)
    digests = read_digests(directory, env)
    now = _stamps(directory, env)  # of a file that changes meanwhile, nobody knows what was read
    same = tuple(item for item in digests if before.get(item.name) == now.get(item.name))
    return SeedSet(directory, ordered, tuple(warnings), same)


def read_digests(directory: Path, env: str | None = None) -> tuple[Digest, ...]:
    """Return what the seed files of a directory, and of an environment, are like now; they may be of any content.

    Raises SeedError where the directory cannot be read.
    """
    return tuple(
        Digest(name, _checksum(path), _checksum(schema_path)) for name, path, schema_path in _named(directory, env)
    )


def _named(directory: Path, env: str | None) -> Iterator[tuple[str, Path, Path]]:
    """Yield each seed file with its name in the directory and its schema."""
    above = _layer(directory, env)
    for folder, below in ((directory, None), (above, directory)):
        for path in _paths(folder, below) if folder else ():
            yield path.relative_to(directory).as_posix(), path, _schema_path(path, below)


def _stamps(directory: Path, env: str | None) -> dict[str, list[tuple[int, ...]]]:
    """Return what tells that a file, or its schema, was written since."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for name, *paths in _named(directory, env):
        with suppress(OSError):
            found[name] = [(one.st_ino, one.st_size, one.st_mtime_ns) for one in (path.stat() for path in paths)]
    return found


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a file with LF line ends, in memory that does not grow with it.

    It is '' where it is no file, or one that is too large to be read.
    """
    digest, held = hashlib.sha256(), b""
    try:
        if path.suffix not in _LINES and path.stat().st_size > SMALL:
            return ""
        with open_file(path) as file:
            while part := file.read(_AT_ONCE):
                part = held + part
                held = b"\r" if part.endswith(b"\r") else b""
                digest.update(part.removesuffix(held).replace(b"\r\n", b"\n"))
    except OSError:
        return ""
    digest.update(held)
    return digest.hexdigest()


def _layer(directory: Path, env: str | None) -> Path | None:
    """Return the directory of an environment's files, if there is one."""
    if not env or Path(env).name != env or env.startswith("."):
        return None
    try:
        return found if (found := directory / env).is_dir() else None
    except OSError:  # no folder can have that name
        return None


def _load_files(directory: Path, below: Path | None = None) -> tuple[list[SeedFile], list[Problem]]:
    """Read the files of a directory; gives also what is wrong with them."""
    files: list[SeedFile] = []
    problems: list[Problem] = []
    paths = _paths(directory, below)
    for number, path in enumerate(paths):
        tell(f"reading {path}, file", number + 1, len(paths))
        try:
            files.append(_load_file(path, below))
        except SeedError as error:
            problems += error.problems
    problems += shown(_duplicates(files), directory)
    return files, problems


def _paths(directory: Path, below: Path | None) -> list[Path]:
    try:
        found = sorted(directory.iterdir())
    except OSError as error:
        message = f"the seed directory cannot be read: {error.strerror or error}"
        hint = "name the directory of the seed files, or create it"
        raise refusal(Problem(message, Place(directory), hint)) from error
    return [path for path in found if _is_seed_file(path, below)]


def _is_seed_file(path: Path, below: Path | None) -> bool:
    """Tell files of rows from others; JSON and CSV that no schema is for may be anything.

    What cannot be read, such as a link that leads nowhere, is one too: passed over, it would be taken for no rows.
    """
    if path.suffix not in _SUFFIXES or path.name.startswith(".") or path.name.endswith(".schema.json"):
        return False
    return not path.is_dir() and (path.suffix in _YAML or os.path.lexists(_schema_path(path, below)))


def _schema_path(path: Path, below: Path | None = None) -> Path:
    """Return the schema beside a file, or where there is none, that beside the file below it."""
    beside = path.with_suffix(".schema.json")
    return below / beside.name if below and not beside.is_file() and (below / beside.name).is_file() else beside


def _load_file(path: Path, below: Path | None = None) -> SeedFile:
    """Read one file and its schema; what is wrong with either is found in one go."""
    problems: list[Problem] = []
    schema = file = None
    schema_path = _schema_path(path, below)
    try:
        if not schema_path.is_file():
            hint = f"write one: a JSON Schema of the rows, whose {KEYWORD} says which table they go to"
            raise refusal(Problem(f"there is no {schema_path.name} beside it", Place(path), hint))
        schema = read_schema(schema_path)
        if schema_path.parent != path.parent:
            schema = of_any_length(schema)
    except SeedError as error:
        problems += error.problems
    if path.suffix in _LINES:
        refuse(problems)
        assert schema is not None  # noqa: S101  as below
        return _load_streamed(path, schema)
    try:
        file = read_json(path, read_text(path)) if path.suffix == ".json" else read_document(path)
    except SeedError as error:
        problems += error.problems
    refuse(problems)
    assert schema is not None  # noqa: S101  for mypy: no problem means that both are there
    assert file is not None  # noqa: S101
    rows = _rows(file, schema.mapping)
    refuse(check(file, schema) if rows is not None else [])
    seed = SeedFile(path, schema.mapping, tuple(rows or ()), file)
    refuse(list(shown(_row_problems(seed.mapping, seed.rows, seed.shapes()), path)))
    return seed


def _load_streamed(path: Path, schema: Schema) -> SeedFile:
    """Read a file row by row and keep none."""
    parts, least, most = row_by_row(schema)
    part = replace(schema, value=parts)
    mapping, types = schema.mapping, row_types(schema)
    rows = csv_rows(path, mapping, list(types), types) if path.suffix == ".csv" else Streamed(path, mapping, Lines())
    problems: list[Problem] = []
    fits = check_for_columns(part)
    for block in rows.read():
        if not (fits and block.columns and fits(block.columns) and _have_keys(mapping, block.columns)):
            problems += check(Part({mapping.list: block.values()}, block.first, rows), part)
            if not problems:
                problems += _row_problems(mapping, block.rows(), {keys for keys, _ in block.shapes()})
        tell(f"reading {path} (kB)", *rows.read_so_far())
        if len(problems) > SHOWN:
            break
    refuse(list(shown(problems, path)))
    if not least <= len(rows) <= most:
        message = f"{mapping.list}: must have at {f'most {most}' if len(rows) > most else f'least {least}'} rows"
        raise refusal(Problem(message, Place(path)))
    return SeedFile(path, mapping, rows, rows)


def _rows(file: Document, mapping: TableMapping) -> list[Row] | None:
    """Return the rows of a file, or None if it is empty or has no list; what is no list of mappings is refused."""
    name, value = mapping.list, file.value
    if value is None:
        return None
    if not isinstance(value, dict):
        raise refusal(Problem(f"must be a mapping with the list '{name}'", file.place(), f"begin with '{name}:'"))
    if value.get(name) is None:
        value.pop(name, None)
        return []
    rows = value[name]
    if not isinstance(rows, list):
        raise refusal(Problem(f"'{name}' must be a list of rows", file.place((name,)), "begin each row with '- '"))
    strange = [index for index, row in enumerate(rows) if not isinstance(row, dict)]
    refuse([Problem(f"{name}[{index}] must be a mapping", file.place((name, index))) for index in strange[:SHOWN]])
    return [Row(index, row, mapping, file) for index, row in enumerate(rows)]


def _row_problems(mapping: TableMapping, rows: Iterable[Row], shapes: Iterable[tuple[str, ...]]) -> Iterator[Problem]:
    """Find what a schema cannot say: rows without a key for the conflict target, columns that are filled twice."""
    sources = [mapping.source_of(column) for column in mapping.conflict]
    doubtful = {shape for shape in shapes if any(_key_problems(mapping, shape))}
    for row in rows:
        for source in sources:
            if row.values.get(source) is None:
                message = f"{mapping.list}[{row.index}] has no '{source}', which says which row it is"
                yield Problem(message, row.place(), f"let the schema require '{source}' and refuse null")
        if doubtful and tuple(row.values) in doubtful:
            for key, message in _key_problems(mapping, tuple(row.values)):
                yield Problem(message, row.place_of_key(key))


def _have_keys(mapping: TableMapping, columns: Mapping[str, Sequence[Any]]) -> bool:
    """Tell whether nothing of that is wrong with rows whose values are these columns."""
    if any(_key_problems(mapping, tuple(columns))):
        return False
    return all(None not in columns.get(mapping.source_of(column), (None,)) for column in mapping.conflict)


def _key_problems(mapping: TableMapping, shape: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Find the keys that a row with these ones must not have, and say why."""
    made = {column.name: column.source for column in mapping.columns}
    for key in shape:
        if key in made and made[key] != key and mapping.columns_of(key)[0].name == key:
            yield key, f"'{key}' is filled from '{made[key]}' already"
    for key in shape:
        if key in mapping.default_on_update:
            yield key, f"'{key}' gets its default on update, so the file must not set it"


def _duplicates(files: Sequence[SeedFile]) -> Iterator[Problem]:
    """Find rows of one table, in one file or in several, that have the same conflict target."""
    seen: dict[Any, Row] = {}
    for file in files:
        if file.is_streamed:  # PostgreSQL compares them in the end
            continue
        sources = [file.mapping.source_of(column) for column in file.mapping.conflict]
        is_alone = sum(other.mapping.table == file.mapping.table for other in files) == 1
        if is_alone and isinstance(file.rows, Streamed) and surely_differ(file.rows.blocks(), sources):
            continue
        target = (file.mapping.table, file.mapping.conflict)
        for row in file.rows:
            first = seen.setdefault((target, *(_exactly(row.values[source]) for source in sources)), row)
            if first is not row:
                message = f"{row.label} appears twice, first at {first.place()}"
                yield Problem(message, row.place(), "keep one of the two rows")


def _pruned_in_two_ways(files: Sequence[SeedFile]) -> Iterator[Problem]:
    """Find files of one table whose schemas do not say the same of pruning: each names rows that the other does not."""
    first: dict[TableName, SeedFile] = {}
    for file in files:
        other = first.setdefault(file.mapping.table, file)
        if other.mapping.prune != file.mapping.prune:
            message = f"'prune' is not what {_schema_path(other.path).name} says of {file.mapping.table}"
            yield Problem(message, Place(_schema_path(file.path)), "say the same in both")


def _exactly(value: Any) -> Any:
    """Return what is equal for equal values alone: to Python, 1 is 1.0 and True."""
    return value if value.__class__ is str else (canonical(value),)
