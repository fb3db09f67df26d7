"""What probes ask: is the process alive, does it work on runs."""

from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from limosa_propeller.metrics import CONTENT_TYPE, Metrics


class Health:
    """/healthz answers while the event loop turns; /readyz once this process leads and has read the cluster.

    /metrics is what Prometheus reads.
    """

    def __init__(self, endpoint: str, is_ready: Callable[[], bool], metrics: Metrics) -> None:
        parts = urlsplit(endpoint)
        self._host, self._port = parts.hostname or "0.0.0.0", parts.port or 8080
        self._is_ready = is_ready
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Begins to listen. Raises OSError when the port is taken."""
        app = web.Application()
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._show)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def close(self) -> None:
        """Stops listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _alive(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _show(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n") if self._is_ready() else web.Response(status=503, text="waiting\n")
