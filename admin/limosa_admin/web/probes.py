"""Health for kubelets and load balancers."""

import threading

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from limosa_admin import VERSION
from limosa_admin.store.database import Database


class Probes:
    """Alive while the process serves; ready while the database answers and nobody asked it to stop."""

    def __init__(self, database: Database, stopping: threading.Event) -> None:
        self._database = database
        self._stopping = stopping

    async def alive(self, request: Request) -> Response:
        """200 as long as requests are answered."""
        return JSONResponse({"status": "ok", "version": VERSION})

    async def ready(self, request: Request) -> Response:
        """200 when calls can be served, else 503."""
        if self._stopping.is_set():
            return JSONResponse({"error": "shutting down"}, 503)
        await run_in_threadpool(self._database.ping)
        return JSONResponse({"status": "ready", "version": VERSION})
