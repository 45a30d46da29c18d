"""What is kept between runs: a whole file or none, the user's own, and never something else than was kept."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from sqlmigrate.server import kept
from sqlmigrate.server.binaries import Binaries
from sqlmigrate.server.kept import Manifest, NotKept, Store, archive
from support.command import started
from support.repository import Repository
from support.waiting import LONG

LIMIT = 1 << 30
KEY, OTHER = kept.key_of("one"), kept.key_of("other")
TODAY, TOMORROW = "2026-03-04", "2026-03-05"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return data_directory(tmp_path / "data")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return kept.opened(LIMIT, tmp_path / "cache" / "sqlmigrate")


def data_directory(place: Path, mark: str = "x", state: int = 1) -> Path:
    """Make something like the data directory of a server; 1 says that it was shut down."""
    chance = random.Random(7)
    for folder in ("global", "base/1", "pg_wal", "empty"):
        (place / folder).mkdir(parents=True)
    control = bytes(12) + b"abcd" + state.to_bytes(4, sys.byteorder) + bytes(500)
    (place / "global" / "pg_control").write_bytes(control)
    (place / "pg_wal" / "1").write_bytes(chance.randbytes(3000) + bytes(50_000))
    (place / "base" / "1" / "same").write_bytes(b"same" * 3000)
    (place / "base" / "1" / "again").write_bytes(b"same" * 3000)
    (place / "base" / "1" / "none").write_bytes(b"")
    (place / "base" / "1" / "zeros").write_bytes(bytes(8192))
    (place / "PG_VERSION").write_text(mark)
    return place


def contents(place: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(place)): path.read_bytes() if path.is_file() else None for path in sorted(place.rglob("*"))
    }


def keep(store: Store, data: Path, key: str = KEY, day: str | None = None) -> int:
    return store.keep(data, Manifest(key, day, {"for": "a test"}), owner=os.geteuid())


def taken(store: Store, tmp_path: Path, *keys: str, day: str = TODAY) -> dict[str, bytes | None] | None:
    """Take what is kept under the last of these keys, as a caller does; None where there is none that is whole."""
    for number in range(100):
        place = tmp_path / f"taken {number}"
        if place.exists():
            continue
        if (found := store.longest(keys or [KEY], day)) is None:
            return None
        try:
            store.take(found, place)
        except kept.Unusable:
            assert not place.exists()
            continue
        return contents(place)
    raise AssertionError("it is taken again and again")


def only_file(store: Store) -> Path:
    (found,) = store.place.iterdir()
    return found


@pytest.mark.parametrize("whole", [archive._WHOLE, 1000], ids=["read at once", "read in parts"])
def test_what_is_taken_is_what_was_kept(store, data, tmp_path, monkeypatch, whole):
    monkeypatch.setattr(archive, "_WHOLE", whole)
    size = keep(store, data)

    assert taken(store, tmp_path) == contents(data)
    assert size == only_file(store).stat().st_size


@pytest.mark.parametrize("segment", [1, 2000, 1 << 20], ids="{} bytes share a digest".format)
def test_many_files_are_written_by_several_threads(store, data, tmp_path, monkeypatch, segment):
    monkeypatch.setattr(archive, "_SEGMENT", segment)
    for number in range(300):
        (data / "base" / "1" / str(number)).write_bytes(random.Random(number).randbytes(100))
    keep(store, data)

    assert taken(store, tmp_path) == contents(data)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("in_helper", [False, True], ids=["in our thread", "in another one"])
def test_nothing_is_left_where_a_thread_comes_to_grief(store, data, tmp_path, monkeypatch, error, in_helper):
    monkeypatch.setattr(archive, "_SEGMENT", 1)
    keep(store, data)
    unpack_one, is_met = archive._unpack_small, threading.Event()

    def interrupted(descriptor: int, segment: object) -> None:
        if (threading.current_thread() is not threading.main_thread()) == in_helper:
            is_met.set()
            raise error
        assert is_met.wait(LONG)
        unpack_one(descriptor, segment)

    monkeypatch.setattr(archive, "_unpack_small", interrupted)
    with pytest.raises(error if error is KeyboardInterrupt else NotKept):
        store.take(store.longest([KEY], TODAY), tmp_path / "new")

    assert not (tmp_path / "new").exists()


def test_equal_files_and_zeros_are_kept_once(store, data):
    assert keep(store, data) < 3000 + 12_000 + 5000


def test_the_folder_and_its_files_are_the_users_alone(store, data):
    keep(store, data)

    modes = [path.stat().st_mode & 0o777 for path in (store.place.parent, store.place, only_file(store))]
    assert modes == [0o700, 0o700, 0o600]


def test_the_longest_chain_that_is_known_is_taken(store, tmp_path):
    for mark, key in (("short", KEY), ("long", OTHER)):
        keep(store, data_directory(tmp_path / mark, mark), key)

    unknown = kept.key_of("unknown")
    assert taken(store, tmp_path, KEY, OTHER, unknown)["PG_VERSION"] == b"long"
    assert taken(store, tmp_path, KEY, unknown)["PG_VERSION"] == b"short"
    assert taken(store, tmp_path, unknown) is None


def test_what_counts_for_a_day_is_taken_on_that_day_only(store, data, tmp_path):
    keep(store, data, day=TODAY)

    assert taken(store, tmp_path, day=TOMORROW) is None
    assert taken(store, tmp_path, day=TODAY) == contents(data)


def test_a_file_that_was_cut_short_anywhere_is_none(store, data, tmp_path):
    keep(store, data)
    whole = only_file(store).read_bytes()
    for length in [*range(0, len(whole), len(whole) // 40), len(whole) - 1]:
        store.place.joinpath(f"{KEY}.base").write_bytes(whole[:length])
        store.place.joinpath(f"{KEY}.base").chmod(0o600)

        assert taken(store, tmp_path) is None, length
        assert list(store.place.iterdir()) == []


def test_a_file_in_which_one_byte_has_changed_is_none(store, data, tmp_path):
    keep(store, data)
    whole = only_file(store).read_bytes()
    for at in [*range(len(archive.MARK), len(whole), len(whole) // 60), len(whole) - 1, len(whole) - 40]:
        store.place.joinpath(f"{KEY}.base").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        store.place.joinpath(f"{KEY}.base").chmod(0o600)

        assert taken(store, tmp_path) is None, at


def test_a_file_under_the_name_of_another_one_is_none(store, data, tmp_path):
    keep(store, data)
    only_file(store).rename(store.place / f"{OTHER}.base")

    assert taken(store, tmp_path, KEY, OTHER) is None


def test_a_file_that_others_could_have_written_is_none(store, data, tmp_path):
    keep(store, data)
    only_file(store).chmod(0o620)

    assert taken(store, tmp_path) is None


def test_a_link_to_a_kept_file_is_none(store, data, tmp_path):
    keep(store, data)
    elsewhere = only_file(store).rename(tmp_path / "elsewhere")
    store.place.joinpath(f"{KEY}.base").symlink_to(elsewhere)

    assert taken(store, tmp_path) is None
    assert elsewhere.exists()


def test_a_file_that_becomes_another_one_in_between_is_none(store, data, tmp_path):
    keep(store, data)
    found = store.longest([KEY], TODAY)
    keep(store, data_directory(tmp_path / "other", "y"))

    with pytest.raises(kept.Unusable, match="another one"):
        store.take(found, tmp_path / "place")


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o702, 0o1777])
def test_a_folder_that_is_open_to_others_is_not_used(tmp_path, mode):
    place = tmp_path / "sqlmigrate"
    place.mkdir()
    place.chmod(mode)

    with pytest.raises(NotKept, match="open to others") as caught:
        kept.opened(LIMIT, place)
    assert caught.value.foreign


def test_a_link_in_place_of_the_folder_is_not_used(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "sqlmigrate").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(NotKept, match="no folder of its own"):
        kept.opened(LIMIT, tmp_path / "sqlmigrate")


def test_a_folder_that_a_repository_brings_along_is_not_used(tmp_path):
    """A cache home within the checkout: whoever commits a file there would decide what a review begins with."""
    repository = Repository(tmp_path / "project")
    repository.write(f".cache/sqlmigrate/{'0' * 64}.base", "made by somebody")
    place = repository.root / ".cache/sqlmigrate"
    place.chmod(0o700)
    kept.opened(LIMIT, place)  # it is not tracked yet
    repository.commit("poison")

    with pytest.raises(NotKept, match="a repository that tracks files there") as caught:
        kept.opened(LIMIT, place)
    assert caught.value.foreign


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of somebody else's")
def test_a_folder_of_somebody_else_is_not_used(tmp_path):
    place = tmp_path / "sqlmigrate"
    place.mkdir(mode=0o700)
    os.chown(place, 65534, 65534)

    with pytest.raises(NotKept, match="belongs to somebody else") as caught:
        kept.opened(LIMIT, place)
    assert caught.value.foreign


def test_where_no_folder_can_be_made_there_is_no_store(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(NotKept) as caught:
        kept.opened(LIMIT, tmp_path / "file" / "sqlmigrate")
    assert not caught.value.foreign


def test_a_relative_cache_home_is_ignored(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    monkeypatch.setenv("HOME", "/home/of/nobody")

    assert kept.folder() == Path("/home/of/nobody/.cache/sqlmigrate")


def test_a_relative_home_is_none(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "somewhere")

    assert kept.folder() is None


def test_the_oldest_are_thrown_out_where_it_becomes_too_much(data, tmp_path):
    place = tmp_path / "cache" / "sqlmigrate"
    size = keep(kept.opened(LIMIT, place), data)
    (place / f"{KEY}.base").unlink()
    small = kept.opened(size * 3, place)
    for number in range(5):
        key = kept.key_of(number)
        keep(small, data, key)
        os.utime(place / f"{key}.base", (number, number))

    assert {entry.key for entry in small.entries()} == {kept.key_of(number) for number in (2, 3, 4)}


def test_what_is_larger_than_the_cache_may_become_is_not_kept(data, tmp_path):
    store = kept.opened(4000, tmp_path / "sqlmigrate")

    with pytest.raises(NotKept, match="larger than"):
        keep(store, data)
    assert list(store.place.iterdir()) == []


def test_folders_in_one_another_without_end_are_not_kept(store, data):
    """Whoever runs programs on the server's account can make them, even so many that no path leads to the last one."""
    (data / "d").mkdir()
    for _ in range(3000):
        (data / "above").mkdir()
        (data / "d").rename(data / "above" / "d")
        (data / "above").rename(data / "d")
    try:
        with pytest.raises(NotKept, match="nested more deeply"):
            keep(store, data)
    finally:
        subprocess.run(["rm", "-rf", "d"], check=True, cwd=data)


