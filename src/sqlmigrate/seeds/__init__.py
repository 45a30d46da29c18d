"""Seed data: rows in YAML files, checked against a JSON Schema and upserted in one transaction."""

from __future__ import annotations

from sqlmigrate.seeds.differences import TableDifference, difference
from sqlmigrate.seeds.model import SeedFile, SeedResult, SeedSet, TableResult
from sqlmigrate.seeds.pruning import Pruning, require_accepted
from sqlmigrate.seeds.read import load
from sqlmigrate.seeds.run import Proposal, run
from sqlmigrate.seeds.upsert import apply

__all__ = [
    "Proposal",
    "Pruning",
    "SeedFile",
    "SeedResult",
    "SeedSet",
    "TableDifference",
    "TableResult",
    "apply",
    "difference",
    "load",
    "require_accepted",
    "run",
]
