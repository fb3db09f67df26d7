"""The standard health service."""

from collections.abc import Iterator

from grpc_health.v1 import health_pb2

from limosa_admin.request_errors import RequestError
from limosa_admin.rpc.call import Call, wait
from limosa_admin.store.database import Database

_WATCH_EVERY_S = 5.0


class HealthService:
    """SERVING while the database answers and the server does not shut down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self, request: health_pb2.HealthCheckRequest, call: Call) -> health_pb2.HealthCheckResponse:
        """The state now. All services share one, so the service's name is not read."""
        return health_pb2.HealthCheckResponse(status=self._status(call))

    def watch(
        self, request: health_pb2.HealthCheckRequest, call: Call
    ) -> Iterator[health_pb2.HealthCheckResponse]:
        """The state now and when it changes."""
        ended = call.waker()
        last = None
        while call.context.is_active():
            status = self._status(call)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
                last = status
            if call.stopping.is_set():
                return
            wait(ended, _WATCH_EVERY_S)

    def _status(self, call: Call) -> "health_pb2.HealthCheckResponse.ServingStatus.ValueType":
        if call.stopping.is_set():
            return health_pb2.HealthCheckResponse.NOT_SERVING
        try:
            self._database.ping()
        except RequestError:
            return health_pb2.HealthCheckResponse.NOT_SERVING
        return health_pb2.HealthCheckResponse.SERVING
