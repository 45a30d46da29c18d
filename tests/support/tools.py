"""The scripts of tools/, loaded as modules."""

from __future__ import annotations

import importlib.util
from functools import cache
from types import ModuleType

from support.places import ROOT

TOOLS = ROOT / "tools"


@cache
def tool(name: str) -> ModuleType:
    """Load `tools/NAME.py`."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
