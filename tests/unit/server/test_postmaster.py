"""Is a server's process there?"""

from __future__ import annotations

import os
import subprocess

import pytest

from sqlmigrate.server.account import without_pg_variables
from sqlmigrate.server.postmaster import bury, is_alive, running, stop
from support.waiting import wait_until


@pytest.mark.parametrize("content", ["", "\n", "no number\n", "-1\n", "999999999\n/data\n"])
def test_a_pid_file_without_a_live_server_counts_as_none(content, tmp_path):
    (tmp_path / "postmaster.pid").write_text(content)

    assert running(tmp_path) is None
    assert stop(tmp_path) is True


def test_a_number_that_now_belongs_to_another_program_counts_as_none(tmp_path):
    with subprocess.Popen(["sleep", "60"], cwd="/") as other:
        (tmp_path / "postmaster.pid").write_text(f"{other.pid}\n{tmp_path}\n")

        assert running(tmp_path) is None
        assert stop(tmp_path) is True
        assert other.poll() is None
        other.kill()


def test_a_zombie_is_not_alive():
    with subprocess.Popen(["true"]) as child:
        wait_until(lambda: not is_alive(child.pid))
        os.kill(child.pid, 0)  # its number is still taken


def test_the_pid_file_of_a_zombie_is_removed_and_that_of_a_live_process_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("sqlmigrate.server.postmaster.REAPER_SECONDS", 0.1)
    pid_file = tmp_path / "postmaster.pid"
    with subprocess.Popen(["true"]) as child:
        wait_until(lambda: not is_alive(child.pid))
        pid_file.write_text(f"{child.pid}\n")
        bury(tmp_path)
        assert not pid_file.exists()
    pid_file.write_text(f"{os.getpid()}\n")
    bury(tmp_path)

    assert pid_file.exists()


def test_pg_variables_are_put_aside_and_come_back(monkeypatch):
    monkeypatch.setenv("PGHOST", "theirs")
    with without_pg_variables():
        assert "PGHOST" not in os.environ

    assert os.environ["PGHOST"] == "theirs"
