"""Prove rollbacks: run every pair up, down and up again on a shadow database, and compare."""

from __future__ import annotations

from sqlmigrate.roundtrip.contents import DataChange
from sqlmigrate.roundtrip.model import PROVEN, Failure, RoundTrip, Verdict
from sqlmigrate.roundtrip.run import Base, chosen, round_trips, scripts_of
from sqlmigrate.roundtrip.samples import Samples, find_samples
from sqlmigrate.roundtrip.side_by_side import servers_worth, side_by_side

__all__ = [
    "PROVEN",
    "Base",
    "DataChange",
    "Failure",
    "RoundTrip",
    "Samples",
    "Verdict",
    "chosen",
    "find_samples",
    "round_trips",
    "scripts_of",
    "servers_worth",
    "side_by_side",
]
