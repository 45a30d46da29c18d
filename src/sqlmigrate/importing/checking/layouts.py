"""What each tool sends to PostgreSQL for its files, read without any of what converts them.

Only finding and reading files is shared with the import. The rules are those of the tools' own runners: what is one
message, and what stands in a transaction of the tool's.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlmigrate.importing.folder import Folder
from sqlmigrate.sql.scan import split

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlmigrate.importing.model import Source
    from sqlmigrate.importing.tool import Tool


@dataclass(frozen=True, slots=True)
class Message:
    """SQL that a tool sends in one go, and where it stands in its file; `data` are the rows of a COPY."""

    text: str
    offset: int = 0
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How a tool runs one migration: `key` is its file, or the revision where one file holds many.

    `transactional` says that the tool wraps the messages in BEGIN and COMMIT; `lenient` that it sends them one by one
    where a transaction is not allowed; `goes_on` that it stays in the session of the step before, with all that is set.
    """

    key: str
    source: Source
    messages: tuple[Message, ...]
    transactional: bool = True
    lenient: bool = False
    goes_on: bool = False


Reader = Callable[[Folder], Iterator[Step]]
# Flyway and the Supabase CLI put a session back before the next file, and Sqitch runs psql for each.
_SESSION_FOR_EACH = frozenset({"flyway", "sqitch", "supabase"})


def steps(tool: Tool, folder: Folder) -> list[Step]:
    """Return what a tool runs for a new database, in its order."""
    found = list(_READERS[tool.name](folder))
    if tool.name in _SESSION_FOR_EACH:
        return found
    return [replace(step, goes_on=number > 0) for number, step in enumerate(found)]


def statements(text: str, offset: int = 0) -> Iterator[Message]:
    """Yield the statements of a text as psql sends them."""
    for piece in split(text):
        data = "".join(piece.data.chunks()) if piece.data else None
        yield Message(piece.text, offset + piece.offset, data)


def _sources(folder: Folder, paths: Iterable[Path]) -> Iterator[Source]:
    for path in paths:
        if (source := folder.read(path)) is not None:
            yield source


def _numbered(folder: Folder, pattern: str) -> Iterator[Source]:
    """Yield the files whose names a pattern matches as a whole, by the number that its group is."""
    found = ((re.fullmatch(pattern, path.name, re.DOTALL), path) for path in folder.files())
    numbered = sorted((int(name[1]), str(path), path) for name, path in found if name)
    return _sources(folder, (path for *_, path in numbered))


