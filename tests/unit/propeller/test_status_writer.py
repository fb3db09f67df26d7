import asyncio
from collections.abc import Awaitable, Callable

import pytest

from limosa_propeller.kube.errors import ApiError
from limosa_propeller.runs.status_writer import StatusWriter, Turns
from limosa_propeller.timers import Timers


class Recorder:
    """A run's state, an API server, and a timer that fires when the test says so."""

    def __init__(self) -> None:
        self.version = 0
        self.sent: list[bytes] = []
        self.accepted: list[int] = []
        self.refused: list[int] = []
        self.answers: list[ApiError] = []
        self.delays: list[float] = []
        self.fire: Callable[[], None] = lambda: None

    def wake_in(self, key: object, seconds: float, callback: Callable[[], None]) -> None:
        self.delays.append(seconds)
        self.fire = callback

    def cancel(self, key: object) -> None:
        self.fire = lambda: None

    async def send(self, body: bytes) -> None:
        self.sent.append(body)
        await asyncio.sleep(0)
        if self.answers:
            raise self.answers.pop(0)

    def writer(self, size: int = 10, rate: float = 100.0, turns: Turns | None = None) -> StatusWriter:
        def refused(error: ApiError) -> None:
            self.refused.append(error.status)

        def render() -> tuple[int, bytes]:
            return self.version, b"x" * size

        timers: Timers = self  # type: ignore[assignment]
        send: Callable[[bytes], Awaitable[object]] = self.send
        return StatusWriter(
            "run", timers, render, send, self.accepted.append, refused, 0.5, rate, turns or Turns()
        )


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_first_is_written_at_once_and_the_next_waits() -> None:
    recorder = Recorder()
    writer = recorder.writer()
    writer.touch()
    await settle()
    assert len(recorder.sent) == 1
    recorder.version = 1
    writer.touch()
    writer.touch()
    await settle()
    assert len(recorder.sent) == 1
    assert 0.4 < recorder.delays[-1] <= 0.5
    recorder.fire()
    await settle()
    assert recorder.accepted == [0, 1]


async def test_large_patches_are_further_apart() -> None:
    recorder = Recorder()
    writer = recorder.writer(size=400)
    writer.touch()
    await settle()
    writer.touch()
    assert 3.9 < recorder.delays[-1] <= 4.0


async def test_what_is_waited_for_is_written_at_once() -> None:
    recorder = Recorder()
    writer = recorder.writer()
    writer.touch()
    await settle()
    recorder.version = 7
    writer.demand()
    await settle()
    assert recorder.accepted == [0, 7]


async def test_one_patch_at_a_time() -> None:
    recorder = Recorder()
    writer = recorder.writer()
    writer.touch()
    await asyncio.sleep(0)
    recorder.version = 1
    writer.demand()
    writer.demand()
    await settle()
    assert recorder.accepted == [0, 1]


async def test_trouble_is_waited_out_and_nothing_is_accepted_meanwhile() -> None:
    recorder = Recorder()
    recorder.answers = [ApiError(503, "", "busy"), ApiError(429, "", "slow down", 7.0)]
    writer = recorder.writer()
    writer.demand()
    await settle()
    assert recorder.accepted == []
    assert 0.3 < recorder.delays[-1] < 0.7
    recorder.fire()
    await settle()
    assert 6.9 < recorder.delays[-1] <= 7.0
    recorder.fire()
    await settle()
    assert recorder.accepted == [0]


async def test_a_refusal_is_told_and_not_repeated() -> None:
    recorder = Recorder()
    recorder.answers = [ApiError(422, "Invalid", "no")]
    writer = recorder.writer()
    writer.demand()
    await settle()
    assert recorder.refused == [422]
    assert recorder.delays == []


async def test_a_closed_writer_writes_no_more() -> None:
    recorder = Recorder()
    writer = recorder.writer()
    writer.touch()
    writer.close()
    await settle()
    assert recorder.accepted == []


async def test_one_timer_serves_all_changes_of_an_interval() -> None:
    recorder = Recorder()
    writer = recorder.writer()
    writer.touch()
    await settle()
    for _ in range(5):
        writer.touch()
    assert len(recorder.delays) == 1
    recorder.fire()
    await settle()
    writer.touch()
    assert (len(recorder.sent), len(recorder.delays)) == (2, 2)


async def test_many_runs_take_turns_and_whoever_is_waited_for_does_not() -> None:
    turns, recorders = Turns(per_second=10), [Recorder() for _ in range(4)]
    writers = [recorder.writer(turns=turns) for recorder in recorders]
    for writer in writers[:3]:
        writer.touch()
    writers[3].demand()
    await settle()
    assert [len(recorder.sent) for recorder in recorders] == [1, 0, 0, 1]
    first, second = (recorder.delays[0] for recorder in recorders[1:3])
    assert 0 < first < second <= 0.2
    recorders[1].fire()
    writers[2].demand()
    await settle()
    assert [len(recorder.sent) for recorder in recorders] == [1, 1, 1, 1]


def test_the_slower_the_server_the_rarer_the_turns() -> None:
    turns = Turns(per_second=100)
    for _ in range(50):
        turns.took(0.4)
    turns.take(0.0)
    assert turns.take(0.0) == pytest.approx(0.2, rel=0.01)
    for _ in range(50):
        turns.took(0.001)
    turns.take(10.0)
    assert turns.take(10.0) == pytest.approx(0.01)
