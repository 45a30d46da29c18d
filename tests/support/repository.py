"""A repository of git: `Repository(folder).write("sql/0001.a.sql", "SELECT 1;")`, then `commit("first")`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_WHO = ("-c", "user.name=me", "-c", "user.email=me@localhost", "-c", "commit.gpgsign=false")


class Repository:
    """A repository in `root` whose branch is `main`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q")
        self.git("symbolic-ref", "HEAD", "refs/heads/main")

    def write(self, name: str, text: str) -> None:
        """Write a file, byte for byte."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    def commit(self, message: str) -> str:
        """Commit all that is there, and give the commit."""
        self.git("add", "-A", "-f", ".")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        """Run git there, and give what it prints."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        command = ["git", "-C", os.fspath(self.root), *_WHO, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=own).stdout
