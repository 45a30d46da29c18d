"""The tools that review migrations: how each is called, and what it finds."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contestants import BIN, ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlmigrate.server import PrivateServer

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
LINTERS = ROOT / "build" / "bench" / "linters"
PGFENCE = ROOT / "build" / "bench" / "npm" / "node_modules" / "@flvmnt" / "pgfence"

# The runner sets the timeouts and a transaction needs no IF NOT EXISTS, so what asks for them in every file is left
# out, for every tool.
_EVERYWHERE = (
    *("prefer-robust-", "require-lock-timeout", "require-statement-timeout", "require-timeout-settings"),
    *("missing-", "timeout-settings-required"),
)
# What squawk has and does not ask by default, except rules on style.
_OFF = (
    "ban-add-column,ban-add-composite-attribute,ban-add-enum-value,ban-alter-database-options,ban-alter-extension,"
    "ban-alter-function-options,ban-alter-generated-expression,ban-alter-identity,ban-alter-policy-condition,"
    "ban-alter-policy-roles,ban-alter-role-options,ban-alter-row-level-security,ban-alter-sequence-values,"
    "ban-alter-system-options,ban-alter-view-options,ban-create-policy,ban-detach-inheritance,ban-disable-trigger,"
    "ban-drop-extension,ban-drop-index,ban-drop-policy,ban-new-write-restriction,ban-replace-view-function,"
    "ban-replica-identity,ban-revoke,ban-set-default,ban-set-schema"
)


@dataclass(frozen=True, slots=True)
class Case:
    """A migration to review: `kind` is danger, advice or safe, and `needs` the reason that a good review gives.

    `before` is an earlier migration that is pending too; `concurrent` says that it runs outside a transaction.
    """

    name: str
    group: str
    kind: str
    sql: str
    needs: str = ""
    before: str = ""
    concurrent: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What a tool says, as "rule: message"; it is `loud` if the tool means it as more than advice."""

    text: str
    loud: bool


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A tool: `find` gives what it says of a case, in a folder that is the case's own."""

    name: str
    version: str
    find: Callable[[Case, Path], list[Finding]]

    @property
    def tongue(self) -> str:
        """The name under which reasons.toml knows its words."""
        return self.name.partition(",")[0]


def reviewers(server: PrivateServer, figures: dict[str, dict[str, float]]) -> list[Reviewer]:
    """Give every tool that is installed, this project's first; it is told the tables' figures."""
    found = [_sqlmigrate("sqlmigrate", server, figures, os.defpath)]
    if (LINTERS / "bin" / "squawk").exists():
        found.append(_sqlmigrate("sqlmigrate, squawk", server, figures, f"{os.defpath}:{LINTERS / 'bin'}"))
        found += [_squawk("squawk", ""), _squawk("squawk, all rules", _OFF), _safemigrate()]
    if PGFENCE.exists():
        found.append(_pgfence())
    return found


def _asked(command: Sequence[str], folder: Path, more: dict[str, str] | None = None) -> tuple[Any, str]:
    """Call a tool and give its JSON, or None and what it said instead."""
    env = environment(folder) | (more or {})
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=env)
    try:
        return json.loads(done.stdout), ""
    except ValueError:
        return None, (done.stdout + done.stderr).strip()[-300:]


def _file(case: Case, folder: Path) -> str:
    (folder / "case.sql").write_text(case.sql.strip() + "\n")
    return "case.sql"


def _kept(found: Iterable[Finding]) -> list[Finding]:
    return [one for one in found if not one.text.startswith(_EVERYWHERE)]


def _failed(said: str) -> list[Finding]:
    return [Finding(f"failed: {said}", loud=True)]


def _sqlmigrate(name: str, server: PrivateServer, figures: dict[str, dict[str, float]], path: str) -> Reviewer:
    """Give our own review, as of a target with these figures; it asks squawk where that is on the path."""
    tables = [{"name": f"public.{name}", "index_scans": 100.0, "scans": 0.0} | about for name, about in figures.items()]
    target = {"name": "parcels", "version": server.version, "source": "the target", "tables": tables}
    times = {"read_at": "2026-11-29T10:00:00+00:00", "since": "2026-11-01T00:00:00+00:00"}
    stats = json.dumps({"version": 1, "command": "stats", "target": target | times})

    def find(case: Case, folder: Path) -> list[Finding]:
        _project(case, folder)
        (folder / "stats.json").write_text(stats)
        command = [str(BIN / "sqlmigrate"), "review", "0003_case", "--stats", "stats.json", "--json"]
        cache = str(folder.parent / "cache")
        more = {"SQLMIGRATE_PG_BINDIR": str(server.bindir), "CI": "true", "XDG_CACHE_HOME": cache, "PATH": path}
        answer, said = _asked(command, folder, more)
        return _failed(said) if answer is None else _hazards(answer)

    return Reviewer(name, version("pg-sqlmigrate"), find)


