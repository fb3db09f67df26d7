"""Endless loops side by side."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def run_together(*works: Coroutine[Any, Any, None]) -> None:
    """Runs all of them; when one ends by an error, or this is cancelled, the others are over before it returns.

    `asyncio.gather` would leave them behind, at work on what their owner has closed meanwhile.
    """
    loops = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*loops)
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
