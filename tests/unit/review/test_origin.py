"""Whose files a report is about, and where the web shows them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sqlmigrate.review.origin import origin, placed
from support import reports
from support.repository import Repository

HUB = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_HEAD_REF": "theirs"}


@pytest.fixture
def repository(tmp_path):
    """A repository with a project in a folder of it."""
    made = Repository(tmp_path / "shop")
    made.write("db/sql/a b#.sql", "SELECT 1;\n")
    made.commit("first")
    return made


def found(repository, environ=None):
    return origin(repository.root / "db", repository.root / "db/sql", environ or {})


def links(repository, name, environ=None):
    """Give the path and the address of a script in a report."""
    one = reports.failing()
    path = str(repository.root / "db/sql" / name)
    report = replace(reports.report(), migrations=(replace(one, apply=replace(one.apply, path=path)),))
    made = placed(report, found(repository, environ))
    return made.project, made.migrations[0].apply.in_repository, made.migrations[0].apply.link


def test_a_project_in_a_repository_has_its_commit_and_branch(repository):
    project = found(repository).project

    assert project.name == "shop/db"
    assert project.commit == repository.git("rev-parse", "HEAD").strip()
    assert project.branch == "main"


def test_outside_of_a_repository_it_is_a_folder(tmp_path):
    (tmp_path / "plain").mkdir()

    assert (found_name := origin(tmp_path / "plain", tmp_path / "plain", {}).project).name == "plain"
    assert found_name.commit is None


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@github.com:acme/shop.git", "https://github.com/acme/shop/blob/{}/"),
        ("https://me:secret@github.com/acme/shop", "https://github.com/acme/shop/blob/{}/"),
        ("ssh://git@gitlab.example.org:22/a/b/shop.git", "https://gitlab.example.org/a/b/shop/-/blob/{}/"),
        ("https://codeberg.org/acme/shop/", "https://codeberg.org/acme/shop/src/commit/{}/"),
        ("https://git.example.org/acme/shop", None),
        ("https://github.com/acme/shop)](https://evil.example", None),
        ("ext::sh -c id", None),
        ("../shop.git", None),
    ],
)
def test_an_address_is_made_of_a_remote_without_its_secrets(repository, remote, address):
    repository.git("config", "remote.origin.url", remote)
    assert found(repository).web is None  # nobody has said that the commit is there
    commit = repository.git("rev-parse", "HEAD").strip()
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    made = found(repository)

    assert made.web == (address and address.format(commit))
    assert "secret" not in made.project.name


def test_a_line_of_a_file_is_linked_only_where_the_commit_has_that_line(repository):
    project, inside, link = links(repository, "a b#.sql", HUB)
    assert inside == "db/sql/a b#.sql"
    assert link == f"https://github.com/acme/shop/blob/{project.commit}/db/sql/a%20b%23.sql"
    assert (project.name, project.branch, project.modified) == ("acme/shop/db", "main", False)

    repository.write("db/sql/a b#.sql", "SELECT 2;\n")
    project, inside, link = links(repository, "a b#.sql", HUB)
    assert (inside, link, project.modified) == ("db/sql/a b#.sql", None, True)


def test_in_ci_the_branch_and_the_address_are_those_of_the_job(repository):
    repository.git("checkout", "-q", "--detach")
    commit = repository.git("rev-parse", "HEAD").strip()

    assert found(repository, HUB).project.branch == "theirs"
    lab = found(repository, {"CI_PROJECT_URL": "https://lab.example.org/a/shop", "CI_COMMIT_REF_NAME": "b"})
    assert (lab.web, lab.project.branch) == (f"https://lab.example.org/a/shop/-/blob/{commit}/", "b")


def test_a_repository_without_a_commit_names_none(tmp_path):
    made = Repository(tmp_path / "new")
    made.write("sql/a.sql", "")

    assert origin(made.root, made.root / "sql", {}).project.commit is None
