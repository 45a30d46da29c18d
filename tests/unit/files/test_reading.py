"""A file that somebody else has left makes us neither wait for ever nor hold all of it."""

from __future__ import annotations

import io
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from sqlmigrate.config import load as load_config
from sqlmigrate.errors import Error
from sqlmigrate.files import open_file, read_json, read_whole, record
from sqlmigrate.files.reading import SMALL
from sqlmigrate.migrations import Migrations, load
from sqlmigrate.review.statistics import from_file
from sqlmigrate.roundtrip import find_samples, proofs
from sqlmigrate.seeds.reading import read as seeds
from sqlmigrate.server.bootstrap import read_scripts
from sqlmigrate.sql.script import HELD_MAX

SECONDS = 90
MEMORY = 512 << 20  # bytes more than what we have


def made(path: Path, kind: str) -> None:
    match kind:
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "a socket":
            with socket.socket(socket.AF_UNIX) as made_by:
                made_by.bind(os.path.relpath(path))
        case "a device without end":
            path.symlink_to("/dev/zero")
        case "a huge file":
            with path.open("wb") as file:
                file.truncate(1 << 40)
        case "deep brackets":
            path.write_text("[" * 200_000, encoding="utf-8")
        case "deep braces":
            path.write_text('{"a":' * 100_000 + "1" + "}" * 100_000, encoding="utf-8")
        case "a number of many digits":
            path.write_text(f'{{"version": {"9" * 6000}}}', encoding="utf-8")
        case _:
            path.write_text("{}", encoding="utf-8")
            path.chmod(0)


def digests(found: Migrations) -> list[str]:
    """Read all scripts to their ends, also the large ones."""
    return [script.sha256 for migration in found.ordered for script in migration.scripts()]


ENDLESS = {"a pipe", "a device without end", "a huge file"}
PASSED_OVER = {"sqlmigrate.toml", "data/a.yaml"}
KEPT = {"sql/2.sql", "sql/samples/1.sql"}
"""Where something else than a file is no file of ours, and where what is wrong is kept and told later."""
KINDS = ["a folder", "a pipe", "a socket", "a device without end", "a huge file", "deep brackets", "deep braces"]
KINDS += ["a number of many digits"]
READERS: dict[str, Callable[[Path], object]] = {
    "sqlmigrate.toml": lambda root: load_config({}, cwd=root, environ={}),
    "sql/1.sql": lambda root: digests(load(root / "sql")),
    "sql/1.rollback.sql": lambda root: digests(load(root / "sql")),
    "sql/2.sql": lambda root: digests(load(root / "sql", one_by_one=True)),
    "sql/bootstrap/1.sql": lambda root: proofs.require(load(root / "sql"), [], major=18),
    "sql/bootstrap/2.sql": lambda root: read_scripts(root / "sql" / "bootstrap"),
    "sql/samples/1.sql": lambda root: [one.scripts()[0].sha256 for one in find_samples(load(root / "sql"))[0].values()],
    "sql/proofs/1.json": lambda root: proofs.read(root / "sql" / "proofs" / "1.json"),
    "data/a.yaml": lambda root: seeds.load(root / "data"),
    "data/a.schema.json": lambda root: seeds.load(root / "data"),
    "stats.json": lambda root: from_file(root / "stats.json"),
}


