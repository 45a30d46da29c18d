"""Prove rollbacks: run every pair up, down and up again on a shadow database, and compare."""

from __future__ import annotations

from sqlmigrate.roundtrip.contents import DataChange
from sqlmigrate.roundtrip.dumped import Dumped, dumped
from sqlmigrate.roundtrip.ground import Base, Ground
from sqlmigrate.roundtrip.model import (
    ORDINARY,
    PROVEN,
    Failure,
    LeftOut,
    RoundTrip,
    RoundTrips,
    Verdict,
    Way,
    lacks_rights,
)
from sqlmigrate.roundtrip.project import RoundTripRequest, Seen, Trials, opened, read_base, read_server, servers_for
from sqlmigrate.roundtrip.run import before_first, chosen, round_trips, scripts_of, stretches, way_to
from sqlmigrate.roundtrip.runner import Runner, before
from sqlmigrate.roundtrip.samples import Samples, find_samples, with_seeds
from sqlmigrate.roundtrip.side_by_side import servers_worth, shared_out, side_by_side

__all__ = [
    "ORDINARY",
    "PROVEN",
    "Base",
    "DataChange",
    "Dumped",
    "Failure",
    "Ground",
    "LeftOut",
    "RoundTrip",
    "RoundTripRequest",
    "RoundTrips",
    "Runner",
    "Samples",
    "Seen",
    "Trials",
    "Verdict",
    "Way",
    "before",
    "before_first",
    "chosen",
    "dumped",
    "find_samples",
    "lacks_rights",
    "opened",
    "read_base",
    "read_server",
    "round_trips",
    "scripts_of",
    "servers_for",
    "servers_worth",
    "shared_out",
    "side_by_side",
    "stretches",
    "way_to",
    "with_seeds",
]
