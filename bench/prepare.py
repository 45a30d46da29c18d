"""Install what the benchmarks need below build/bench: this project and its peers, each as its users have it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build" / "bench"
PEERS = ("alembic>=1.13,<2",)
NPM = ("dbmate@2", "@flvmnt/pgfence@0.1.5")
LINTERS = ("squawk-cli==2.70.0", "safemigrate-lint==1.3.0")
NPM_OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent")


def main() -> int:
    """Install everything; without npm, dbmate and pgfence are left out."""
    PLACE.mkdir(parents=True, exist_ok=True)
    install_python()
    install_linters()
    install_npm()
    return 0


def install_python() -> None:
    """Make the environment, and install a wheel of this tree into it: an editable install would start slower."""
    python = environment("venv")
    shutil.rmtree(PLACE / "dist", ignore_errors=True)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(PLACE / "dist"), cwd=ROOT)
    wheel = next((PLACE / "dist").glob("*.whl"))
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "-c", str(ROOT / "constraints.txt"))
    run(*pip, f"{wheel}[fleet]", *PEERS, cwd=PLACE)
    run(*pip, "--force-reinstall", "--no-deps", str(wheel), cwd=PLACE)


def install_linters() -> None:
    """Install the linters where a review does not find squawk: it would ask it."""
    python = environment("linters")
    run(sys.executable, "-m", "pip", "--python", str(python), "install", "-q", *LINTERS, cwd=PLACE)


def environment(name: str) -> Path:
    """Make a virtual environment unless it is there, and give its Python."""
    python = PLACE / name / "bin" / "python"
    if not python.exists():
        venv.create(PLACE / name, symlinks=True)
    return python


def install_npm() -> None:
    """Install dbmate's own binary, and pgfence; npm checks for itself whether they are there."""
    npm = shutil.which("npm")
    if npm is None:
        sys.stderr.write("npm not found: dbmate and pgfence are left out (apt install npm)\n")
        return
    run(npm, "install", "--prefix", str(PLACE / "npm"), *NPM_OPTIONS, *NPM, cwd=PLACE)


def run(*command: str, cwd: Path) -> None:
    """Run a command; what it prints goes to stderr."""
    subprocess.run(command, check=True, cwd=cwd, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
