"""Seed data: rows in files, checked against a JSON Schema and upserted in one transaction; and files from tables."""

from __future__ import annotations

from sqlmigrate.seeds.differences import TableDifference, difference
from sqlmigrate.seeds.exporting.export import Access, Choice, Export, described, export
from sqlmigrate.seeds.fitting import Fitted, write_fitting
from sqlmigrate.seeds.model import SeedFile, SeedResult, SeedSet, TableResult
from sqlmigrate.seeds.pruning.model import Pruning, require_accepted
from sqlmigrate.seeds.reading.read import load, read_digests
from sqlmigrate.seeds.run import Proposal, run
from sqlmigrate.seeds.tables import told_of_hidden
from sqlmigrate.seeds.writing.upsert import apply

__all__ = [
    "Access",
    "Choice",
    "Export",
    "Fitted",
    "Proposal",
    "Pruning",
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
    "read_digests",
    "require_accepted",
    "run",
    "told_of_hidden",
    "write_fitting",
]
