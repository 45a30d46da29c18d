"""How long a server is waited for: never longer than was said, whatever the server does."""

from __future__ import annotations

import pytest

from sqlmigrate.connection import waiting
from sqlmigrate.errors import ConnectionFailed


class Clock:
    """A clock that only waiting moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(waiting, "time", found)
    return found


def looks(clock: Clock, takes: list[float], *, last: float = 1e9) -> type:
    """Give looks that take so long each, the last of them finding a server, and then `last` without one."""
    left = iter(takes)

    class Look:
        def __init__(self, _: str) -> None:
            self.left = next(left, last)
            self.reason = ConnectionFailed("nobody is there")

        def ends_within(self, seconds: float) -> bool:
            waited = min(seconds, self.left)
            clock.now += waited
            self.left -= waited
            if not self.left and not takes:
                self.reason = None
            return not self.left

    return Look


@pytest.mark.parametrize("patience", [1, 500, 1_000, 4_000, 60_000])
@pytest.mark.parametrize("takes", [[], [0.01] * 10_000, [2.0] * 100, [0.5, 100.0], [1.9, 0.01, 50.0]])
def test_no_server_is_waited_for_longer_than_was_said(clock, monkeypatch, patience, takes):
    monkeypatch.setattr(waiting, "_Look", looks(clock, takes))

    with pytest.raises(ConnectionFailed, match=r"^nobody is there"):
        waiting.wait_for("host=x dbname=y user=z", patience, lambda _: None)

    assert clock.now == pytest.approx(max(patience / 1000, min(1.0, (takes or [1.0])[0])))


def test_a_server_that_answers_is_not_waited_for(clock, monkeypatch):
    told = []
    monkeypatch.setattr(waiting, "_Look", looks(clock, [], last=0.3))

    waiting.wait_for("host=x dbname=y user=z", 60_000, told.append)

    assert told == []
    assert clock.now == pytest.approx(0.3)
