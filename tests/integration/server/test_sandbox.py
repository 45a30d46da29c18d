"""What a throwaway server can reach on its machine: its environment, its files, the network."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sqlmigrate.server import PrivateServer, ephemeral, kill, shared, start, stop
from sqlmigrate.server.account import server_account
from sqlmigrate.server.postmaster import is_alive
from support.processes import postmaster_in, servers_in
from support.server_user import USE, python, said
from support.waiting import wait_until

pytestmark = pytest.mark.pg

SECRET = "hunter2-of-the-environment"
FAILING = "#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n"
ENVIRONMENT = "SELECT encode(pg_read_binary_file('/proc/self/environ'), 'escape')"


@pytest.fixture
def secrets(monkeypatch) -> None:
    for name in ("GITHUB_TOKEN", "DATABASE_URL", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, SECRET)


def works() -> bool:
    """Tell whether bubblewrap runs here, asked without any code of ours."""
    program = shutil.which("bwrap")
    if program is None:
        return False
    trial = [program, "--unshare-user", "--unshare-net", "--ro-bind", "/", "/", "/bin/true"]
    options = server_account().subprocess_options()
    return subprocess.run(trial, check=False, capture_output=True, **options).returncode == 0


needs_bubblewrap = pytest.mark.skipif(not works(), reason="bubblewrap is not installed, or does not run here")


@pytest.fixture
def without_bubblewrap(monkeypatch, open_path) -> None:
    """A machine where bubblewrap is installed, and the kernel does not let it run."""
    program = open_path / "bwrap"
    program.write_text(FAILING)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{open_path}{os.pathsep}{os.environ['PATH']}")


def asked(server: PrivateServer, *statements: str) -> list[str]:
    """Run SQL as superuser, and give the rows of the last statement."""
    with psycopg.connect(server.conninfo(), autocommit=True) as session:
        for statement in statements:
            cursor = session.execute(statement)
        return [row[0] for row in cursor.fetchall()]


def program(server: PrivateServer, command: str) -> list[str]:
    """Run a program as whoever is superuser in the server can, and give its lines."""
    quoted = f"({command}) 2>&1 || true".replace("'", "''")
    return asked(
        server,
        "CREATE TEMP TABLE said (line text)",
        f"COPY said FROM PROGRAM '{quoted}' (DELIMITER E'\\x01')",
        "SELECT line FROM said",
    )


def children() -> Iterator[tuple[int, bytes]]:
    """Give the number and the environment of every process below us."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(") ")[2].split()[1])
        except OSError:  # it has ended
            continue
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    for pid in ours - {os.getpid()}:
        try:
            yield pid, Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue


def test_no_process_of_a_throwaway_server_inherits_our_environment(binaries, secrets):
    others = {pid for pid, _ in children()}
    with ephemeral(binaries.major, in_memory=True) as server:
        found = {pid: environment for pid, environment in children() if pid not in others}
        assert len(found) >= 3  # the server, processes of it, and its watchdog
        assert [pid for pid, environment in found.items() if SECRET.encode() in environment] == []
        assert SECRET not in asked(server, ENVIRONMENT)[0]
        assert SECRET not in "\n".join(program(server, "env"))


def test_a_shared_server_does_not_inherit_our_environment(state, secrets):
    with shared(state) as server:
        assert SECRET not in asked(server, ENVIRONMENT)[0]


def test_nobody_else_can_read_the_log(binaries, state):
    with ephemeral(binaries.major, in_memory=True) as server:
        assert server.log.stat().st_mode & 0o777 == 0o600
    log = state / f"d{binaries.major}.log"
    log.chmod(0o644)  # as an earlier version made it
    start(state)
    try:
        assert log.stat().st_mode & 0o777 == 0o600
    finally:
        stop(state)


