import asyncio

import pytest

from limosa_propeller.loops import run_together


async def endless(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        # Its own clean-up takes a while.
        await asyncio.sleep(0)
        ended.append("endless")


async def test_an_error_of_one_ends_the_others_first() -> None:
    ended: list[str] = []

    async def breaks() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await run_together(endless(ended), breaks())
    assert ended == ["endless"]


async def test_cancelling_it_ends_all_of_them_first() -> None:
    ended: list[str] = []
    both = asyncio.ensure_future(run_together(endless(ended), endless(ended)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    both.cancel()
    with pytest.raises(asyncio.CancelledError):
        await both
    assert ended == ["endless", "endless"]
