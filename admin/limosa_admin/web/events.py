"""Server-sent events: pages that change while somebody looks."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from limosa_admin.identity import Identity
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.store.changes import RUNS, Changes, run_topic
from limosa_admin.web.html import Markup, text
from limosa_admin.web.run_page import Choice, RunPage, choice, log_line
from limosa_admin.web.runs_page import RunsPage

Renderer = Callable[[], tuple[dict[str, Markup], bool]]
"""Renders the parts of a page by element id, and says whether they will not change any more."""
MOST_STREAMS = 200
QUIET_S = 0.4
"""Shortest time between two renderings for one browser."""
TICK_S = 3.0
"""Bars of what runs grow at least so often; it also finds browsers that left."""


class Events:
    """Each stream sends the parts of its page that differ from what it sent before."""

    def __init__(
        self, runs_page: RunsPage, run_page: RunPage, changes: Changes, stopping: threading.Event
    ) -> None:
        self._runs_page = runs_page
        self._run_page = run_page
        self._changes = changes
        self._stopping = stopping
        self._open = 0

    async def runs(self, request: Request) -> Response:
        """The list of runs."""
        identity: Identity = request.state.identity
        query = dict(request.query_params)

        def render() -> tuple[dict[str, Markup], bool]:
            return self._runs_page.parts(identity, query), False

        return self._stream(request, RUNS, render)

    async def run(self, request: Request) -> Response:
        """One run, until it has ended."""
        identity: Identity = request.state.identity
        chosen = choice(request)
        row = await run_in_threadpool(self._run_page.row, identity, chosen)

        def render() -> tuple[dict[str, Markup], bool]:
            return self._run_page.parts(identity, chosen)

        return self._stream(request, run_topic(row["uid"]), render)

    async def log(self, request: Request) -> Response:
        """The log of what is looked at: its last lines, then what follows."""
        self._check_room()
        return _response(self._log(request, request.state.identity, choice(request)))

    def _stream(self, request: Request, topic: str, render: Renderer) -> Response:
        self._check_room()
        return _response(self._parts(request, topic, render))

    async def _parts(self, request: Request, topic: str, render: Renderer) -> AsyncIterator[str]:
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        sent: dict[str, Markup] = {}
        self._open += 1
        try:
            with self._changes.subscribe(topic, lambda: _set(loop, changed)):
                while not self._stopping.is_set() and not await request.is_disconnected():
                    begun = time.monotonic()
                    changed.clear()
                    parts, over = await run_in_threadpool(render)
                    news = {name: part for name, part in parts.items() if sent.get(name) != part}
                    sent.update(news)
                    yield _event("parts", json.dumps(news)) if news else ": still here\n\n"
                    if over:
                        yield _event("end", "")
                        return
                    await asyncio.sleep(max(QUIET_S - (time.monotonic() - begun), 0.05))
                    await _wait(changed, TICK_S)
        except RequestError as error:
            # Deleted, or no longer allowed: the stream has begun, so only an event can say so.
            yield _event("refused", json.dumps(error.message))
        finally:
            self._open -= 1

    async def _log(self, request: Request, identity: Identity, chosen: Choice) -> AsyncIterator[str]:
        self._open += 1
        try:
            log = await run_in_threadpool(self._run_page.log, identity, chosen)
            while not self._stopping.is_set() and not await request.is_disconnected():
                chunks = await run_in_threadpool(lambda: list(log.read()))
                lines = text([log_line(chunk, chosen) for chunk in chunks])
                yield _event("lines", json.dumps(lines)) if lines else ": still here\n\n"
                if not log.more:
                    yield _event("end", "")
                    return
                await asyncio.sleep(1.0)
        except RequestError as error:
            yield _event("refused", json.dumps(error.message))
        finally:
            self._open -= 1

    def _check_room(self) -> None:
        if self._open >= MOST_STREAMS:
            raise RequestError(Reason.EXHAUSTED, f"{MOST_STREAMS} pages are open already; reload in a moment")


def _response(events: AsyncIterator[str]) -> Response:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"


def _set(loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(changed.set)


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(changed.wait(), seconds)
    except asyncio.TimeoutError:
        return
