import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from limosa_propeller.timers import Timers


class Loop:
    """The part of an event loop that timers use, with a clock that a test turns."""

    def __init__(self) -> None:
        self.now = 0.0
        self.handles: list[tuple[float, Callable[[], None], Handle]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> "Handle":
        handle = Handle()
        self.handles.append((when, callback, handle))
        return handle

    def turn_to(self, now: float) -> None:
        while due := [h for h in self.handles if h[0] <= now and not h[2].is_cancelled]:
            entry = min(due, key=lambda h: h[0])
            self.handles.remove(entry)
            self.now = max(self.now, entry[0])
            entry[1]()
        self.now = now


class Handle:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


def make() -> tuple[Loop, Timers, list[str]]:
    loop = Loop()
    return loop, Timers(loop), []  # type: ignore[arg-type]


def test_each_fires_at_its_time_with_one_handle_standing() -> None:
    loop, timers, fired = make()
    for key, delay in (("b", 2.0), ("a", 1.0), ("c", 3.0)):
        timers.wake_in(key, delay, lambda key=key: fired.append(key))
    assert len([h for h in loop.handles if not h[2].is_cancelled]) == 1
    loop.turn_to(2.5)
    assert fired == ["a", "b"]
    loop.turn_to(4)
    assert fired == ["a", "b", "c"]


def test_a_new_time_replaces_the_old() -> None:
    loop, timers, fired = make()
    timers.wake_in("a", 1, lambda: fired.append("old"))
    timers.wake_in("a", 5, lambda: fired.append("new"))
    loop.turn_to(4)
    assert fired == []
    loop.turn_to(6)
    assert fired == ["new"]


def test_cancelled_and_closed_timers_are_silent() -> None:
    loop, timers, fired = make()
    timers.wake_in("a", 1, lambda: fired.append("a"))
    timers.wake_in("b", 2, lambda: fired.append("b"))
    timers.cancel("a")
    timers.cancel("never")
    loop.turn_to(1.5)
    timers.close()
    loop.turn_to(9)
    assert fired == []


async def wait_for_two_at_once() -> None:
    timers, done = Timers(asyncio.get_running_loop()), asyncio.Event()
    timers.wake_in("a", 0.0, lambda: timers.wake_in("c", 0.0, done.set))
    timers.wake_in("b", 0.0, lambda: None)
    await done.wait()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_on_a_real_loop(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    run(wait_for_two_at_once())


def test_replaced_wake_ups_do_not_pile_up() -> None:
    loop = Loop()
    timers = Timers(loop)  # type: ignore[arg-type]
    fired: list[int] = []
    for number in range(2000):
        timers.wake_in("run", 3600 - number, lambda number=number: fired.append(number))
        timers.wake_in(f"run {number}", 3600, lambda: fired.append(-1))
        timers.cancel(f"run {number}")
    assert len(timers) < 200
    loop.turn_to(1602.0)
    assert fired == [1999]