def test_where_bubblewrap_does_not_run_the_server_runs_without(binaries, without_bubblewrap):
    with ephemeral(binaries.major, in_memory=True) as server:
        assert asked(server, "SELECT 1") == [1]
        assert server.isolation.startswith("no sandbox: bwrap does not work here (setting up uid map")


def test_where_bubblewrap_is_not_installed_the_server_runs_without(binaries, monkeypatch, open_path):
    monkeypatch.setenv("PATH", str(open_path))
    with ephemeral(binaries=binaries, in_memory=True) as server:
        assert asked(server, "SELECT 1") == [1]
        assert server.isolation.startswith("no sandbox: bwrap (bubblewrap) is not installed; ")


def test_as_root_the_server_runs_as_an_account_without_rights(binaries):
    account = server_account()
    with ephemeral(binaries=binaries, in_memory=True) as server:
        own = "account" if account.switch else "your own account,"
        assert server.isolation.endswith(f"; {own} {account.name}")
        assert program(server, "id -u") == [str(account.uid)]


@needs_bubblewrap
def test_in_the_sandbox_there_are_no_files_but_those_that_the_server_needs(binaries, open_path):
    readable = open_path / "readable"
    readable.mkdir()
    (readable / "rows.csv").write_text("row\n")
    (readable / "rows.csv").chmod(0o666)
    (open_path / "closed.txt").write_text("closed\n")
    with ephemeral(binaries=binaries, in_memory=True, readable=[readable]) as server:
        assert server.isolation.startswith("bubblewrap: no network, no home; ")
        assert program(server, f"cat '{readable}/rows.csv'") == ["row"]
        assert "Read-only" in " ".join(program(server, f"touch '{readable}/rows.csv'"))
        assert "No such file" in " ".join(program(server, f"cat '{open_path}/closed.txt'"))
        for folder in ("/root", "/var/lib", "/run", "/etc/shadow", str(Path(__file__).parent)):
            assert "No such file" in " ".join(program(server, f"ls -d {folder}")), folder
        assert program(server, "ls /home") in ([], ["ls: cannot access '/home': No such file or directory"])


@needs_bubblewrap
@pytest.mark.parametrize("name", ["data.hba", "data.conf", "data.log", "socket", "data", "new"])
def test_in_the_sandbox_no_link_takes_the_place_of_what_is_read_and_written_outside(binaries, name):
    with ephemeral(binaries=binaries, in_memory=True) as server:
        base = server.data_dir.parent
        said = program(server, f"cd ..; ln -s /etc/passwd l; mv -T l {name}; rm -f {name}; mv {name} moved; ls")
        assert "Read-only file system" in "\n".join(said)
        assert not any(path.is_symlink() for path in base.iterdir())
        assert {path.name for path in base.iterdir()} == {"data", "data.conf", "data.hba", "data.log", "socket"}
        assert program(server, "touch file && ls file ../socket/.s.PGSQL.5432") == ["../socket/.s.PGSQL.5432", "file"]


@needs_bubblewrap
def test_in_the_sandbox_the_environment_of_other_processes_cannot_be_read(binaries):
    with ephemeral(binaries=binaries, in_memory=True) as server:
        assert "denied" in " ".join(program(server, f"cat /proc/{os.getpid()}/environ"))


@pytest.mark.parametrize("shut_in", [pytest.param(True, marks=needs_bubblewrap), False])
def test_a_subscription_reaches_the_network_only_outside_of_the_sandbox(binaries, request, shut_in):
    if not shut_in:
        request.getfixturevalue("without_bubblewrap")
    with socket.create_server(("127.0.0.1", 0)) as listener, ephemeral(binaries=binaries, in_memory=True) as server:
        address = f"host=127.0.0.1 port={listener.getsockname()[1]}"
        with pytest.raises(psycopg.Error) as caught:
            asked(server, "SET statement_timeout = '2s'", f"CREATE SUBSCRIPTION s CONNECTION '{address}' PUBLICATION p")
        listener.settimeout(0 if shut_in else 5)
        if shut_in:
            assert "Connection refused" in str(caught.value)
            with pytest.raises(BlockingIOError):
                listener.accept()
        else:
            listener.accept()[0].close()


