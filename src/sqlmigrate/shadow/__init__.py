"""Throwaway databases: where scripts are tried before they touch a real one."""

from __future__ import annotations

from sqlmigrate.shadow.dumps import dump
from sqlmigrate.shadow.facts import read_facts
from sqlmigrate.shadow.model import ShadowDatabase, TargetFacts, Wanted, wanted
from sqlmigrate.shadow.server import Shadow, opened
from sqlmigrate.sql.needs import Needs, cluster_wide, extensions_named, needs, roles_named

__all__ = [
    "Needs",
    "Shadow",
    "ShadowDatabase",
    "TargetFacts",
    "Wanted",
    "cluster_wide",
    "dump",
    "extensions_named",
    "needs",
    "opened",
    "read_facts",
    "roles_named",
    "wanted",
]
