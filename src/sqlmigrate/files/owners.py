"""Tell whether somebody else may have written a file, or may put one into a folder.

Ours is what belongs to the user or to root and what nobody else may write to. A private group, which has no member but
the user, is nobody else; a sticky folder such as /tmp is open to others, since they may put files into it.
"""

from __future__ import annotations

import os
import stat
import struct
from errno import ELOOP
from pathlib import Path

_WRITE = 2
_ACL = "system.posix_acl_access"
_ACL_VERSION, _ACL_HEADER = 2, 4  # linux/posix_acl_xattr.h: the version in 4 bytes, then entries of tag, rights and id
_ACL_USER, _ACL_GROUP = 0x02, 0x08
_LINKS_MAX = 40  # as many as Linux follows


def writable_by_others(path: Path) -> str | None:
    """Say why others may write to a file or a folder, as in `anybody may write to it`; None where they may not.

    A symbolic link is followed. Raises OSError where it cannot be looked at.
    """
    found = path.stat()
    if not _is_ours(found.st_uid):
        return f"it belongs to {_user_name(found.st_uid)}"
    if found.st_mode & stat.S_IWOTH:
        return "anybody may write to it"
    if not found.st_mode & stat.S_IWGRP:  # where there is an ACL, these bits are its mask: nobody it names may write
        return None
    return _listed(path) or (None if _is_private(found.st_gid) else _group_may_write(found.st_gid))


def why_not_trusted(path: Path) -> str | None:
    """Say why a file may be somebody else's work; None where it is the user's own or root's, and only they write it.

    Of a symbolic link, each link and each folder on the way to its target must be theirs too. Raises OSError where it
    cannot be looked at.
    """
    if path.is_symlink() and (reason := _why_not_followed(path)):
        return reason
    return writable_by_others(path)


def _why_not_followed(link: Path) -> str | None:
    """Follow a link as the system does, and say on which step somebody else may decide where it leads."""
    at, todo, links = Path(os.path.realpath(link.parent)), [link.name], 0
    while todo:
        name = todo.pop()
        if name == "..":
            at = at.parent
            continue
        entry = at / name
        if links and (reason := _why_replaceable(entry, is_last=not todo)):
            return reason
        found = entry.lstat()
        if not stat.S_ISLNK(found.st_mode):
            at = entry
            continue
        links += 1
        if links > _LINKS_MAX:
            raise OSError(ELOOP, os.strerror(ELOOP), str(link))
        if not _is_ours(found.st_uid):
            return f"the symbolic link {entry} belongs to {_user_name(found.st_uid)}"
        target = entry.readlink()
        at = Path("/") if target.is_absolute() else at
        todo += reversed(target.parts[1:] if target.is_absolute() else target.parts)
    return None


def _why_replaceable(entry: Path, *, is_last: bool) -> str | None:
    """Say why others may put something else in the place of what a link leads to, or through.

    In a sticky folder such as /tmp nobody else may move what is ours; a file there is refused all the same.
    """
    folder = entry.parent
    reason = writable_by_others(folder)
    if reason is None:
        return None
    found = folder.stat()
    is_kept = bool(found.st_mode & stat.S_ISVTX) and _is_ours(found.st_uid) and _is_ours(entry.lstat().st_uid)
    if is_kept and not is_last:
        return None
    return f"of the folder that it leads {'to' if is_last else 'through'}, {folder}: {reason}"


def _is_ours(uid: int) -> bool:
    return uid in {0, os.geteuid()}


def _listed(path: Path) -> str | None:
    """Say whom an access control list lets write, beside owner and group."""
    read = getattr(os, "getxattr", None)  # Linux
    try:
        raw: bytes = read(path, _ACL) if read else b""
    except OSError:  # there is none, or the file system knows none
        return None
    if len(raw) < _ACL_HEADER or struct.unpack_from("<I", raw)[0] != _ACL_VERSION:
        return None
    for tag, rights, who in struct.iter_unpack("<HHI", raw[_ACL_HEADER:]):
        if tag == _ACL_USER and rights & _WRITE and not _is_ours(who):
            return f"its access control list lets {_user_name(who)} write to it"
        if tag == _ACL_GROUP and rights & _WRITE and not _is_private(who):
            return f"its access control list lets the group {_group_name(who)} write to it"
    return None


def _group_may_write(gid: int) -> str:
    return f"the group {_group_name(gid)} may write to it"


def _is_private(gid: int) -> bool:
    """Tell whether a group is the user's own, by its name too (as useradd makes them), with no other member."""
    import grp  # noqa: PLC0415  most folders are written by their owner alone
    import pwd  # noqa: PLC0415  same

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    if user.pw_gid != gid or group.gr_name != user.pw_name or set(group.gr_mem) - {user.pw_name}:
        return False
    return all(other.pw_name == user.pw_name for other in pwd.getpwall() if other.pw_gid == gid)


def _user_name(uid: int) -> str:
    import pwd  # noqa: PLC0415  only for a message

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"


def _group_name(gid: int) -> str:
    import grp  # noqa: PLC0415  only for a message

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