def test_a_server_ends_with_its_block_whatever_stands_around_it(binaries):
    with ephemeral(binaries=binaries, in_memory=True) as server:
        pid = postmaster_in(server.data_dir)
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    assert not server.data_dir.parent.exists()


STAYS = "setsid sh -c 'exec sleep 600' >/dev/null 2>&1 </dev/null &"
PIPE = "rm postmaster.pid && mkfifo postmaster.pid"
ENDLESS = "rm postmaster.pid && ln -s /dev/zero postmaster.pid"


@needs_bubblewrap
@pytest.mark.parametrize("how", ["its block", "kill()"])
def test_in_the_sandbox_no_program_outlives_the_server(binaries, how):
    with ephemeral(binaries=binaries, in_memory=True) as server:
        program(server, STAYS)
        wait_until(lambda: any("sleep 600" in title(pid) for pid in servers_in(server.data_dir)))
        left = servers_in(server.data_dir)
        if how == "kill()":
            kill(server)
            wait_until(lambda: not any(map(is_alive, left)))
    wait_until(lambda: not any(map(is_alive, left)))  # the kernel tells of the sandbox's end just before it ends them


@needs_bubblewrap
def test_in_the_sandbox_no_program_outlives_a_user_that_was_killed(binaries):
    script = USE.replace("with shared(Path(sys.argv[1])", "from sqlmigrate.server import ephemeral\nwith ephemeral(")
    with python(script.replace("running(server.data_dir).pid", "server.host")) as user:
        host, data_dir = said(user).split()
        with psycopg.connect(host=host, user="postgres", autocommit=True) as session:
            session.execute("CREATE TABLE said (line text)")
            session.execute(f"COPY said FROM PROGRAM '{STAYS.replace(chr(39), chr(39) * 2)}'")
        wait_until(lambda: any("sleep 600" in title(pid) for pid in servers_in(Path(data_dir))))
        left = servers_in(Path(data_dir))
        user.kill()
        wait_until(lambda: not any(map(is_alive, left)) and not Path(data_dir).parent.exists(), timeout=30)


@needs_bubblewrap
def test_in_the_sandbox_no_other_process_of_the_account_can_be_ended(binaries):
    with subprocess.Popen(["sleep", "600"], **server_account().subprocess_options()) as other:
        try:
            with ephemeral(binaries=binaries, in_memory=True) as server:
                assert "No such process" in " ".join(program(server, f"kill -9 {other.pid}"))
            assert other.poll() is None
        finally:
            other.kill()


@pytest.mark.parametrize("boxed", [pytest.param(True, marks=needs_bubblewrap), False])
@pytest.mark.parametrize("made", [PIPE, ENDLESS])
def test_what_a_script_puts_in_the_place_of_the_pid_file_holds_nobody_up(binaries, request, boxed, made):
    if not boxed:
        request.getfixturevalue("without_bubblewrap")
    with ephemeral(binaries=binaries, in_memory=True) as server:
        pid = postmaster_in(server.data_dir)
        program(server, made)
    wait_until(lambda: not is_alive(pid))
    assert not server.data_dir.parent.exists()


@needs_bubblewrap
def test_in_the_sandbox_the_repository_itself_is_not_seen(binaries, open_path):
    for name in (".git", ".sqlmigrate"):
        (open_path / name).mkdir()
        (open_path / name / "config").write_text("token")
    (open_path / "1.sql").write_text("SELECT 1;")
    with ephemeral(binaries=binaries, in_memory=True, readable=[open_path]) as server:
        assert program(server, f"cat '{open_path}/1.sql'") == ["SELECT 1;"]
        for name in (".git", ".sqlmigrate"):
            assert program(server, f"ls '{open_path}/{name}'") == []


def title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
