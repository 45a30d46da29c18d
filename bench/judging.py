"""What reviewers of migrations find: dangers with the right reason, advice, and alarms at what is safe."""

from __future__ import annotations

import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from comparing import tell
from markdown import table
from reviewers import MIGRATIONS, Case, reviewers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reviewers import Finding, Reviewer
    from sqlmigrate.server import PrivateServer

SAFE, DANGER = "safe", "danger"
_SIDE_BY_SIDE = 2  # reviews that run at the same time

Patterns = dict[str, dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What one tool said of one case, and whether that is right; of a safe one, `found` has the alarms alone."""

    tool: str
    version: str
    case: str
    group: str
    kind: str
    needs: str
    right: bool
    found: tuple[str, ...]


def judge(
    server: PrivateServer, place: Path, tools: Sequence[str] | None, wanted: Sequence[str] | None
) -> list[Judged]:
    """Give the cases to the tools, and judge what these say: all, or the tools, cases and groups that are named."""
    chosen = [case for case in cases() if not wanted or not {case.name, case.group}.isdisjoint(wanted)]
    known = reviewers(server, _read("figures"))
    judged: list[Judged] = []
    for tool in known:
        if tools and tool.name not in tools:
            continue
        tell(f"linters: {tool.name}")
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            ask = partial(_ask, tool, place / "linters" / tool.name.replace(", ", "-").replace(" ", "-"))
            judged += pool.map(ask, chosen)
    return judged


def cases() -> list[Case]:
    """Give the migrations to review."""
    return [Case(name, **about) for name, about in _read("cases").items()]


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((MIGRATIONS / f"{name}.toml").read_text())


def _ask(tool: Reviewer, place: Path, case: Case) -> Judged:
    folder = place / case.name
    folder.mkdir(parents=True)
    found = tool.find(case, folder)
    patterns = _read("reasons").get(case.needs, {}).get(tool.tongue, [])
    said = tuple(one.text for one in found if one.loud or case.kind != SAFE)
    right = is_right(case, found, patterns)
    return Judged(tool.name, tool.version, case.name, case.group, case.kind, case.needs, right, said)


def is_right(case: Case, found: Sequence[Finding], patterns: Sequence[str]) -> bool:
    """Say whether a tool is right: silent where it is safe, else with the reason, and loud where it is a danger."""
    if case.kind == SAFE:
        return not any(one.loud for one in found)
    heard = [one.text for one in found if one.loud or case.kind != DANGER]
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns for text in heard)


def summary(judged: Sequence[Judged]) -> list[str]:
    """Give the tables that people read: how often each tool is right, and where it is not."""
    if not judged:
        return []
    tools = list(dict.fromkeys(one.tool for one in judged))
    groups = dict.fromkeys(one.group for one in judged)
    versions = dict.fromkeys(f"{one.tool} {one.version}" for one in judged)
    rows = [[_named(judged, group), *(_count(judged, tool, group) for tool in tools)] for group in groups]
    wrong = [[tool, *(_wrong(judged, tool, safe=safe) for safe in (False, True))] for tool in tools]
    means = "Right answers: dangers and advice with the right reason, no alarm at what is safe."
    return [
        f"## Reviewing migrations\n\n{means} {'; '.join(versions)}.\n\n{table(['', *tools], rows)}",
        table(["", "missed, or with another reason", "alarms at what is safe"], wrong),
    ]


def _named(judged: Sequence[Judged], group: str) -> str:
    return f"{group} ({len({one.case for one in judged if one.group == group})})"


def _count(judged: Sequence[Judged], tool: str, group: str) -> str:
    return str(sum(one.right for one in judged if (one.tool, one.group) == (tool, group)))


def _wrong(judged: Sequence[Judged], tool: str, *, safe: bool) -> str:
    names = [one.case for one in judged if one.tool == tool and not one.right and (one.kind == SAFE) == safe]
    return ", ".join(names) or "none"
