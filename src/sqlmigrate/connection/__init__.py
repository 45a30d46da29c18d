"""Sessions: where they lead, how they are opened, and what is known of the server and the network between."""

from __future__ import annotations

from sqlmigrate.connection.answers import careful, in_words, raised_in, server_message, statement_position, typed_row
from sqlmigrate.connection.command import Command, Purpose
from sqlmigrate.connection.conninfo import SECRETS, parse_conninfo, shown_conninfo
from sqlmigrate.connection.gate import Gate, allow
from sqlmigrate.connection.looking import look
from sqlmigrate.connection.sessions import (
    OLDEST_SERVER,
    OWN_PATH,
    WITH_TRANSACTION_TIMEOUT,
    Connection,
    ServerInfo,
    as_login,
    be_patient,
    begin_again,
    connect,
    copy_in,
    database_of,
    execute_one,
    give_back,
    in_haste,
    limit,
    ours_locally,
    probe,
    relations,
    require_writable,
    session,
    set_role,
    settle,
    undisturbed,
)

__all__ = [
    "OLDEST_SERVER",
    "OWN_PATH",
    "SECRETS",
    "WITH_TRANSACTION_TIMEOUT",
    "Command",
    "Connection",
    "Gate",
    "Purpose",
    "ServerInfo",
    "allow",
    "as_login",
    "be_patient",
    "begin_again",
    "careful",
    "connect",
    "copy_in",
    "database_of",
    "execute_one",
    "give_back",
    "in_haste",
    "in_words",
    "limit",
    "look",
    "ours_locally",
    "parse_conninfo",
    "probe",
    "raised_in",
    "relations",
    "require_writable",
    "server_message",
    "session",
    "set_role",
    "settle",
    "shown_conninfo",
    "statement_position",
    "typed_row",
    "undisturbed",
]
