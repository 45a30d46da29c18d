"""`make matrix` and the GitHub action ask npm in a folder of their own, and take it from nowhere else than PATH."""

from __future__ import annotations

import json
from pathlib import Path

from support.tools import tool

NPM = """#!/bin/sh
printf '["%s", "%s", "%s"]' "$PWD" "$(ls -ld . | cut -c1-10)" "$(ls -A)" | tee "$0.asked"
echo "$*" >"$0.words"
"""


def test_npm_is_asked_in_a_folder_of_its_own(tmp_path: Path):
    npm = tmp_path / "npm"
    npm.write_text(NPM)
    npm.chmod(0o755)

    tool("matrix").published(str(npm), "package")

    folder, mode, files = json.loads((tmp_path / "npm.asked").read_text())
    assert (mode, files) == ("drwx------", "")
    assert f"--prefix {folder} " in (tmp_path / "npm.words").read_text()
    assert not Path(folder).exists()


def test_no_npm_of_the_checkout_is_taken(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (".", "bin"):
        Path(folder).mkdir(exist_ok=True)
        Path(folder, "npm").touch(0o755)
    monkeypatch.setenv("PATH", ":.:bin")

    assert tool("matrix").program("npm") is None
