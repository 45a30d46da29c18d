"""A fleet of 50 databases on the embedded PostgreSQL: a canary, a bad change that is stopped, its undo.

usage: tools/fleet_demo.py [NUMBER OF DATABASES]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate import server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.server import PrivateServer

OWNER = "migrator"
PAIRS = {
    "1_orders": ("CREATE TABLE orders (id bigint PRIMARY KEY);\n", "DROP TABLE orders;\n"),
    "2_total": ("ALTER TABLE orders ADD total numeric;\n", "ALTER TABLE orders DROP total;\n"),
}
BAD = ("ALTER TABLE orders ADD CHECK (total > 0);\nSELECT 1 / 0;\n", "SELECT 1;\n")


def main(count: int) -> int:
    """Show it, in a folder and with databases that are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sqlmigrate fleet ") as folder, databases(count) as urls:
        root = Path(folder)
        (root / "sql").mkdir()
        lines = [f"{name},{url},{'canary' if number == 0 else ''}" for number, (name, url) in enumerate(urls.items())]
        (root / "tenants.csv").write_text("\n".join(["name,url,tags", *lines, ""]), encoding="utf-8")
        (root / "sqlmigrate.toml").write_text('targets = "tenants.csv"\n', encoding="utf-8")
        for name, pair in PAIRS.items():
            write(root, name, pair)
        show(root, "status")
        show(root, "apply", "--wave", "canary=1", "--wave", "10%", "--wave", "rest", "--per-cluster", "8")
        write(root, "3_check", BAD)
        show(root, "apply", "--per-cluster", "8")
        show(root, "report", "last")
        (root / "sql" / "3_check.sql").unlink()
        (root / "sql" / "3_check.rollback.sql").unlink()
        show(root, "drift")
        first = show(root, "runs").split()[-1]
        say(f"\nThe first run, {first}, is taken back:\n")
        show(root, "rollback", first, "--yes", "--per-cluster", "8")
        show(root, "status")
    return 0


def write(root: Path, name: str, pair: tuple[str, str]) -> None:
    """Write the two files of a migration."""
    for ending, text in zip((".sql", ".rollback.sql"), pair, strict=True):
        (root / "sql" / f"{name}{ending}").write_text(text, encoding="utf-8")


@contextmanager
def databases(count: int) -> Iterator[dict[str, str]]:
    """Make databases on a throwaway server, and give their URLs by their names."""
    with server.ephemeral() as running:
        yield {name: made(running, name) for name in (f"tenant{number:02}" for number in range(1, count + 1))}


def made(running: PrivateServer, name: str) -> str:
    """Make a database, and give its URL."""
    server.ensure_database(running, name=name, owner=OWNER)
    return running.url(name, OWNER)


def show(root: Path, *words: str) -> str:
    """Show a command, and what it prints; gives the first column of its table, where it prints one."""
    say(f"\n$ sqlmigrate fleet {' '.join(words)}\n")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SQLMIGRATE_")}
    environ["SQLMIGRATE_STATE_DIR"] = str(root / "state")
    command = [sys.executable, "-m", "sqlmigrate", "fleet", *words]
    done = subprocess.run(command, cwd=root, env=environ, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    say(done.stdout)
    return "\n".join(line.split()[0] for line in done.stdout.splitlines() if line.split())


def say(text: str) -> None:
    """Print a text at once, so that it stands before what a command prints."""
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 50))
