"""Waiting until a part answers over HTTP."""

import asyncio
import time
from collections.abc import Callable, Collection
from urllib.parse import urlsplit


class NotReady(RuntimeError):
    """A part ended, or time was up, before it answered as expected."""


async def wait_http(
    url: str, alive: Callable[[], bool], timeout_s: float, ready: Collection[int] = (200,)
) -> None:
    """Waits until GET answers with one of the statuses in `ready`.

    Raises:
        NotReady: `alive` said no, or `timeout_s` seconds passed.
    """
    limit = time.monotonic() + timeout_s
    while True:
        if await _status(url) in ready:
            return
        if not alive() or time.monotonic() > limit:
            raise NotReady(url)
        await asyncio.sleep(0.03)


async def _status(url: str) -> int:
    parts = urlsplit(url)
    assert parts.hostname is not None
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, parts.port), 2.0)
    except (OSError, asyncio.TimeoutError):
        return 0
    try:
        writer.write(f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        line = await asyncio.wait_for(reader.readline(), 5.0)
        words = line.split()
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    except (OSError, asyncio.TimeoutError):
        return 0
    finally:
        writer.close()
