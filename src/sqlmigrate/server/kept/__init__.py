"""Data directories of stopped servers, kept between runs: what decides one, the folder, and the sealed files in it."""

from __future__ import annotations

from sqlmigrate.server.kept.archive import Manifest, NotKept, Unusable
from sqlmigrate.server.kept.machine import identity, places
from sqlmigrate.server.kept.store import Entry, Store, folder, key_of, opened

__all__ = [
    "Entry",
    "Manifest",
    "NotKept",
    "Store",
    "Unusable",
    "folder",
    "identity",
    "key_of",
    "opened",
    "places",
]
