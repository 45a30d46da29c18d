"""Private PostgreSQL servers: find the programs, start, share and stop."""

from __future__ import annotations

from sqlmigrate.server.binaries import Binaries, find_binaries, find_client, find_program
from sqlmigrate.server.databases import drop_database, ensure_database
from sqlmigrate.server.model import PrivateServer
from sqlmigrate.server.places import state_dir
from sqlmigrate.server.sharing import Status, destroy, shared, start, status, stop
from sqlmigrate.server.throwaway import Throwaway, ephemeral, kill, let_in, new_data, throwaway_server

__all__ = [
    "Binaries",
    "PrivateServer",
    "Status",
    "Throwaway",
    "destroy",
    "drop_database",
    "ensure_database",
    "ephemeral",
    "find_binaries",
    "find_client",
    "find_program",
    "kill",
    "let_in",
    "new_data",
    "shared",
    "start",
    "state_dir",
    "status",
    "stop",
    "throwaway_server",
]
