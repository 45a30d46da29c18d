"""No program of the folder that we are in is run, whatever PATH says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import sqlmigrate
from sqlmigrate.files import program_on_path
from sqlmigrate.review.squawk import find_squawk
from sqlmigrate.server import binaries

NAMES = ("git", "bwrap", "squawk", "psql", "pg_dump", "pg_ctl", "initdb", "postgres")


@pytest.fixture(params=["", ".", "bin", "./bin", "../here/bin"])
def checkout(tmp_path, monkeypatch, request):
    """A folder with programs of these names in it, which PATH leads to by a relative folder."""
    here = tmp_path / "here"
    for folder in (here, here / "bin"):
        folder.mkdir(exist_ok=True)
        for name in NAMES:
            (folder / name).write_text("#!/bin/sh\necho postgres '(PostgreSQL)' 18.0\n")
            (folder / name).chmod(0o755)
    monkeypatch.chdir(here)
    monkeypatch.delenv(binaries.BINDIR_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join([request.param, str(tmp_path / "empty"), request.param]))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "empty"))
    return here


def test_a_relative_folder_of_path_does_not_count(checkout):
    client = binaries.find_client("pg_dump", 14)
    found = [program_on_path(name) for name in NAMES] + [find_squawk()]

    assert found == [None] * len(found)
    assert client is None or not client.resolve().is_relative_to(checkout)


def test_every_program_is_looked_for_by_the_one_function():
    root = Path(sqlmigrate.__file__).parent
    asking = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if "which(" in path.read_text("utf-8")}

    assert asking == {"files/lookup.py", "review/squawk.py"}  # the latter beside Python alone
