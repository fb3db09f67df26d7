"""The pace of pod creations, as the API server bears it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.pace import Pace


async def use(pace: Pace, error: Exception | None = None) -> None:
    async with pace:
        if error is not None:
            raise error


async def refuse(pace: Pace, after: float = 0.01) -> None:
    with pytest.raises(ApiError):
        await use(pace, ApiError(429, "TooManyRequests", "slow down", after))


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(work(), 20)

    asyncio.run(bounded())


def test_a_429_halves_it_and_success_raises_it_slowly() -> None:
    async def work() -> None:
        pace = Pace(8)
        await refuse(pace)
        assert pace.limit == 4
        for _ in range(3):
            await use(pace)
        assert pace.limit == 4
        for _ in range(50):
            await use(pace)
        assert pace.limit == 8

    run(work)


def test_it_never_comes_to_nothing() -> None:
    async def work() -> None:
        pace = Pace(4)
        for _ in range(6):
            await refuse(pace)
        assert pace.limit == 1
        await use(pace)

    run(work)


def test_nothing_is_asked_for_as_long_as_the_server_says() -> None:
    async def work() -> None:
        pace, loop = Pace(4), asyncio.get_running_loop()
        began = loop.time()
        await refuse(pace, after=0.3)
        await use(pace)
        assert loop.time() - began >= 0.3

    run(work)


def test_other_refusals_leave_it_as_it_is() -> None:
    async def work() -> None:
        pace = Pace(4)
        with pytest.raises(ApiError):
            await use(pace, ApiError(403, "Forbidden", "exceeded quota"))
        assert pace.limit == 4

    run(work)


def test_no_more_than_the_limit_are_under_way_and_everybody_has_a_turn() -> None:
    async def work() -> None:
        pace, most, now = Pace(3), 0, 0

        async def one() -> None:
            nonlocal most, now
            async with pace:
                now += 1
                most = max(most, now)
                try:
                    await asyncio.sleep(0)
                finally:
                    now -= 1

        tasks = [asyncio.ensure_future(one()) for _ in range(20)]
        await asyncio.sleep(0)
        tasks[5].cancel()
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert most == 3
        await use(pace)

    run(work)
