"""What a folder has got since a revision of git, and that a repository runs nothing when it is asked."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from sqlmigrate.errors import UsageError
from sqlmigrate.files import Git, GitError, since
from sqlmigrate.review.origin import origin
from support.repository import Repository


@pytest.fixture
def repository(tmp_path):
    """A repository with a commit of three files in `sql`."""
    made = Repository(tmp_path / "project")
    made.write("sql/0001.a.sql", "SELECT 1;\n")
    made.write("sql/0002.b.sql", "SELECT 2;\n")
    made.write("sql/samples/0001.a.sql", "SELECT 'sample';\n")
    made.commit("first")
    return made


def states(repository, revision="main", folder="sql"):
    """Give the state of each file, by its path in the folder."""
    top = repository.root / folder
    found = since(top, revision)
    paths = sorted(path for path in top.rglob("*") if path.is_file() or path.is_symlink())
    return {os.fspath(path.relative_to(top)): found.state(path) for path in paths}


def test_what_is_new_edited_and_as_it_was(repository):
    repository.git("checkout", "-qb", "mine")
    repository.write("sql/0002.b.sql", "SELECT 3;\n")
    repository.commit("edit")
    repository.write("sql/0003.c.sql", "")  # not committed: it is what lies there that counts
    repository.write("sql/samples/0001.a.sql", "SELECT 'other';\n")

    assert states(repository) == {
        "0001.a.sql": "held",
        "0002.b.sql": "changed",
        "0003.c.sql": "added",
        "samples/0001.a.sql": "changed",
    }
    assert states(repository, "HEAD") == {
        "0001.a.sql": "held",
        "0002.b.sql": "held",
        "0003.c.sql": "added",
        "samples/0001.a.sql": "changed",
    }


def test_what_others_have_added_meanwhile_is_no_change_of_ours_but_named(repository):
    repository.git("checkout", "-qb", "mine")
    repository.write("sql/0003.mine.sql", "SELECT 3;\n")
    repository.commit("mine")
    repository.git("checkout", "-q", "main")
    repository.write("sql/0003.theirs.sql", "SELECT 4;\n")
    repository.write("sql/0001.a.sql", "SELECT 'theirs';\n")
    repository.commit("theirs")
    repository.git("checkout", "-q", "mine")

    found = since(repository.root / "sql", "main")
    assert found.theirs == ("0003.theirs.sql",)
    assert found.gone() == []
    assert states(repository)["0001.a.sql"] == "held"


def test_a_file_that_is_gone_is_named(repository):
    (repository.root / "sql/0002.b.sql").unlink()

    assert since(repository.root / "sql", "main").gone() == ["0002.b.sql"]


def test_line_ends_links_and_names_are_compared_as_git_has_them(repository):
    names = ["a b.sql", "ü\N{RIGHT-TO-LEFT OVERRIDE}.sql", "-n.sql", "quote\"'\\.sql", "new\nline.sql", ":(top).sql"]
    for name in names:
        repository.write(f"sql/{name}", name)
    latin = repository.root / "sql" / os.fsdecode(b"\xe9.sql")
    latin.write_bytes(b"\xe9")
    (repository.root / "sql/link.sql").symlink_to("0001.a.sql")
    repository.commit("names")
    repository.write("sql/0001.a.sql", "SELECT 1;\r\n")
    (repository.root / "sql/turned.sql").symlink_to("0002.b.sql")
    found = states(repository)

    assert {name for name, state in found.items() if state != "held"} == {"turned.sql"}
    (repository.root / "sql/link.sql").unlink()
    (repository.root / "sql/link.sql").symlink_to("0002.b.sql")
    repository.write("sql/0001.a.sql", "SELECT 1;\r\n\r\n")
    assert {name for name, state in states(repository).items() if state == "changed"} == {"0001.a.sql", "link.sql"}


def test_a_folder_that_the_revision_does_not_have_is_new_as_a_whole(repository):
    repository.write("other/0001.sql", "")

    assert states(repository, folder="other") == {"0001.sql": "added"}


def test_a_commit_is_shown_by_its_first_digits(repository):
    commit = repository.git("rev-parse", "HEAD").strip()

    assert (since(repository.root / "sql", commit).revision, since(repository.root / "sql", "main").revision) == (
        commit[:10],
        "main",
    )


def test_before_the_first_commit_everything_is_new_since_head(tmp_path):
    repository = Repository(tmp_path / "empty")
    repository.write("sql/0001.sql", "SELECT 1;")
    repository.git("add", "-A")

    found = since(repository.root / "sql", "HEAD")

    assert (found.commit, found.state(repository.root / "sql" / "0001.sql"), found.theirs) == ("", "added", ())
    with pytest.raises(UsageError, match="git knows no revision 'main' here"):
        since(repository.root / "sql", "main")
    repository.commit("first")
    assert since(repository.root / "sql", "HEAD").state(repository.root / "sql" / "0001.sql") == "held"
    repository.git("checkout", "-q", "--orphan", "apart")
    with pytest.raises(UsageError, match="git knows no revision 'HEAD' here"):
        since(repository.root / "sql", "HEAD")


@pytest.mark.parametrize(
    "revision", ["", " ", "--output=x", "-h", "none", "main\nmain", "main\0", "main:sql", "0" * 40]
)
def test_what_is_no_revision_is_refused(repository, revision):
    with pytest.raises(UsageError, match="revision"):
        since(repository.root / "sql", revision)
    assert not (repository.root / "x").exists()


@pytest.mark.parametrize("ref", ["refs/tags/origin/main", "refs/heads/origin/main"])
@pytest.mark.parametrize("revision", ["origin/main", "origin/main~0", "origin/main^{commit}", "origin/main@{0}"])
def test_whoever_pushes_a_name_does_not_choose_what_is_new(repository, ref, revision):
    repository.git("remote", "add", "origin", "https://example.com/shop.git")
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repository.git("checkout", "-qb", "mine")
    repository.write("sql/0003.c.sql", "SELECT 3;\n")
    repository.commit("mine")
    repository.git("update-ref", ref, "HEAD")

    with pytest.raises(UsageError, match=f"origin/main may be {ref} or refs/remotes/origin/main"):
        since(repository.root / "sql", revision)
    assert states(repository, "refs/remotes/origin/main")["0003.c.sql"] == "added"
    repository.git("update-ref", "-d", "refs/remotes/origin/main")
    with pytest.raises(UsageError, match=f"looks like a branch of the remote origin, and here is only {ref}"):
        since(repository.root / "sql", revision)


def test_a_name_that_is_also_the_beginning_of_a_commit_is_refused(repository):
    first = repository.git("rev-parse", "HEAD").strip()
    repository.write("sql/0003.c.sql", "SELECT 3;\n")
    repository.commit("mine")
    assert states(repository, first[:8])["0003.c.sql"] == "added"

    repository.git("tag", first[:8])

    with pytest.raises(UsageError, match=f"{first[:8]} may be refs/tags/{first[:8]} or {first}"):
        since(repository.root / "sql", first[:8])
    assert states(repository, first)["0003.c.sql"] == "added"


def test_outside_of_a_repository_without_git_and_without_a_common_commit_it_says_so(repository, tmp_path, monkeypatch):
    (tmp_path / "none").mkdir()
    with pytest.raises(GitError, match="is not a git repository"):
        since(tmp_path / "none", "main")
    repository.git("checkout", "-q", "--orphan", "apart")
    repository.commit("apart")
    with pytest.raises(GitError, match="main and HEAD have no commit in common"):
        since(repository.root / "sql", "main")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GitError, match="there is no git here"):
        since(repository.root / "sql", "main")


def test_a_shallow_clone_says_what_to_fetch(repository, tmp_path):
    repository.write("sql/0003.c.sql", "")
    repository.commit("second")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "1", repository.root.as_uri(), clone], check=True)

    with pytest.raises(UsageError) as caught:
        since(clone / "sql", "HEAD~1")
    assert "fetch-depth: 0" in (caught.value.hint or "")


def test_a_link_is_as_it_was_only_if_the_file_behind_it_is(repository):
    for name, target in {
        "near": "0001.a.sql",
        "far": "../shared/x.sql",
        "way": "near.sql",
        "out": "/etc/passwd",
    }.items():
        (repository.root / f"sql/{name}.sql").symlink_to(target)
    repository.write("shared/x.sql", "SELECT 'x';\n")
    for link, target in {"folder": "shared", "loop": "loop", "none": "nothing"}.items():
        (repository.root / link).symlink_to(target)
    (repository.root / "sql/through.sql").symlink_to("../folder/x.sql")
    (repository.root / "sql/round.sql").symlink_to("../loop/x.sql")
    (repository.root / "sql/last.sql").symlink_to("../shared/x.sql")
    repository.commit("links")
    links = {"near", "far", "way", "through", "last"}

    def held():
        return {
            link
            for link in links
            if since(repository.root / "sql", "HEAD").state(repository.root / f"sql/{link}.sql") == "held"
        }

    assert held() == links
    repository.write("shared/x.sql", "DROP TABLE t;\n")
    assert held() == {"near", "way"}
    (repository.root / "sql/near.sql").unlink()
    (repository.root / "sql/near.sql").symlink_to("0002.b.sql")
    assert held() == set()


def test_only_the_repository_around_us_says_what_is_new(repository, tmp_path, monkeypatch):
    """Whoever may commit may put a whole repository into a folder: its files without `.git`, or a submodule."""
    repository.git("checkout", "-qb", "mine")
    repository.write("sql/0003.c.sql", "DROP TABLE t;\n")
    liar = Repository(tmp_path / "liar")
    for path in (repository.root / "sql").glob("*.sql"):
        liar.write(path.name, path.read_text())
    liar.commit("all of it was there")
    bare = repository.root / "sql"
    shutil.copytree(liar.root / ".git", bare, dirs_exist_ok=True)
    assert repository.git("-C", "sql", "rev-parse", "--git-dir") == ".\n"  # git itself believes it

    assert since(bare, "main").state(bare / "0003.c.sql") == "added"
    with pytest.raises(GitError, match="rev-parse failed"):
        Git(bare).ask("rev-parse", "--git-dir")  # nor does anything else of ours believe it
    found = origin(repository.root, bare, {}).project
    assert (found.branch, found.commit) == ("mine", repository.git("rev-parse", "HEAD").strip())
    (bare / ".git").symlink_to(liar.root / ".git")
    with pytest.raises(GitError, match="a repository of its own within"):
        since(bare, "main")
    monkeypatch.chdir(bare)
    assert since(bare, "main").state(bare / "0003.c.sql") == "held"


def test_nothing_that_a_repository_brings_along_is_run(repository, tmp_path, monkeypatch):
    """An unpacked archive has a .git of somebody else: its settings and attributes name programs."""
    trap = tmp_path / "sprung"
    program = repository.root / "trap.sh"
    program.write_text(f"#!/bin/sh\ntouch {trap}\ncat\n")
    program.chmod(0o755)
    hooks = repository.root / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "reference-transaction", "fsmonitor-watchman"):
        (hooks / name).symlink_to(program)
    settings = {
        "core.fsmonitor": program, "core.hooksPath": hooks, "core.pager": program, "pager.ls-tree": program,
        "diff.external": program, "filter.f.clean": program, "filter.f.smudge": program, "diff.f.textconv": program,
        "core.sshCommand": program, "alias.ls-tree": f"!{program}", "alias.merge-base": f"!{program}",
        "remote.origin.url": f"ext::{program}", "remote.origin.promisor": "true", "protocol.ext.allow": "always",
        "core.editor": program, "credential.helper": f"!{program}", "remote.origin.uploadpack": program,
    }  # fmt: skip
    repository.write(".gitattributes", "*.sql filter=f diff=f\n")
    for name, value in settings.items():
        repository.git("config", name, os.fspath(value))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", os.fspath(program))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    own = tmp_path / "bin"
    own.mkdir()
    (own / "git").symlink_to(program)
    monkeypatch.chdir(own)
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")
    repository.write("sql/0003.c.sql", "")

    assert states(repository)["0003.c.sql"] == "added"
    with pytest.raises(UsageError):  # it is not here, and is not fetched
        since(repository.root / "sql", "1" * 40)
    assert Git(repository.root).line("ls-files", "-z", "sql").count("\0") == 3
    assert not trap.exists()
