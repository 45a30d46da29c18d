"""Above the working directory only what the user or root has made decides which SQL runs."""

from __future__ import annotations

import grp
import os
import pwd
import struct
from pathlib import Path

import pytest

from sqlmigrate.config import Config, load
from sqlmigrate.files import owners, why_not_trusted, writable_by_others

OTHER = 12345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working directory below `top/middle`, with `.git` above them all."""
    (tmp_path / ".git").mkdir()
    path = tmp_path / "top" / "middle" / "work"
    path.mkdir(parents=True)
    return path


def read(work: Path) -> Config:
    return load({}, environ={}, cwd=work)


def hostile(folder: Path, name: str = "sqlmigrate.toml") -> Path:
    path = folder / name
    path.write_text('[tool.sqlmigrate]\nmigrations = "theirs"\n', encoding="utf-8")
    return path


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o1757, 0o733])
@pytest.mark.parametrize("name", ["sqlmigrate.toml", "pyproject.toml"])
@pytest.mark.parametrize("depth", [0, 1])
def test_the_search_ends_at_a_folder_that_anybody_may_write_to(work, mode, name, depth):
    closed = work.parents[depth]
    path = hostile(closed, name)
    hostile(work.parents[2])
    closed.chmod(mode)

    found = read(work)

    assert (found.file, found.migrations, found.found_above) == (None, work / "sql", False)
    assert found.passed_over == (f"{path} is ignored, and so is everything above {closed}: anybody may write to it",)


def test_a_file_beyond_the_end_of_the_search_is_named(work):
    path = hostile(work.parents[1])
    work.parent.chmod(0o777)

    assert read(work).passed_over == (
        f"{path} is ignored, and so is everything above {work.parent}: of {work.parent}: anybody may write to it",
    )


def test_nothing_is_said_where_nothing_would_have_counted(work):
    (work.parent / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    (work.parents[1] / "sqlmigrate.toml").mkdir()
    work.parent.chmod(0o777)

    assert read(work).passed_over == ()


def test_the_working_directory_is_taken_as_it_is(work):
    path = hostile(work)
    path.chmod(0o666)
    work.chmod(0o777)
    work.parent.chmod(0o777)

    found = read(work)

    assert (found.file, found.found_above, found.passed_over) == (path, False, ())


def test_a_file_above_that_is_our_own_counts_and_is_said_to_be_above(work):
    path = hostile(work.parent)

    assert (read(work).file, read(work).found_above) == (path, True)


def test_a_file_above_that_others_may_write_is_passed_over_for_the_next_one(work):
    path = hostile(work.parent)
    path.chmod(0o666)
    ours = hostile(work.parents[1])

    found = read(work)

    assert (found.file, found.passed_over) == (ours, (f"{path} is ignored: anybody may write to it",))


@as_root
def test_a_file_above_of_another_user_is_passed_over(work):
    path = hostile(work.parent)
    os.chown(path, OTHER, 0)

    assert (read(work).file, read(work).passed_over) == (
        None, (f"{path} is ignored: it belongs to the user {OTHER}",),
    )  # fmt: skip


@as_root
def test_a_folder_of_another_user_ends_the_search(work):
    path = hostile(work.parent)
    os.chown(work.parent, OTHER, 0)

    [note] = read(work).passed_over

    assert note == f"{path} is ignored, and so is everything above {work.parent}: it belongs to the user {OTHER}"


@as_root
def test_a_link_counts_only_if_it_and_its_target_are_ours(work):
    path = work.parent / "sqlmigrate.toml"
    target = hostile(work.parents[1], "target.toml")
    path.symlink_to("../target.toml")
    assert read(work).file == path

    os.chown(path, OTHER, 0, follow_symlinks=False)
    assert read(work).passed_over == (f"{path} is ignored: the symbolic link {path} belongs to the user {OTHER}",)

    os.chown(path, 0, 0, follow_symlinks=False)
    os.chown(target, OTHER, 0)
    assert read(work).passed_over == (f"{path} is ignored: it belongs to the user {OTHER}",)


def test_a_link_into_a_folder_that_others_may_write_to_is_passed_over(work, tmp_path):
    path, shared = work.parent / "sqlmigrate.toml", tmp_path / "shared"
    shared.mkdir()
    hostile(shared)
    path.symlink_to(shared / "sqlmigrate.toml")
    shared.chmod(0o1777)

    [note] = read(work).passed_over

    assert note == f"{path} is ignored: of the folder that it leads to, {shared}: anybody may write to it"


@pytest.mark.parametrize("by", ["a folder", "a link of our own", "a link in it", "a way back"])
def test_a_link_through_a_folder_that_others_may_write_to_is_passed_over(work, tmp_path, by):
    """They could put another folder in the place of the one that it leads through."""
    path, shared = work.parent / "sqlmigrate.toml", tmp_path / "shared"
    (shared / "deep").mkdir(parents=True)
    hostile(shared / "deep")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    hostile(elsewhere)
    (shared / "link").symlink_to(elsewhere)
    (tmp_path / "ours").symlink_to(shared / "deep")
    ways = {"a folder": "shared/deep", "a link of our own": "ours", "a link in it": "shared/link"}
    way = ways.get(by, "shared/deep/../../elsewhere")
    path.symlink_to(tmp_path / way / "sqlmigrate.toml")
    assert read(work).file == path

    shared.chmod(0o777)

    found = read(work)
    assert found.file is None
    assert found.passed_over == (
        f"{path} is ignored: of the folder that it leads through, {shared}: anybody may write to it",
    )


def test_a_link_may_lead_through_a_sticky_folder_to_what_is_ours(work, tmp_path):
    path, shared = work.parent / "sqlmigrate.toml", tmp_path / "shared"
    (shared / "deep").mkdir(parents=True)
    hostile(shared / "deep")
    path.symlink_to(shared / "deep" / "sqlmigrate.toml")
    shared.chmod(0o1777)
    assert read(work).file == path

    if os.geteuid() == 0:
        os.chown(shared / "deep", OTHER, 0)
        assert read(work).file is None


def test_a_link_that_leads_in_a_circle_ends(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    with pytest.raises(OSError, match="symbolic link"):
        why_not_trusted(tmp_path / "a")


def group(monkeypatch: pytest.MonkeyPatch, name: str, members: list[str], others: tuple[str, ...] = ()) -> None:
    """Give the user `me` the group of the test's files, with these members, and as the first one of others too."""
    gid = os.getegid()
    me = pwd.struct_passwd(("me", "x", os.geteuid(), gid, "", "/", ""))
    rest = [pwd.struct_passwd((other, "x", 4242, gid, "", "/", "")) for other in others]
    monkeypatch.setattr(pwd, "getpwuid", lambda _: me)
    monkeypatch.setattr(pwd, "getpwall", lambda: [me, *rest])
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((name, "x", gid, members)))


