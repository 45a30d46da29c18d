"""Find scripts that ask where they run: what they do on a throwaway server need not be what they do on the target."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.sql.script import Script

# Who asks for the version mostly means the syntax, which the throwaway server shares; version() tells the machine too.
_FUNCTIONS = (
    "current_database", "inet_server_addr", "inet_server_port", "inet_client_addr", "inet_client_port",
    "pg_is_in_recovery", "pg_control_system", "pg_postmaster_start_time", "pg_conf_load_time", "pg_tablespace_location",
    "pg_read_file", "pg_read_binary_file", "pg_ls_dir", "pg_stat_file", "version",
)  # fmt: skip
_SETTINGS = (
    "cluster_name", "port", "listen_addresses", "unix_socket_directories", "data_directory", "config_file", "hba_file",
    "ident_file", "external_pid_file", "primary_conninfo", "in_hot_standby", "fsync", "autovacuum",
    "shared_preload_libraries", "max_connections", "is_superuser",
)  # fmt: skip
_VIEWS = ("pg_settings", "pg_file_settings", "pg_hba_file_rules", "pg_stat_replication", "pg_stat_ssl")
_ASKS = re.compile(
    rf"""\b(?P<function>{"|".join(_FUNCTIONS)})"?\s*\(|\b(?P<word>current_catalog)\b|"""
    rf"""\bcurrent_setting"?\s*\(\s*(?P<setting>'+(?:{"|".join(_SETTINGS)})'+)|"""
    rf"""\bshow\s+(?P<shown>{"|".join(_SETTINGS)})\b|\b(?:from|join)\s+(?:pg_catalog\.)?(?P<view>{"|".join(_VIEWS)})\b""",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


def asks_where(script: Script) -> Iterator[str]:
    """Yield a note for each statement that asks, in the bodies of functions and DO blocks too, as far as it is written.

    What is put together while it runs is not seen, nor is what follows a mistake that ends the reading.
    """
    for statement in script.readable_statements():
        text = _COMMENT.sub(lambda found: " " * len(found[0]), statement.text)
        asked = dict.fromkeys(_shown(found) for found in _ASKS.finditer(text))
        if asked:
            yield (
                f"{script.place(statement)} asks where it runs ({', '.join(asked)}): "
                "it may behave differently on the target, which this review cannot see"
            )


def _shown(found: re.Match[str]) -> str:
    part = found.groupdict()
    if part["function"]:
        return f"{part['function'].lower()}()"
    if part["setting"]:
        name = part["setting"].strip("'")
        return f"current_setting('{name}')"
    return (part["word"] or part["shown"] or part["view"]).lower()