def _project(case: Case, folder: Path) -> None:
    """Write a project whose base is followed by what is pending before the case, and by the case."""
    (folder / "sql" / "bootstrap").mkdir(parents=True)
    (folder / "sqlmigrate.toml").write_text('migrations = "sql"\nrole = "app_owner"\n')
    (folder / "sql" / "bootstrap" / "roles.sql").write_text((MIGRATIONS / "roles.sql").read_text())
    (folder / "sql" / "0001_base.sql").write_text((MIGRATIONS / "base.sql").read_text())
    if case.before:
        (folder / "sql" / "0002_before.sql").write_text(case.before + "\n")
    head = "-- transactional: false\n\n" if case.concurrent else ""
    (folder / "sql" / "0003_case.sql").write_text(head + case.sql.strip() + "\n")


def _hazards(answer: dict[str, Any]) -> list[Finding]:
    side = answer["migrations"][0]["apply"]
    found = [
        Finding(f"{hazard['code']}: {hazard.get('seen', '')}", loud=hazard["severity"] != "note")
        for statement in side["statements"]
        for hazard in statement["hazards"]
    ]
    return found + (_failed(str(side["error"])) if side.get("error") else [])


def _squawk(name: str, more: str) -> Reviewer:
    program = str(LINTERS / "bin" / "squawk")

    def find(case: Case, folder: Path) -> list[Finding]:
        kind = [] if case.concurrent else ["--assume-in-transaction"]
        rules = ["--include", more] if more else []
        command = [program, "--reporter", "json", "--pg-version", "18", *kind, *rules, _file(case, folder)]
        answer, said = _asked(command, folder)
        if answer is None:
            return _failed(said)
        return _kept(Finding(f"{one['rule_name']}: {one['message']}", loud=True) for one in answer)

    return Reviewer(name, _said(program), find)


def _safemigrate() -> Reviewer:
    program = str(LINTERS / "bin" / "safemigrate-lint")

    def find(case: Case, folder: Path) -> list[Finding]:
        answer, said = _asked([program, "--severity", "critical,warning,style", _file(case, folder)], folder)
        if answer is None:
            return _failed(said)
        loud = {"critical", "warning"}
        return _kept(Finding(f"{one['rule_id']}: {one['message']}", one["severity"] in loud) for one in answer)

    return Reviewer("safemigrate-lint", _of_linters("safemigrate_lint"), find)


def _pgfence() -> Reviewer:
    """Give pgfence; what it rates SAFE or LOW is no alarm.

    It is not told of the tables' sizes: with them it finds the same, and rates all of it higher, the harmless too.
    """
    program = [str(PGFENCE.parents[1] / ".bin" / "pgfence"), "analyze", "--format", "sql", "--output", "json"]
    path = {"PATH": os.environ["PATH"]}  # where node is

    def find(case: Case, folder: Path) -> list[Finding]:
        answer, said = _asked([*program, "--min-pg-version", "18", _file(case, folder)], folder, path)
        if answer is None:
            return _failed(said)
        checks = [check for result in answer["results"] for check in result["checks"]]
        quiet = {"SAFE", "LOW"}
        broken = [rule for result in answer["results"] for rule in result["policyViolations"]]
        return _kept(
            [Finding(f"{one['ruleId']}: {one['message']}", one["risk"] not in quiet) for one in checks]
            + [Finding(f"{one['ruleId']}: {one['message']}", loud=True) for one in broken]
        )

    return Reviewer("pgfence", json.loads((PGFENCE / "package.json").read_text())["version"], find)


def _said(program: str) -> str:
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]


def _of_linters(package: str) -> str:
    found = next(LINTERS.glob(f"lib/python*/site-packages/{package}-*.dist-info"))
    return found.name.removesuffix(".dist-info").rpartition("-")[2]
