"""What a repository brings along: a checkout writes over what is ignored without a word, in a folder of any mode."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_SECONDS = 10.0


def may_be_tracked(folder: Path) -> bool:
    """Tell whether files in a folder may have come with the repository around it: git says so, or cannot be asked.

    https://git-scm.com/docs/gitignore: ignored files may be overwritten when another revision is checked out.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  resolve() would follow the links
    root = next((above for above in folder.parents if os.path.lexists(above / ".git")), None)
    if root is None or not folder.exists():
        return False
    git = shutil.which("git")
    if git is None:
        return True
    # a file system may not tell upper from lower case
    asked = f":(top,icase,literal){folder.relative_to(root)}"
    try:
        done = subprocess.run(
            [git, "-C", root, "-c", "core.fsmonitor=false", "ls-files", "--cached", "-z", "--", asked],
            env={name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return True
    return done.returncode != 0 or bool(done.stdout)
