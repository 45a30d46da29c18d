"""Where private servers keep their data and their sockets."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from sqlmigrate.errors import ServerError
from sqlmigrate.files import leads_out, may_be_tracked
from sqlmigrate.server.account import Account, account_name, server_account

STATE_DIRECTORY = ".sqlmigrate"
ROOT_STATE = Path("/var/lib/sqlmigrate")
SOCKET_PARENT = Path("/tmp")  # noqa: S108 -- a socket's path ends at 107 bytes; owner and mode are checked below


def state_dir(project: Path) -> Path:
    """Return the directory for the private servers of a project; nothing is created.

    That is `.sqlmigrate` in the project, or a directory of the user's own where the project cannot be written to,
    where `.sqlmigrate` belongs to another user, is a symbolic link that leads out of the repository or may hold files
    that came with it, or where the server's account cannot reach it.
    """
    project = project.resolve()
    inside = project / STATE_DIRECTORY
    account = server_account()
    if _is_ours(inside) and account.reaches(inside if inside.exists() else project):
        return inside
    digest = hashlib.sha256(os.fsencode(project)).hexdigest()[:16]
    if account.switch:
        return ROOT_STATE / digest
    return _user_state_home() / "sqlmigrate" / digest


def make_state_dir(state: Path, account: Account) -> Path:
    """Create a state directory with a `.gitignore` of its own, and check that the server's account reaches it."""
    state = ensure_state_dir(state, account)
    if not account.reaches(state):
        raise ServerError(
            f"account {account.name}, which the server runs under, cannot enter {state}",
            hint=f"choose a state directory that it can reach, such as one below {ROOT_STATE}",
        )
    return state


def ensure_state_dir(state: Path, account: Account) -> Path:
    """Create a state directory with a `.gitignore` of its own, or find that it is there; raises ServerError.

    A server carries out what its settings say, so one whose files came with a repository is not started.
    """
    if may_be_tracked(state):
        raise ServerError(
            f"directory {state} for the private server may hold files of the repository (git ls-files lists them)",
            hint="choose a state directory of your own, outside of the repository",
        )
    try:
        make_directories(state, 0o755 if account.switch else 0o700)
        state = state.resolve()
        ignore = state / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise ServerError(f"directory {state} for the private server cannot be created: {error.strerror}") from error
    return state


def make_directories(directory: Path, mode: int) -> None:
    """Create a directory and its missing parents with a mode that the umask does not change."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(mode)


def socket_dir(data_dir: Path, account: Account) -> Path:
    """Make the directory for the socket of a data directory's server; only the server's account gets in.

    Its name comes from the data directory's inode and not from its path: the directory may be moved while its
    server runs, and a server whose data was deleted under it lives on for a minute and must not be met.
    """
    leaf = _socket_path(data_dir)
    # Root owns the parent and the server's account passes through it, so nobody else can put anything in there.
    make_guarded(leaf.parent, 0o711 if account.switch else 0o700)
    make_guarded(leaf, 0o700, account)
    return leaf


def remove_socket_dir(data_dir: Path) -> None:
    """Tidy up after a server that was stopped."""
    with suppress(OSError):
        _socket_path(data_dir).rmdir()


def make_guarded(directory: Path, mode: int, account: Account | None = None) -> None:
    """Create a directory for an account (else for us), or check that the one there is safe."""
    try:
        directory.mkdir(mode=mode)
        directory.chmod(mode)  # the umask may have taken bits away
    except FileExistsError:
        _check_guarded(directory, mode, os.geteuid() if account is None else account.uid)
    except OSError as error:
        raise ServerError(f"socket directory {directory} cannot be created: {error.strerror}") from error
    if account is not None and account.switch:
        os.chown(directory, account.uid, account.gid, follow_symlinks=False)


def _check_guarded(directory: Path, mode: int, owner: int) -> None:
    found = directory.lstat()
    problem = None
    if not stat.S_ISDIR(found.st_mode):
        problem = "is not a real directory"
    elif found.st_uid not in {owner, os.geteuid()}:
        problem = f"belongs to {account_name(found.st_uid)}, not to {account_name(owner)}"
    elif found.st_mode & 0o777 & ~mode:
        problem = f"is open to others (mode {stat.S_IMODE(found.st_mode):04o})"
    if problem:
        raise ServerError(
            f"socket directory {directory} {problem}; whoever created it could pose as the server",
            hint=f"look at {directory}, remove it, and try again",
        )


def _socket_path(data_dir: Path) -> Path:
    found = data_dir.stat()
    identity = b"%d:%d" % (found.st_dev, found.st_ino)
    return SOCKET_PARENT / f"sqlmigrate-{os.geteuid()}" / hashlib.sha256(identity).hexdigest()[:16]


def _is_ours(inside: Path) -> bool:
    if leads_out(inside) is not None or may_be_tracked(inside):
        return False
    try:
        return inside.stat().st_uid == os.geteuid()
    except FileNotFoundError:
        return os.access(inside.parent, os.W_OK | os.X_OK)
    except OSError:
        return False


def _user_state_home() -> Path:
    named = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification tells programs to ignore a relative path.
    return Path(named) if named.startswith("/") else Path("~/.local/state").expanduser()
