"""A file is written whole or not at all, and no link of a repository takes it out of there."""

from __future__ import annotations

import ast
import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlmigrate
from sqlmigrate.errors import Error
from sqlmigrate.files import leads_out, make_folder, write_new, write_new_parts, write_text, writing

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    (path / ".git").mkdir(parents=True)
    return path


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.mkdir()
    (path / "victim").write_text("kept", encoding="utf-8")
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("marker", [".git", "sqlmigrate.toml", "pyproject.toml", None])
@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("link", ["report.html", "folder", "deep/folder"])
@pytest.mark.parametrize("exists", [True, False])
def test_no_link_of_a_repository_is_followed_out_of_it(tmp_path, outside, monkeypatch, marker, relative, link, exists):
    root = tmp_path / "repository"
    (root / "deep").mkdir(parents=True)
    if marker:
        (root / marker).touch()
    else:
        monkeypatch.chdir(root)  # neither .git nor a configuration: the working directory counts
    target = outside if link.endswith("folder") else outside / "victim"
    (root / link).symlink_to(os.path.relpath(target, (root / link).parent) if relative else target)
    path = root / link if target != outside else root / link / ("victim" if exists else "new")

    with pytest.raises(Error, match="leads out of the repository"):
        write_text(path, "stolen")
    with pytest.raises((Error, FileExistsError)):
        write_new(path, "stolen")

    assert names(outside) == ["victim"]
    assert (outside / "victim").read_text(encoding="utf-8") == "kept"
    assert leads_out(path) == target


def test_a_link_by_way_of_another_is_not_followed_out(repository, outside):
    (repository / "a").symlink_to("b")
    (repository / "b").symlink_to("c/../../outside")
    (repository / "c").mkdir()

    with pytest.raises(Error, match="leads out of the repository"):
        write_text(repository / "a" / "victim", "stolen")


@pytest.mark.skipif(not os.path.exists("/proc/self/root"), reason="there is no /proc")  # noqa: PTH110  it is a link
@pytest.mark.parametrize("way", ["/proc/self/root", "/proc/self/cwd/..", "/proc/thread-self/root", "/dev/fd/../root"])
def test_no_link_of_a_repository_leads_out_by_way_of_proc(repository, outside, way):
    there = Path(f"{way}{outside}")
    (repository / "report.html").symlink_to(there / "victim")
    (repository / "proofs").symlink_to(there)

    for attempt in (
        lambda: write_text(repository / "report.html", "stolen"),
        lambda: write_text(repository / "proofs" / "victim", "stolen"),
        lambda: write_new(repository / "proofs" / "new", "stolen"),
        lambda: write_new_parts(repository / "proofs" / "new", ["stolen"]),
        lambda: make_folder(repository / "proofs" / "made"),
    ):
        with pytest.raises(Error, match="leads out of the repository"):
            attempt()

    assert names(outside) == ["victim"]
    assert (outside / "victim").read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize("make", [lambda path: write_text(path, "stolen"), make_folder], ids=["file", "folder"])
def test_a_link_that_somebody_puts_above_at_the_last_moment_is_not_followed(tmp_path, outside, monkeypatch, make):
    (tmp_path / "theirs" / "deep").mkdir(parents=True)
    (outside / "deep").mkdir()

    def swapped(path: Path) -> Path | None:
        found = followed(path)
        (tmp_path / "theirs").rename(tmp_path / "away")
        (tmp_path / "theirs").symlink_to(outside)
        return found

    followed = writing.followed
    monkeypatch.setattr(writing, "followed", swapped)

    with pytest.raises(Error, match=r"cannot be (written|created)"):
        make(tmp_path / "theirs" / "deep" / "new")
    assert names(outside / "deep") == []


def test_a_folder_is_not_made_outside(repository, outside):
    (repository / "proofs").symlink_to(outside / "made")

    with pytest.raises(Error, match="leads out of the repository"):
        make_folder(repository / "proofs" / "deep")

    assert names(outside) == ["victim"]


def test_a_link_that_stays_inside_is_followed(repository):
    (repository / "docs").mkdir()
    (repository / "reports").symlink_to("docs")
    (repository / "latest.html").symlink_to("docs/report.html")

    write_text(repository / "reports" / "report.html", "one")
    assert (repository / "latest.html").read_text(encoding="utf-8") == "one"

    write_text(repository / "latest.html", "two")

    assert (repository / "latest.html").is_symlink()
    assert (repository / "docs" / "report.html").read_text(encoding="utf-8") == "two"


def test_our_own_link_elsewhere_is_followed(tmp_path, outside):
    (tmp_path / "link").symlink_to(outside)

    write_text(tmp_path / "link" / "new", "text")

    assert (outside / "new").read_text(encoding="utf-8") == "text"


@as_root
def test_a_link_of_another_user_elsewhere_is_refused(tmp_path, outside):
    link = tmp_path / "link"
    link.symlink_to(outside / "victim")
    os.chown(link, 12345, 12345, follow_symlinks=False)

    with pytest.raises(Error, match="symbolic link of another user"):
        write_text(link, "stolen")


def test_a_file_keeps_its_mode_and_a_new_one_follows_the_umask(repository):
    before = os.umask(0o027)
    try:
        (kept := repository / "kept").touch()
        kept.chmod(0o604)
        write_text(kept, "text")
        write_text(repository / "new", "text")
    finally:
        os.umask(before)

    assert [stat.S_IMODE((repository / name).stat().st_mode) for name in ("kept", "new")] == [0o604, 0o640]


