"""What Prometheus reads."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from limosa_admin.metrics import CONTENT_TYPE, Metrics, Row
from limosa_admin.store import counts
from limosa_admin.store.database import Database


class MetricsPage:
    """Serves /metrics to whoever has a viewer's token for every project."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics

    async def show(self, request: Request) -> Response:
        """The metrics in Prometheus' text format."""
        text = await run_in_threadpool(self._metrics.text, self._read)
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    def _read(self) -> list[Row]:
        with self._database.snapshot() as connection:
            return counts.read(connection)
