"""What is applied: the only package that knows our tables.

The tables live in a schema of their own. `_yoyo_migration` alone says what is applied; a row that yoyo added has no
checksum and is fine, one that yoyo deleted is not applied.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlmigrate.history.model import Applied, Entry, HalfWay, History, Run, Texts, last_done
from sqlmigrate.history.names import names_ours
from sqlmigrate.history.tables import VERSION, catch_up, half_way, hold, install, read, upgrades, with_texts

if TYPE_CHECKING:
    from sqlmigrate.history.attempts import AttemptRow, read_attempts
    from sqlmigrate.history.logged import LogFilter, LogRow, read_log
    from sqlmigrate.history.privileges import owners_schema
    from sqlmigrate.history.seeded import (
        LastSeeded,
        SeededFile,
        SeededRow,
        last_seeded,
        read_seeded,
        write_seeded,
    )
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
        journal_claim,
        journal_clear,
        journal_forget,
        journal_found,
        journal_state,
        journal_steer,
        journal_supersede,
        journal_waits,
        journal_wanted,
        log,
        trusted,
        unclaim,
        unclaim_journal,
        unhung,
    )
else:
    _IN = {
        **dict.fromkeys(("AttemptRow", "read_attempts"), "attempts"),
        **dict.fromkeys(("LogFilter", "LogRow", "read_log"), "logged"),
        "owners_schema": "privileges",
        **dict.fromkeys(
            ("LastSeeded", "SeededFile", "SeededRow", "last_seeded", "read_seeded", "write_seeded"), "seeded"
        ),
    }

    def __getattr__(name: str) -> Any:
        """Import what few calls need when it is first asked for (PEP 562)."""
        if name not in __all__:
            raise AttributeError(name)
        value = globals()[name] = getattr(import_module(f"{__name__}.{_IN.get(name, 'write')}"), name)
        return value


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
    "half_way",
    "hold",
    "install",
    "journal_begin",
    "journal_claim",
    "journal_clear",
    "journal_forget",
    "journal_found",
    "journal_state",
    "journal_steer",
    "journal_supersede",
    "journal_waits",
    "journal_wanted",
    "last_done",
    "last_seeded",
    "log",
    "names_ours",
    "owners_schema",
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
