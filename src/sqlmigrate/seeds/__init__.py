"""Seed data: rows in YAML files, checked against a JSON Schema and upserted in one transaction."""

from __future__ import annotations

from sqlmigrate.seeds.differences import TableDifference, difference
from sqlmigrate.seeds.exports import Access, Choice, Export, described, export
from sqlmigrate.seeds.model import SeedFile, SeedResult, SeedSet, TableResult
from sqlmigrate.seeds.read import load
from sqlmigrate.seeds.run import Proposal, run
from sqlmigrate.seeds.upsert import apply

__all__ = [
    "Access",
    "Choice",
    "Export",
    "Proposal",
    "SeedFile",
    "SeedResult",
    "SeedSet",
    "TableDifference",
    "TableResult",
    "apply",
    "described",
    "difference",
    "export",
    "load",
    "run",
]
