"""Where a throw-away server keeps its data."""

from __future__ import annotations

import pytest

from sqlmigrate.server import throwaway


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """A folder that stands for the one in memory."""
    monkeypatch.setattr(throwaway, "MEMORY", tmp_path)
    monkeypatch.setattr(throwaway, "MEMORY_MIN", 1)
    return tmp_path


def test_data_is_kept_in_memory_where_there_is_room(memory):
    assert throwaway._memory() == memory


def test_data_is_kept_on_disk_where_memory_is_short(memory, monkeypatch):
    monkeypatch.setattr(throwaway, "MEMORY_MIN", 1 << 62)

    assert throwaway._memory() == throwaway.SOCKET_PARENT


def test_data_is_kept_on_disk_on_systems_without_a_folder_in_memory(memory, monkeypatch):
    monkeypatch.setattr(throwaway, "MEMORY", memory / "nowhere")

    assert throwaway._memory() == throwaway.SOCKET_PARENT