@pytest.fixture
def bounded() -> Iterator[None]:
    """A reader that waits, or that takes more and more memory, fails."""

    def late(*_: object) -> None:
        raise AssertionError(f"it still reads after {SECONDS} s")

    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    before, limits = signal.signal(signal.SIGALRM, late), resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, limits[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("sql/bootstrap", "sql/samples", "sql/proofs", "data"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sql" / "1.sql").write_text("SELECT 1;", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in READERS for kind in KINDS if (name, kind) != ("stats.json", "a pipe")]
)
def test_no_file_is_waited_for_or_held_without_end(root, name, kind):
    path = root / name
    path.unlink(missing_ok=True)
    made(path, kind)
    if name.startswith("data/"):
        for beside in {"data/a.yaml", "data/a.schema.json"} - {name}:
            (root / beside).write_text("{}", encoding="utf-8")

    refused = kind in ENDLESS and name not in KEPT and not (name in PASSED_OVER and not path.is_file())
    with pytest.raises(Error) if refused else suppress(Error):
        READERS[name](root)


class Growing(io.FileIO):
    """A file to which somebody adds more before each read."""

    def read(self, size: int | None = -1, /) -> bytes:
        with Path(str(self.name)).open("ab") as more:
            more.write(b"-- and more\n" * 60_000)
        return super().read(size) or b""


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", [name for name in READERS if name.endswith(".sql") and name not in KEPT])
def test_a_script_that_grows_while_it_is_read_is_refused(root, name, large, monkeypatch):
    if large and name == "sql/bootstrap/2.sql":
        return  # only the beginning is read
    (root / name).write_bytes(b"-- begun\n" * (HELD_MAX // 4 if large else 1))

    def open_growing(path: Path, **more: Any) -> IO[Any]:
        return Growing(path) if path == root / name else open_file(path, **more)

    def read_growing(descriptor: int, size: int) -> bytes:
        if os.path.sameopenfile(descriptor, there):
            os.write(there, b"-- and more\n")
        return read(descriptor, size)

    read, there = os.read, os.open(root / name, os.O_WRONLY | os.O_APPEND)
    monkeypatch.setattr("sqlmigrate.sql.streamed.open_file", open_growing)
    monkeypatch.setattr(os, "read", read_growing)

    with pytest.raises(Error) as caught:
        READERS[name](root)
    os.close(there)
    said = [caught.value.message, *(problem.message for problem in getattr(caught.value, "problems", ()))]
    assert any("changed since it was checked" in message for message in said)


@pytest.mark.parametrize("way", ["the file", "its folder"])
@pytest.mark.parametrize("name", [name for name in READERS if name not in {"sqlmigrate.toml", "stats.json"}])
def test_no_link_of_a_repository_shows_a_file_outside_of_it(root, name, way, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    path, secret = root / name, outside / Path(name).name
    path.unlink(missing_ok=True)
    for beside in {"data/a.yaml", "data/a.schema.json"} - {name}:
        (root / beside).write_text("{}", encoding="utf-8")
    if way == "the file":
        path.symlink_to(secret)
    else:
        for other in path.parent.iterdir():
            other.rename(outside / other.name)
        path.parent.rmdir()
        path.parent.symlink_to(outside)
    secret.write_text("TOKEN=s3cret", encoding="utf-8")
    (root / ".git").mkdir()

    if name in KEPT:
        scripts = [one.script for one in load(root / "sql", one_by_one=True).ordered]
        if name != "sql/2.sql":
            scripts = [script for one in find_samples(load(root / "sql"))[0].values() for script in one.scripts()]
        said = [script.refused.message for script in scripts if script.refused]
    else:
        with pytest.raises(Error) as caught:
            READERS[name](root)
        said = [caught.value.message, *(problem.message for problem in getattr(caught.value, "problems", ()))]
    assert any(f"a symbolic link leads out of the repository, to {outside}" in message for message in said)
    assert "s3cret" not in str(said)


def test_a_link_that_stays_in_the_repository_is_read(root):
    (root / ".git").mkdir()
    (root / "sql" / "1.sql").rename(root / "one")
    (root / "sql" / "1.sql").symlink_to("../one")

    assert len(digests(load(root / "sql"))) == 1


def test_a_pipe_that_has_just_taken_the_place_of_a_file_is_not_waited_for(root, bounded):
    script = load(root / "sql").ordered[0].script
    script.path.unlink()
    os.mkfifo(script.path)

    with pytest.raises(OSError, match="it is a pipe"):
        open_file(script.path)


def test_more_than_fits_is_named(tmp_path):
    path = tmp_path / "p.json"
    with path.open("wb") as file:
        file.truncate(SMALL + 1)

    with pytest.raises(OSError, match="it has more than 64 MB"):
        read_json(path)


def test_figures_may_come_through_a_pipe(tmp_path):
    path = tmp_path / "stats"
    os.mkfifo(path)
    writing = threading.Thread(target=lambda: path.write_text("[]", encoding="utf-8"))
    writing.start()
    with pytest.raises(Error, match="is not a file of `sqlmigrate stats`"):
        from_file(path)
    writing.join()


@dataclass(frozen=True)
class Kept:
    name: str
    size: float | None = None
    parts: tuple[int, ...] = ()


@pytest.mark.parametrize(
    "values", [{"name": 1}, {"name": None}, {"name": "a", "size": "1"}, {"name": "a", "size": True}, {"other": 1}, {}]
)
def test_a_record_of_other_types_is_refused(values):
    with pytest.raises(TypeError):
        record(Kept, values)


def test_a_record_is_made():
    assert record(Kept, {"name": "a", "size": 1, "parts": (2,)}) == Kept("a", 1, (2,))


@pytest.mark.parametrize("number", ["1e400", "-1e400", str(10**400), str(2**64), "9" * 5000])
def test_a_number_that_no_report_could_hold_is_refused(tmp_path, number):
    path = tmp_path / "figures.json"
    path.write_text(f'{{"size": {number}}}', encoding="utf-8")

    with pytest.raises(ValueError, match=r"^the number .{1,20} is too large$"):
        read_json(path)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 100])
def test_a_file_that_comes_in_parts_is_read_to_its_end(tmp_path, size, monkeypatch):
    path = tmp_path / "a.sql"
    path.write_bytes(bytes(range(size)))
    read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, most: read(descriptor, min(most, 4)))

    assert read_whole(path, 100) == (bytes(range(size)), size)
    assert read_whole(path, size - 1) == (None, size)


def test_a_file_that_has_become_shorter_is_read_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "a.sql"
    path.write_bytes(b"SELECT 1;")
    read = os.read

    def read_shorter(descriptor: int, most: int) -> bytes:
        path.write_bytes(b"SELECT")
        return read(descriptor, most)

    monkeypatch.setattr(os, "read", read_shorter)

    assert read_whole(path, 100) == (b"SELECT", 9)
