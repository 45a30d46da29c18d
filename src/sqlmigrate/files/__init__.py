"""Whose a file is, files that are read within bounds, and files that are written whole or not at all."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlmigrate.files.links import leads_out, require_in_repository
from sqlmigrate.files.lookup import program_on_path, upwards
from sqlmigrate.files.owners import why_not_trusted, writable_by_others
from sqlmigrate.files.reading import folder_of_files, json_of, open_file, read_bytes, read_json, read_whole, record

if TYPE_CHECKING:
    from sqlmigrate.files.changed import Since, since
    from sqlmigrate.files.git import Git, GitError, root_of
    from sqlmigrate.files.tracked import may_be_tracked
    from sqlmigrate.files.writing import (
        make_folder,
        move,
        opened_to_append,
        require_new,
        write_new,
        write_new_parts,
        write_text,
    )
else:
    _IN = {
        **dict.fromkeys(("Since", "since"), "changed"),
        **dict.fromkeys(("Git", "GitError", "root_of"), "git"),
        "may_be_tracked": "tracked",
    }

    def __getattr__(name: str) -> Any:
        """Import what few calls need when it is first asked for (PEP 562)."""
        if name not in __all__:
            raise AttributeError(name)
        value = globals()[name] = getattr(import_module(f"{__name__}.{_IN.get(name, 'writing')}"), name)
        return value


__all__ = [
    "Git",
    "GitError",
    "Since",
    "folder_of_files",
    "json_of",
    "leads_out",
    "make_folder",
    "may_be_tracked",
    "move",
    "open_file",
    "opened_to_append",
    "program_on_path",
    "read_bytes",
    "read_json",
    "read_whole",
    "record",
    "require_in_repository",
    "require_new",
    "root_of",
    "since",
    "upwards",
    "why_not_trusted",
    "writable_by_others",
    "write_new",
    "write_new_parts",
    "write_text",
]
