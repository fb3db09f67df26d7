"""From a method's name to its handler: authenticate, authorise, bound, call, map errors."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from limosa_admin.access import GRPC_METHODS, check_registry
from limosa_admin.authentication import Authenticator, authorise
from limosa_admin.identity import Identity, Role
from limosa_admin.metrics import Metrics
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.rpc.call import Call
from limosa_admin.structured_log import request_id
from limosa_store import ErrorCode, StoreError

_STATUS = {
    Reason.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Reason.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Reason.PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.TOO_LATE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.DAMAGED: grpc.StatusCode.DATA_LOSS,
}
_STORE_REASON = {
    ErrorCode.NOT_FOUND: Reason.NOT_FOUND,
    ErrorCode.INVALID_KEY: Reason.INVALID,
    ErrorCode.NO_SPACE: Reason.EXHAUSTED,
}
FAILURE_KEY = "limosa-failure-bin"
REQUEST_ID_KEY = "limosa-request-id"
_log = logging.getLogger(__name__)


class Bounds:
    """How many calls of one sort may be under way, so that waiting ones leave threads for the others."""

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most
        self._free = threading.BoundedSemaphore(most)

    def enter(self) -> None:
        """Takes a place. Raises RequestError(EXHAUSTED) when there is none."""
        if not self._free.acquire(blocking=False):
            message = f"this server serves at most {self._most} {self._what} at a time; try again in a moment"
            raise RequestError(Reason.EXHAUSTED, message)

    def leave(self) -> None:
        """Gives the place back."""
        self._free.release()


class Router(grpc.GenericRpcHandler):
    """Serves the methods of service classes: each has a method of the same name in snake_case, (request, call)."""

    def __init__(
        self,
        services: Mapping[ServiceDescriptor, object],
        authenticator: Authenticator,
        stopping: threading.Event,
        max_message_bytes: int,
        bounds: Mapping[str, Bounds],
        metrics: Metrics,
    ) -> None:
        """Raises RegistryError unless every method served has a role and every role's method is served.

        Args:
            services: What implements each service.
            authenticator: Knows tokens.
            stopping: Set when the server shuts down.
            max_message_bytes: Largest request and answer.
            bounds: For "unary" calls, "poll" (Sync) and "stream".
            metrics: Told of every call.
        """
        self._metrics = metrics
        self._authenticator = authenticator
        self._stopping = stopping
        self._max_bytes = max_message_bytes
        self._bounds = bounds
        self._handlers = {
            f"/{service.full_name}/{method.name}": self._handler(method, implementation)
            for service, implementation in services.items()
            for method in service.methods
            if hasattr(implementation, snake_case(method.name))
        }
        check_registry("gRPC", GRPC_METHODS, self._handlers)

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a method, None for one that does not exist."""
        return self._handlers.get(handler_call_details.method)

    def _handler(self, method: MethodDescriptor, implementation: object) -> Any:
        path = f"/{method.containing_service.full_name}/{method.name}"
        function = getattr(implementation, snake_case(method.name))
        streams = method.server_streaming
        kind = "stream" if streams else "poll" if method.name == "Sync" else "unary"
        make = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
        return make(
            (self._stream if streams else self._unary)(path, function, self._bounds[kind]),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )

    def _unary(self, path: str, function: Callable[[Any, Call], Message], bounds: Bounds) -> Any:
        def serve(request: Message, context: grpc.ServicerContext) -> Message:
            with _Outcome(path, context, self._metrics) as outcome:
                call = self._open(path, request, context)
                outcome.who = call.who
                bounds.enter()
                try:
                    answer = function(request, call)
                    self._check_answer(answer)
                    return answer
                finally:
                    bounds.leave()

        return serve

    def _stream(self, path: str, function: Callable[[Any, Call], Iterator[Message]], bounds: Bounds) -> Any:
        def serve(request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
            with _Outcome(path, context, self._metrics) as outcome:
                call = self._open(path, request, context)
                outcome.who = call.who
                bounds.enter()
                try:
                    for answer in function(request, call):
                        self._check_answer(answer)
                        yield answer
                finally:
                    bounds.leave()

        return serve

    def _open(self, path: str, request: Message, context: grpc.ServicerContext) -> Call:
        needed = GRPC_METHODS[path]
        header = _metadata(context, "authorization")
        who: Identity | None = None
        if needed is not Role.PUBLIC:
            who = self._authenticator.bearer(header)
            authorise(who, needed, path.rpartition("/")[2])
        elif header:
            who = self._bearer_if_valid(header)
        size = request.ByteSize()
        if size > self._max_bytes:
            raise RequestError(
                Reason.INVALID, f"the request is {size} bytes; at most {self._max_bytes} are taken"
            )
        if (context.time_remaining() or 1) <= 0:
            raise RequestError(Reason.TOO_LATE, "the call's deadline passed before it was begun")
        return Call(who, context, self._stopping)

    def _bearer_if_valid(self, header: str) -> Identity | None:
        try:
            return self._authenticator.bearer(header)
        except RequestError as error:
            if error.reason is not Reason.UNAUTHENTICATED:
                raise
            return None

    def _check_answer(self, answer: Message) -> None:
        size = answer.ByteSize()
        if size > self._max_bytes:
            message = f"the answer would be {size} bytes and at most {self._max_bytes} are sent"
            raise RequestError(Reason.EXHAUSTED, f"{message}; ask for a part of it")


class _Outcome:
    """Ends a call: logs it, and turns whatever was raised into a status."""

    def __init__(self, path: str, context: grpc.ServicerContext, metrics: Metrics) -> None:
        self._metrics = metrics
        self.who: Identity | None = None
        self._path = path
        self._context = context
        self._id = _metadata(context, "x-request-id")[:64] or uuid.uuid4().hex
        self._begun = time.monotonic()

    def __enter__(self) -> "_Outcome":
        request_id.set(self._id)
        self._context.set_trailing_metadata(((REQUEST_ID_KEY, self._id),))
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, GeneratorExit):
            return self._record("CANCELLED")
        if error is None:
            return self._record("OK")
        refusal = _refusal(error)
        if refusal is None:
            _log.error("a call failed with a bug", extra={"method": self._path}, exc_info=error)
            self._record("INTERNAL")
            return self._abort(
                grpc.StatusCode.INTERNAL, f"internal error; the server's log has it under {self._id}"
            )
        status = _STATUS[refusal.reason]
        self._record(status.name, refusal.message)
        if refusal.failure is not None:
            failure = refusal.failure.SerializeToString()
            self._context.set_trailing_metadata(((REQUEST_ID_KEY, self._id), (FAILURE_KEY, failure)))
        return self._abort(status, refusal.message)

    def _abort(self, status: grpc.StatusCode, message: str) -> None:
        # gRPC ends the call by raising; the error above is its cause only by accident.
        self._context.abort(status, message[:4000])

    def _record(self, status: str, message: str = "") -> None:
        seconds = time.monotonic() - self._begun
        self._metrics.called(self._path.rpartition(".")[2], status, seconds)
        extra: dict[str, object] = {
            "method": self._path,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "subject": self.who.subject if self.who else "",
        }
        if message:
            extra["reason"] = message[:500]
        _log.info("call", extra=extra)


def snake_case(name: str) -> str:
    """Writes "GetRunData" as "get_run_data"."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")


def _refusal(error: BaseException) -> RequestError | None:
    if isinstance(error, RequestError):
        return error
    if isinstance(error, StoreError):
        reason = _STORE_REASON.get(error.code, Reason.UNAVAILABLE)
        return RequestError(reason, f"object store: {error.message}")
    return None


def _metadata(context: grpc.ServicerContext, key: str) -> str:
    pairs: Sequence[Any] = context.invocation_metadata() or ()
    return next((str(value) for name, value in pairs if name == key), "")