@pytest.mark.parametrize(
    ("name", "members", "others", "is_private"),
    [
        ("me", [], (), True),
        ("me", ["me"], (), True),
        ("me", ["me", "you"], (), False),
        ("me", [], ("you",), False),
        ("users", [], (), False),
    ],
)
def test_a_private_group_is_nobody_else(tmp_path, monkeypatch, name, members, others, is_private):
    path = hostile(tmp_path)
    os.chown(path, -1, os.getegid())
    path.chmod(0o660)
    group(monkeypatch, name, members, others)

    assert writable_by_others(path) == (None if is_private else f"the group {name} may write to it")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ((0x02, 6, OTHER), f"its access control list lets the user {OTHER} write to it"),
        ((0x08, 2, 54321), "its access control list lets the group 54321 write to it"),
        ((0x02, 4, OTHER), None),
        ((0x02, 6, os.geteuid()), None),
    ],
)
def test_an_access_control_list_counts(tmp_path, monkeypatch, entry, reason):
    path = hostile(tmp_path)
    nobody = 0xFFFFFFFF
    entries = [(0x01, 6, nobody), entry, (0x04, 0, nobody), (0x10, 6, nobody), (0x20, 0, nobody)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *item) for item in entries)
    try:
        os.setxattr(path, owners._ACL, acl)
    except OSError:  # the file system knows none: what the kernel would answer stands in
        monkeypatch.setattr(os, "getxattr", lambda *_: acl)
        path.chmod(0o660)
    monkeypatch.setattr(owners, "_is_private", lambda gid: gid == os.getegid())

    assert writable_by_others(path) == reason
