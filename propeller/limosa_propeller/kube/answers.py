"""What every answer of the API server tells, whoever asked: the leases' requests, kopf's and ours."""

from collections.abc import Callable
from time import perf_counter
from types import SimpleNamespace
from typing import Any, NamedTuple

import aiohttp

WATCH = "WATCH"
"""The verb of a request whose answer goes on; its time is that until the answer began."""


class Hearer(NamedTuple):
    """Who is told of every answer."""

    seen: Callable[[str, int, float], None]
    """Told of each request: HTTP method or WATCH, status (0: no answer), seconds until the answer was there."""
    dated: Callable[[str], None]
    """Told of the Date headers."""


NOBODY = Hearer(lambda method, status, seconds: None, lambda date: None)


def told_to(hearer: Hearer) -> aiohttp.TraceConfig:
    """What a session tells of its answers."""
    traced = aiohttp.TraceConfig()

    async def begin(session: Any, context: SimpleNamespace, params: aiohttp.TraceRequestStartParams) -> None:
        context.begun = perf_counter()

    async def end(session: Any, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        verb = WATCH if params.url.query.get("watch") == "true" else params.method
        hearer.seen(verb, params.response.status, perf_counter() - context.begun)
        date = params.response.headers.get("Date")
        if date is not None:
            hearer.dated(date)

    async def fail(
        session: Any, context: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
    ) -> None:
        verb = WATCH if params.url.query.get("watch") == "true" else params.method
        hearer.seen(verb, 0, perf_counter() - context.begun)

    traced.on_request_start.append(begin)
    traced.on_request_end.append(end)
    traced.on_request_exception.append(fail)
    return traced
