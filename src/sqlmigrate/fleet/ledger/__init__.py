"""The diary of a fleet's runs: who brought which targets where, and what became of each.

It serves reports, and a run that goes on. It is not the truth: that is the history of each target, from which a lost
ledger can be made anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.fleet.ledger.local import LocalLedger, LocalWriter
from sqlmigrate.fleet.ledger.model import Entry, Head, RunRecord

if TYPE_CHECKING:
    from sqlmigrate.fleet.ledger.control import ControlLedger, ControlWriter

    Ledger = LocalLedger | ControlLedger
    Writer = LocalWriter | ControlWriter

__all__ = ["Entry", "Head", "LocalLedger", "LocalWriter", "RunRecord"]
