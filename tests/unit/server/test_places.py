"""Where data and sockets lie, and which places are refused."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

from sqlmigrate.errors import ServerError
from sqlmigrate.server import places, state_dir
from sqlmigrate.server.account import Account, server_account


@pytest.fixture
def data_dir(open_path, monkeypatch):
    monkeypatch.setattr(places, "SOCKET_PARENT", open_path)
    (open_path / "data").mkdir()
    return open_path / "data"


def parent(data_dir):
    return data_dir.parent / f"sqlmigrate-{os.geteuid()}"


def test_a_socket_directory_lets_only_the_servers_account_in(data_dir):
    account = server_account()
    leaf = places.socket_dir(data_dir, account)

    assert leaf.parent == parent(data_dir)
    assert (leaf.stat().st_uid, stat.S_IMODE(leaf.stat().st_mode)) == (account.uid, 0o700)
    assert leaf.parent.stat().st_uid == os.geteuid()
    assert stat.S_IMODE(leaf.parent.stat().st_mode) == (0o711 if account.switch else 0o700)
    assert account.reaches(leaf)
    assert places.socket_dir(data_dir, account) == leaf


def test_two_data_directories_have_two_socket_directories_and_moving_one_changes_nothing(data_dir):
    leaf = places.socket_dir(data_dir, server_account())
    (other := data_dir.with_name("other")).mkdir()
    assert places.socket_dir(other, server_account()) != leaf
    data_dir.rename(data_dir.with_name("moved"))

    assert places.socket_dir(data_dir.with_name("moved"), server_account()) == leaf


def test_a_socket_directory_that_is_a_link_is_refused(data_dir, open_path):
    (open_path / "elsewhere").mkdir(mode=0o700)
    parent(data_dir).symlink_to(open_path / "elsewhere")

    with pytest.raises(ServerError, match="is not a real directory"):
        places.socket_dir(data_dir, server_account())


def test_a_leaf_that_is_a_link_is_refused(data_dir, open_path):
    leaf = places.socket_dir(data_dir, server_account())
    leaf.rmdir()
    (open_path / "elsewhere").mkdir(mode=0o700)
    leaf.symlink_to(open_path / "elsewhere")

    with pytest.raises(ServerError, match="is not a real directory"):
        places.socket_dir(data_dir, server_account())


def test_a_socket_directory_that_others_can_write_to_is_refused(data_dir):
    parent(data_dir).mkdir()
    parent(data_dir).chmod(0o777)

    with pytest.raises(ServerError, match=r"is open to others \(mode 0777\)"):
        places.socket_dir(data_dir, server_account())


def test_a_socket_directory_of_another_account_is_refused(open_path, monkeypatch):
    # /usr stands for a directory that somebody else owns; root owns it, so root takes another view of itself.
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

    with pytest.raises(ServerError, match=r"belongs to .*, not to 4000000"):
        places.make_guarded(open_path, 0o755)


def test_data_lies_in_the_project(open_path):
    assert state_dir(open_path) == open_path / ".sqlmigrate"
    assert not (open_path / ".sqlmigrate").exists()
    (open_path / ".sqlmigrate").mkdir()
    assert state_dir(open_path) == open_path / ".sqlmigrate"


def test_data_lies_in_a_place_of_the_user_where_the_account_cannot_enter_the_project(open_path, monkeypatch):
    monkeypatch.setattr(Account, "reaches", lambda *_: False)
    monkeypatch.setenv("XDG_STATE_HOME", "/state/of/the/user")
    home = places.ROOT_STATE if server_account().switch else "/state/of/the/user/sqlmigrate"

    found = state_dir(open_path)
    assert str(found.parent) == str(home)
    assert found == state_dir(open_path / "." / "x" / "..")
    assert found != state_dir(open_path.parent)


def test_a_state_directory_of_another_user_is_left_alone(open_path, monkeypatch):
    (open_path / ".sqlmigrate").mkdir()
    assert state_dir(open_path) == open_path / ".sqlmigrate"
    mine = server_account()
    monkeypatch.setattr(places, "server_account", lambda: mine)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

    assert state_dir(open_path) != open_path / ".sqlmigrate"


def test_a_relative_state_home_is_ignored(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/of/the/user")

    assert str(places._user_state_home()) == "/home/of/the/user/.local/state"


def test_directories_get_their_mode_whatever_the_umask_is(open_path):
    before = os.umask(0o077)
    try:
        places.make_directories(open_path / "a" / "b", 0o755)
    finally:
        os.umask(before)

    assert [stat.S_IMODE((open_path / name).stat().st_mode) for name in ("a", "a/b")] == [0o755, 0o755]


def test_a_state_directory_that_cannot_be_made_is_an_error_that_names_it(open_path):
    (open_path / "file").write_text("")

    with pytest.raises(ServerError, match=f"{open_path}/file/state .* cannot be created"):
        places.make_state_dir(open_path / "file" / "state", server_account())


@pytest.fixture
def repository(open_path):
    """A git repository, with a function that runs git in it."""

    def git(*arguments):
        who = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
        subprocess.run(["git", "-C", open_path, *who, *arguments], check=True, capture_output=True)

    git("init", "-q")
    return open_path, git


def ship(folder, *, name=".sqlmigrate"):
    """Make what a repository could bring along: a data directory whose settings start a program."""
    (folder / name / "d18").mkdir(parents=True)
    (folder / name / "d18/postgresql.conf").write_text("archive_command = 'id >/tmp/mine'\n")


def test_state_that_came_with_the_repository_is_not_used(repository):
    root, git = repository
    ship(root)
    assert state_dir(root) == root / ".sqlmigrate"  # it is not in the repository, so we have made it ourselves

    git("add", "-f", ".")

    assert state_dir(root) != root / ".sqlmigrate"
    with pytest.raises(ServerError, match="may hold files of the repository"):
        places.make_state_dir(root / ".sqlmigrate", server_account())


def test_a_checkout_that_writes_over_our_state_is_seen(repository):
    root, git = repository
    git("commit", "--allow-empty", "-qm", "main")
    git("checkout", "-qb", "theirs")
    ship(root)
    git("add", "-f", ".")
    git("commit", "-qm", "theirs")
    git("checkout", "-q", "-")
    ship(root)
    (root / ".sqlmigrate/.gitignore").write_text("*\n")
    assert state_dir(root) == root / ".sqlmigrate"

    git("checkout", "-q", "theirs")

    assert state_dir(root) != root / ".sqlmigrate"


def test_another_case_counts_too_and_so_does_a_repository_that_git_cannot_read(repository):
    root, git = repository
    (root / ".sqlmigrate").mkdir()
    ship(root, name=".SQLMigrate")
    git("add", "-f", ".")
    assert places.may_be_tracked(root / ".sqlmigrate")

    git("rm", "-rqf", ".")
    assert not places.may_be_tracked(root / ".sqlmigrate")
    (root / ".git/HEAD").write_text("nothing")
    assert places.may_be_tracked(root / ".sqlmigrate")
