"""Migrations that are read in a process of their own are those that are read here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sqlmigrate.errors import MigrationsError
from sqlmigrate.migrations import beside, load, load_beside
from support.waiting import wait_until


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that is worth another process, whatever else runs in this one."""
    monkeypatch.setattr(beside, "_is_worth_it", lambda _: True)
    (tmp_path / "1.sql").write_bytes(b"-- sqlmigrate: lock_timeout=1s\r\nSELECT 1;\r\n")
    (tmp_path / "1.rollback.sql").write_text("SELECT 2;")
    (tmp_path / "2.sql").write_text("-- depends: 1\n-- transactional: false\nVACUUM;")
    (tmp_path / "10.sql").write_text("SELECT 10;")
    return tmp_path


def known(found):
    scripts = [script for item in found.ordered for script in item.scripts()]
    texts = [(script.path, script.text, script.sha256, script.checksum, script.directives) for script in scripts]
    return found.directory, [(item.migration_id, item.depends) for item in found.ordered], texts, found.warnings


def test_they_are_the_same(folder):
    there, here = load_beside(folder)(), load(folder)

    assert known(there) == known(here)
    assert all(there.get(item.migration_id) is item for item in there.ordered)


def test_so_is_what_is_wrong_with_them(folder):
    (folder / "3.sql").write_bytes(b"SELECT \xff;")
    with pytest.raises(MigrationsError) as here:
        load(folder)
    with pytest.raises(MigrationsError) as there:
        load_beside(folder)()

    assert there.value.problems == here.value.problems


def test_a_process_that_is_killed_does_no_harm(folder, monkeypatch):
    children = []
    fork = os.fork

    def forking():
        if (child := fork()) == 0:
            signal.pause()
        children.append(child)
        return child

    monkeypatch.setattr(os, "fork", forking)
    read = load_beside(folder)
    os.kill(children[0], signal.SIGKILL)

    assert known(read()) == known(load(folder))
    wait_until(lambda: not Path(f"/proc/{children[0]}").exists())


def test_few_files_are_not_worth_it(tmp_path):
    (tmp_path / "1.sql").write_text("SELECT 1;")

    assert not beside._is_worth_it(tmp_path)
    assert not beside._is_worth_it(tmp_path / "missing")