@pytest.mark.parametrize("state", [0, 2, 5, 6], ids=["starting", "recovery", "recovering", "running"])
def test_a_server_that_was_not_shut_down_is_not_kept(store, tmp_path, state):
    with pytest.raises(NotKept, match="shut down"):
        keep(store, data_directory(tmp_path / "data", state=state))
    assert store.entries() == []


def test_a_data_directory_with_something_else_than_its_own_files_is_not_kept(store, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("not for the server's account")
    for number, make in enumerate(
        (
            lambda path: path.symlink_to(secret),
            lambda path: path.symlink_to(tmp_path),
            lambda path: path.hardlink_to(secret),
            os.mkfifo,
        )
    ):
        data = data_directory(tmp_path / f"data {number}")
        make(data / "base" / "planted")

        with pytest.raises(NotKept, match="planted"):
            keep(store, data)
    with pytest.raises(NotKept, match="somebody else"):
        store.keep(data_directory(tmp_path / "data"), Manifest(KEY), owner=os.geteuid() + 1)
    assert store.entries() == []


def test_all_is_cleared_and_nothing_else(store, data):
    keep(store, data)
    (store.place / "of the user").write_text("")

    assert store.clear() == 1
    assert [path.name for path in store.place.iterdir()] == ["of the user"]


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlmigrate.server import kept
def counted(name, left):
    real = getattr(os, name)
    def call(*arguments, **options):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(os, name, call)
def keep(left):
    store = kept.opened(1 << 30, Path(sys.argv[1]))
    for name in ("open", "fstat", "fsync", "rename", "unlink", "stat", "listdir"):
        counted(name, left)
    store.keep(Path(sys.argv[2]), kept.Manifest(sys.argv[3], None, {"for": "a test"}), owner=os.geteuid())
for line in sys.stdin:
    child = os.fork()
    if not child:
        keep([int(line)])
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_whoever_is_killed_while_he_keeps_leaves_a_whole_file_or_none(store, data, tmp_path):
    """Each call of the system at which it can happen is tried, on top of what another one has left.

    Each time it is another process, forked from one that has imported all.
    """
    keep(store, data, OTHER)
    found, statuses = [], []
    with started(store.place, data, KEY, program=textwrap.dedent(KILLED), stdin=subprocess.PIPE) as forking:
        for call in range(1, 80):
            forking.stdin.write(f"{call}\n")
            forking.stdin.flush()
            statuses.append(forking.stdout.readline().strip())
            found.append(taken(store, tmp_path))
            assert found[-1] in (None, contents(data)), call
            assert taken(store, tmp_path, OTHER) == contents(data)
            if statuses[-1] != str(-signal.SIGKILL):
                break
            (store.place / f"{KEY}.base").unlink(missing_ok=True)
        forking.stdin.close()
        errors = forking.stderr.read()

    assert statuses == [str(-signal.SIGKILL)] * (len(statuses) - 1) + ["0"], errors
    assert None in found[:-1]
    assert contents(data) in found[:-1]
    assert [path for path in store.place.iterdir() if path.suffix == ".part"] == []


def test_two_who_keep_the_same_at_once_are_no_trouble_to_each_other(store, data, tmp_path, monkeypatch):
    monkeypatch.setattr("sqlmigrate.server.kept.store._WAIT_SECONDS", LONG)  # each gets his turn, however late
    errors = []

    def work() -> None:
        try:
            for _ in range(20):
                keep(store, data)
        except NotKept as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found = store.longest([KEY], TODAY)
        assert found is None or found.key == KEY
    for thread in threads:
        thread.join()

    assert errors == []
    assert taken(store, tmp_path) == contents(data)


def test_what_an_update_changes_is_another_identity(tmp_path, monkeypatch):
    for name in ("bin", "share/extension", "lib"):
        (tmp_path / "pg" / name).mkdir(parents=True)
        (tmp_path / "pg" / name / "file").write_text("1")
    binaries = Binaries(tmp_path / "pg" / "bin", "18.1", 18, "a test")
    known = [kept.identity(binaries)]

    assert kept.identity(binaries) == known[0]
    for name in ("bin", "share/extension", "lib"):
        (tmp_path / "pg" / name / "file").write_text("22")
        known.append(kept.identity(binaries))
    monkeypatch.setenv("LC_COLLATE", "de_DE.UTF-8")
    known.append(kept.identity(binaries))
    monkeypatch.setattr("sqlmigrate.server.kept.machine.__version__", "of tomorrow")
    known.append(kept.identity(binaries))
    known.append(kept.identity(Binaries(binaries.bindir, "18.2", 18, "a test")))
    keys = {kept.key_of(one) for one in known}
    assert len(keys) == len(known)