@as_root
def test_a_file_keeps_its_owner(repository):
    (path := repository / "theirs").touch()
    os.chown(path, 12345, 54321)

    write_text(path, "text")

    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


def test_a_reader_finds_the_old_file_or_the_new_one(repository):
    path = repository / "file"
    texts = {"a" * 1_000_000, "b" * 1_000_000}
    write_text(path, max(texts))
    stop = threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            for text in texts:
                write_text(path, text)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        found = {path.read_text(encoding="utf-8") for _ in range(50)}
    finally:
        stop.set()
        writer.join()

    assert found <= texts
    assert names(repository) == [".git", "file"]


def test_nothing_is_left_where_it_fails(repository, monkeypatch):
    path = repository / "file"
    write_text(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(Error, match="file: cannot be written: No space left on device"):
        write_text(path, "new")
    with pytest.raises(Error, match="other: cannot be written: No space left on device"):
        write_new(repository / "other", "new")

    assert path.read_text(encoding="utf-8") == "old"
    assert names(repository) == [".git", "file"]


def test_a_name_as_long_as_a_file_system_takes_can_be_replaced(repository):
    path = repository / ("ü" * 127)

    write_text(path, "one")
    write_text(path, "two")

    assert path.read_text(encoding="utf-8") == "two"


def test_a_new_file_does_not_replace_another_one(repository):
    write_new(repository / "file", "one")

    with pytest.raises(FileExistsError):
        write_new(repository / "file", "two")

    assert (repository / "file").read_text(encoding="utf-8") == "one"


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_of_many_parts_is_there_once_it_is_whole(repository, monkeypatch, links):
    def without(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "a file system without hard links")

    def parts() -> Iterator[str]:
        yield "one "
        assert not path.exists()
        yield "two"

    if not links:
        monkeypatch.setattr(os, "link", without)
    path = repository / "file"

    write_new_parts(path, parts())
    with pytest.raises(FileExistsError):
        write_new_parts(path, parts())

    assert path.read_text() == "one two"
    assert names(repository) == [".git", "file"]


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_takes_the_place_of_none_that_comes_meanwhile(repository, monkeypatch, links):
    def without(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "a file system without hard links")

    def parts() -> Iterator[str]:
        yield "ours"
        (repository / "file").symlink_to(repository / "nothing")

    if not links:
        monkeypatch.setattr(os, "link", without)
    with pytest.raises(FileExistsError):
        write_new_parts(repository / "file", parts())

    assert names(repository) == [".git", "file"]
    assert (repository / "file").is_symlink()


def test_nothing_is_left_of_a_new_file_whose_parts_end_in_an_error(repository):
    def parts() -> Iterator[str]:
        yield "one"
        raise KeyError(1)

    with pytest.raises(KeyError):
        write_new_parts(repository / "file", parts())

    assert names(repository) == [".git"]


def test_a_pipe_or_a_device_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "text")
        assert os.read(reader, 100) == b"text"
    finally:
        os.close(reader)
    write_text(Path("/dev/null"), "text")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_standard_output_is_written_to(capfd):
    write_text(Path("/dev/stdout"), "text")

    assert capfd.readouterr().out == "text"


@pytest.mark.parametrize("path", ["missing/file", "folder"])
def test_what_cannot_be_written_is_named(repository, path):
    (repository / "folder").mkdir()

    with pytest.raises(Error, match=f"{path}: cannot be written: "):
        write_text(repository / path, "text")


def test_a_circle_of_links_is_an_error(repository):
    (repository / "a").symlink_to("b")
    (repository / "b").symlink_to("a")

    with pytest.raises(Error, match="too many symbolic links"):
        write_text(repository / "a", "text")


# Where files are made that no link of a repository can lead astray: our own state and temporary folders.
ELSEWHERE = {
    "cli/output.py",
    "review/squawk.py",
    "server/cluster.py",
    "server/kept/archive.py",
    "server/kept/store.py",
    "server/places.py",
    "server/throwaway.py",
    "shadow/dumps.py",
}
WRITES = {"write_text", "write_bytes", "rename", "replace", "symlink_to", "mkfifo", "mkstemp"}


def test_every_file_of_a_users_choosing_is_written_by_the_one_function():
    """Whatever else writes a file must be told here, and why no link can lead it out of the repository."""
    root = Path(sqlmigrate.__file__).parent
    found = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if path.parent.name != "files"}
    writing = {name for name in found if any(map(_writes, ast.walk(ast.parse((root / name).read_text("utf-8")))))}

    assert writing == ELSEWHERE | {"server/sharing.py", "server/binaries.py", "server/locks.py"}


def _writes(node: ast.AST) -> bool:
    """Tell whether a call opens a file to write, or writes one; `str.replace` has two arguments."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    texts = [item.value for item in ast.walk(node) if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    if name in {"open", "fdopen", "NamedTemporaryFile"}:
        named = ast.unparse(node)
        return (
            any(set(text) & set("wax+") and len(text) <= 3 for text in texts) or "O_CREAT" in named or "flags" in named
        )
    if name == "replace":
        return isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "os"
    return name in WRITES and isinstance(node.func, ast.Attribute)
