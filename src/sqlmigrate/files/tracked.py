"""What a repository brings along: a checkout writes over what is ignored without a word, in a folder of any mode."""

from __future__ import annotations

import os
from pathlib import Path

from sqlmigrate.files.git import Git, GitError


def may_be_tracked(folder: Path) -> bool:
    """Tell whether files in a folder may have come with the repository around it: git says so, or cannot be asked.

    https://git-scm.com/docs/gitignore: ignored files may be overwritten when another revision is checked out.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  resolve() would follow the links
    root = next((above for above in folder.parents if os.path.lexists(above / ".git")), None)
    if root is None or not folder.exists():
        return False
    # a file system may not tell upper from lower case
    asked = f":(top,icase,literal){folder.relative_to(root)}"
    try:
        return bool(Git(root).ask("ls-files", "--cached", "-z", "--", asked, magic=True))
    except GitError:
        return True
