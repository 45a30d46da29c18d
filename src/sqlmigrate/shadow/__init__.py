"""Throwaway databases: where scripts are tried before they touch a real one."""

from __future__ import annotations

from sqlmigrate.shadow.dumps import dump
from sqlmigrate.shadow.facts import read_facts
from sqlmigrate.shadow.model import Before, ShadowDatabase, TargetFacts, Wanted, wanted
from sqlmigrate.shadow.opening import opened
from sqlmigrate.shadow.server import Shadow
from sqlmigrate.shadow.settings import OTHER_ZONE, USUAL, Locale, Settings, from_json, read_settings
from sqlmigrate.sql.statement.needs import Needs, cluster_wide, extensions_named, roles_named

__all__ = [
    "OTHER_ZONE",
    "USUAL",
    "Before",
    "Locale",
    "Needs",
    "Settings",
    "Shadow",
    "ShadowDatabase",
    "TargetFacts",
    "Wanted",
    "cluster_wide",
    "dump",
    "extensions_named",
    "from_json",
    "opened",
    "read_facts",
    "read_settings",
    "roles_named",
    "wanted",
]
