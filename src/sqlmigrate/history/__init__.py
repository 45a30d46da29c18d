"""What is applied: the only package that knows our tables.

The tables live in a schema of their own. `_yoyo_migration` alone says what is applied; a row that yoyo added has no
checksum and is fine, one that yoyo deleted is not applied.
"""

from sqlmigrate.history.attempts import AttemptRow, read_attempts
from sqlmigrate.history.model import Applied, Entry, HalfWay, History, LogFilter, LogRow, Run, Texts, last_done
from sqlmigrate.history.names import names_ours
from sqlmigrate.history.seeded import (
    LastSeeded,
    SeededFile,
    SeededRow,
    last_seeded,
    read_seeded,
    write_seeded,
)
from sqlmigrate.history.tables import VERSION, catch_up, hold, install, read, read_log, upgrades, with_texts
from sqlmigrate.history.write import (
    RECORD_TEXT_MAX,
    STATEMENT_TEXT_MAX,
    accept,
    claim,
    claim_is_gone,
    confirm,
    distrusted,
    finish_claim,
    guard,
    journal_begin,
    journal_clear,
    journal_forget,
    journal_found,
    journal_state,
    journal_supersede,
    log,
    trusted,
    unclaim,
    unclaim_journal,
    unhung,
)

__all__ = [
    "RECORD_TEXT_MAX",
    "STATEMENT_TEXT_MAX",
    "VERSION",
    "Applied",
    "AttemptRow",
    "Entry",
    "HalfWay",
    "History",
    "LastSeeded",
    "LogFilter",
    "LogRow",
    "Run",
    "SeededFile",
    "SeededRow",
    "Texts",
    "accept",
    "catch_up",
    "claim",
    "claim_is_gone",
    "confirm",
    "distrusted",
    "finish_claim",
    "guard",
    "hold",
    "install",
    "journal_begin",
    "journal_clear",
    "journal_forget",
    "journal_found",
    "journal_state",
    "journal_supersede",
    "last_done",
    "last_seeded",
    "log",
    "names_ours",
    "read",
    "read_attempts",
    "read_log",
    "read_seeded",
    "trusted",
    "unclaim",
    "unclaim_journal",
    "unhung",
    "upgrades",
    "with_texts",
    "write_seeded",
]