def _whole(source: Source, *, transactional: bool, lenient: bool = False) -> Step:
    return Step(str(source.path), source, (Message(source.text),), transactional, lenient or not transactional)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines with their line ends, and where each begins."""
    for hit in re.finditer(r"[^\n]*\n|[^\n]+\Z", text):
        yield hit.start(), hit[0]


def _between(text: str, first: str, last: str) -> tuple[int, int, str]:
    """Return what lies after a line of the first pattern, up to one of the last one; and the first line."""
    begun: tuple[int, str] | None = None
    for at, line in _lines(text):
        if begun is None and re.match(first, line, re.IGNORECASE):
            begun = at + len(line), line
        elif begun is not None and re.match(last, line, re.IGNORECASE):
            return begun[0], at, begun[1]
    return (begun[0], len(text), begun[1]) if begun else (0, 0, "")


def _dbmate(folder: Folder) -> Iterator[Step]:
    paths = (path for path in folder.files() if path.name[0].isdigit())
    for source in _sources(folder, paths):
        start, end, mark = _between(source.text, r"--\s*migrate:up(\s|$)", r"--\s*migrate:down(\s|$)")
        inside = "transaction:false" not in mark.split()
        message = Message(source.text[start:end], start)
        yield Step(str(source.path), source, (message,), inside, lenient=not inside)


def _goose(folder: Folder) -> Iterator[Step]:
    for source in _numbered(folder, r"(\d+)_.*\.sql"):
        inside = not re.search(r"(?m)^--\s*\+goose NO TRANSACTION\s*$", source.text)
        yield Step(str(source.path), source, tuple(_of_goose(source.text)), inside, lenient=not inside)


def _of_goose(text: str) -> Iterator[Message]:
    """Yield a statement for each line that a semicolon ends, and for each block that is marked as one."""
    up = block = False
    start: int | None = None
    for at, line in _lines(text):
        mark = re.match(r"--\s*\+goose\s+(\w+)", line)
        if mark:
            if mark[1] == "StatementEnd" and start is not None:
                yield Message(text[start:at], start)
                start = None
            up = mark[1] == "Up" or (up and mark[1] != "Down")
            block = mark[1] == "StatementBegin" or (block and mark[1] != "StatementEnd")
        elif up and start is None and line.strip() and not line.lstrip().startswith("--"):
            start = at
        if start is not None and not block and not mark and _ends(line):
            yield Message(text[start : at + len(line)], start)
            start = None


def _ends(line: str) -> bool:
    words = line.split()
    comment = next((at for at, word in enumerate(words) if word.startswith("--")), len(words))
    return comment > 0 and words[comment - 1].endswith(";")


def _golang_migrate(folder: Folder) -> Iterator[Step]:
    for source in _numbered(folder, r"(\d+)_.*\.up\.sql"):
        yield _whole(source, transactional=False)


def _flyway(folder: Folder) -> Iterator[Step]:
    names = {path.name: path for path in folder.entries(deep=True)}
    hits = ((re.match(r"([VB])([0-9._]*[0-9])(?:__.*)?\.sql\Z", name, re.DOTALL), path) for name, path in names.items())
    found = sorted((_numbers(hit[2]), hit[1], path) for hit, path in hits if hit)
    first = next((numbers for numbers, kind, _ in found if kind == "V"), None)
    paths = [path for numbers, kind, path in found if kind == "V" or first is None or numbers < first]
    for source in _sources(folder, paths):
        said = folder.read(names[f"{source.name}.conf"]) if f"{source.name}.conf" in names else None
        outside = said is not None and re.search(r"(?im)^\s*executeInTransaction\s*=\s*false", said.text) is not None
        yield _whole(source, transactional=not outside, lenient=True)


def _numbers(version: str) -> list[int]:
    """Return a version as it is compared: 1.0 is 1."""
    found = [int(number) for number in re.split("[._]+", version)]
    while len(found) > 1 and not found[-1]:
        found.pop()
    return found


def _supabase(folder: Folder) -> Iterator[Step]:
    paths = [path for path in folder.files() if re.match(r"[0-9]+_", path.name)]
    if paths and (old := re.match(r"([0-9]{14})_init\.sql", paths[0].name)) and old[1] < "20211209000000":
        del paths[0]
    for source in _sources(folder, paths):
        yield _whole(source, transactional=False)


def _drizzle(folder: Folder) -> Iterator[Step]:
    journal = folder.path / "meta" / "_journal.json"
    if journal.exists():
        said: Any = folder.read(journal)
        tags = [entry["tag"] for entry in json.loads(said.text)["entries"]] if said else []
        paths = [folder.path / f"{tag}.sql" for tag in tags]
    else:
        paths = [path for inner in folder.folders() if (path := inner / "migration.sql").is_file()]
    for source in _sources(folder, paths):
        messages = []
        at = 0
        for text in source.text.split("--> statement-breakpoint"):
            messages.append(Message(text, at))
            at += len(text) + len("--> statement-breakpoint")
        yield Step(str(source.path), source, tuple(messages))


def _alembic(folder: Folder) -> Iterator[Step]:
    """Yield the steps of a stream as psql runs it: with its own BEGIN, COMMIT and bookkeeping."""
    step = re.compile(r"(?m)^-- Running (upgrade|downgrade) .*-> ?(\S*)[ \t\r]*$")
    for source in _sources(folder, folder.named):
        key: str | None = None
        messages: list[Message] = []
        end = 0
        for message in statements(source.text):
            for mark in step.finditer(source.text, end, message.offset):
                if key:
                    yield Step(key, source, tuple(messages), transactional=False)
                    messages = []
                key = mark[2] if mark[1] == "upgrade" else ""
            end = message.offset + len(message.text)
            if key != "":
                messages.append(message)
        if key:
            yield Step(key, source, tuple(messages), transactional=False)


def _django(folder: Folder) -> Iterator[Step]:
    """Yield what `sqlmigrate` of Django prints of each migration of the plan, with the BEGIN and COMMIT in it."""
    plan = folder.read(folder.path / "plan.txt")
    names = re.findall(r"(?m)^\[.\]\s+(\S+\.\S+)", plan.text) if plan else []
    paths = (path for name in names if folder.has(path := folder.path / f"{name}.sql"))
    for source in _sources(folder, paths):
        yield Step(str(source.path), source, tuple(statements(source.text)), transactional=False)


def _sqitch(folder: Folder) -> Iterator[Step]:
    plan = folder.read(folder.path / "sqitch.plan")
    found: list[tuple[str, str]] = []  # the name, and what its scripts are called once it is reworked
    for line in plan.text.splitlines() if plan else []:
        word = next(iter(line.partition("#")[0].split()), "%")
        if word.startswith("@"):
            found = [(name, stem or f"{name}{word}") for name, stem in found]
        elif not word.startswith("%"):
            found.append((word, ""))
    last = {name: at for at, (name, _) in enumerate(found)}
    stems = (name if last[name] == at else stem for at, (name, stem) in enumerate(found))
    for source in _sources(folder, (folder.path / "deploy" / f"{stem}.sql" for stem in stems)):
        yield Step(str(source.path), source, tuple(statements(source.text)), transactional=False)


def _sqlx(folder: Folder) -> Iterator[Step]:
    for source in _numbered(folder, r"(\d+)_(?!.*\.down\.sql).*\.sql"):
        yield _whole(source, transactional=not source.text.startswith("-- no-transaction"))


def _prisma(folder: Folder) -> Iterator[Step]:
    paths = (path for inner in folder.folders() if (path := inner / "migration.sql").is_file())
    for source in _sources(folder, paths):
        yield _whole(source, transactional=False)


def _diesel(folder: Folder) -> Iterator[Step]:
    inners = [inner for inner in folder.folders() if re.match(r"[0-9-]+(?:_|\Z)", inner.name)]
    for inner in sorted(inners, key=lambda inner: inner.name.partition("_")[0].replace("-", "")):
        said = folder.read(inner / "metadata.toml") if (inner / "metadata.toml").is_file() else None
        outside = said is not None and _toml(said.text).get("run_in_transaction") is False
        for source in _sources(folder, [inner / "up.sql"]):
            yield _whole(source, transactional=not outside)


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _node_pg_migrate(folder: Folder) -> Iterator[Step]:
    up, down = (rf"\s*--[\s-]*{word}\s+migration" for word in ("up", "down"))
    for source in _numbered(folder, r"(\d+)[_-](?!.*\.down\.sql).*\.sql"):
        start, end, mark = _between(source.text, up, down)
        if not mark:
            downs = (at for at, line in _lines(source.text) if re.match(down, line, re.IGNORECASE))
            end = next(downs, len(source.text))
        yield Step(str(source.path), source, (Message(source.text[start:end], start),))


def _graphile_migrate(folder: Folder) -> Iterator[Step]:
    committed = folder.path / "committed"
    inner = Folder(committed) if committed.is_dir() else folder
    for source in _sources(inner, (path for path in inner.files() if re.match(r"[0-9]{6,}", path.name))):
        body = re.sub(r"\A(?:--! \w+:[^\n]*\n)*\s*", "", source.text)
        yield _whole(source, transactional=re.match(r"--!\s*no-transaction\b", body) is None)


_READERS: dict[str, Reader] = {
    "alembic": _alembic,
    "dbmate": _dbmate,
    "diesel": _diesel,
    "django": _django,
    "drizzle": _drizzle,
    "flyway": _flyway,
    "golang-migrate": _golang_migrate,
    "goose": _goose,
    "graphile-migrate": _graphile_migrate,
    "node-pg-migrate": _node_pg_migrate,
    "prisma": _prisma,
    "sqitch": _sqitch,
    "sqlx": _sqlx,
    "supabase": _supabase,
}
