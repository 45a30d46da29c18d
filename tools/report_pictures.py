"""Draw the pictures of docs/reviewing.md from a review of the shipped change: python tools/report_pictures.py.

It needs Debian's chromium and `make install-browser`. What is drawn depends on the fonts that are installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
CHANGE = "20260304_simplify_agent_architecture"
PICTURES = {
    "review-verdict.png": ("header.top", "#decide ~ ol li:nth-of-type(4)"),
    "review-locks.png": (".pair", ".strip"),
    "review-statements.png": (".row.stmt:has(#m1-apply-s3)", ".row.stmt:has(#m1-apply-s6)"),
}
_WIDTH, _EDGE = 1180, 12  # pixels


def main() -> None:
    """Review the change, open the page, and take its parts."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "review.html"
        command = [sys.executable, "-m", "sqlmigrate", "review", CHANGE, "--output", str(page), "--no-color"]
        subprocess.run(command, cwd=_checkout(Path(folder) / "sqlmigrate"), check=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            opened = browser.new_page(viewport={"width": _WIDTH, "height": 900})
            opened.goto(page.as_uri())
            for name, (first, last) in PICTURES.items():
                above, below = (opened.locator(selector).first.bounding_box() for selector in (first, last))
                if above is None or below is None:
                    raise SystemExit(f"the page has no {first} or {last}")
                top, bottom = above["y"], below["y"] + below["height"] + _EDGE
                clip: Any = {"x": 0, "y": top, "width": _WIDTH, "height": bottom - top}
                opened.screenshot(path=ROOT / "docs" / name, clip=clip, full_page=True)
            browser.close()


def _checkout(folder: Path) -> Path:
    """Commit what the review needs to a repository of its own, whose name and branch are in the picture."""
    shutil.copytree(ROOT / "sql", folder / "sql")
    shutil.copy(ROOT / "pyproject.toml", folder)
    who = ("-c", "user.name=sqlmigrate", "-c", "user.email=sqlmigrate@localhost")
    for arguments in (("init", "-q"), ("checkout", "-qb", "simpler-agents"), ("add", "."), ("commit", "-qm", "change")):
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True)  # noqa: S607  as everybody calls it
    return folder


if __name__ == "__main__":
    main()
