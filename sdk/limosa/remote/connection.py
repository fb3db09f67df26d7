"""One channel to admin, and calls on it."""

import random
import time
from collections.abc import Iterator
from typing import Any, TypeVar

import grpc

from limosa.errors import LimosaError
from limosa.remote.endpoint import Target
from limosa.remote.errors import from_rpc, is_transient
from limosa.version import VERSION

_Response = TypeVar("_Response")

CALL_TIMEOUT_S = 60.0
RETRY_PAUSES_S = (0.2, 0.6, 1.2)
"""Waits before a call is repeated while the server does not answer; every call may be repeated."""
RESTART_PAUSES_S = (0.2, 0.6, 1.2, 2.0, 3.0, 3.0)
"""The same of a server that has answered before: long enough for it to be started again."""
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class Connection:
    """A channel that carries the target's token and turns gRPC's errors into ours."""

    def __init__(self, target: Target) -> None:
        """Connects at the first call."""
        self.target = target
        self.channel = _open_channel(target)
        self._metadata = (("authorization", f"Bearer {_checked(target)}"),) if target.token else ()
        self._has_answered = False

    def call(self, method: "grpc.UnaryUnaryMultiCallable[Any, _Response]", request: Any) -> _Response:
        """One answer, the call being repeated briefly while the server is not there.

        Raises:
            RemoteError: It was refused, or nobody answered.
        """
        for pause in (*(RESTART_PAUSES_S if self._has_answered else RETRY_PAUSES_S), None):
            try:
                answer = method(request, timeout=CALL_TIMEOUT_S, metadata=self._metadata)
                self._has_answered = True
                return answer
            except grpc.RpcError as error:
                if pause is None or not is_transient(error):
                    raise self.error(error) from error
            time.sleep(pause * random.uniform(0.8, 1.2))
        raise AssertionError("the last attempt returns or raises")

    def stream(
        self, method: "grpc.UnaryStreamMultiCallable[Any, _Response]", request: Any, timeout: float | None
    ) -> Iterator[_Response]:
        """Answers as they come; raises grpc.RpcError. Closing the iterator ends the call."""
        answers = method(request, timeout=timeout, metadata=self._metadata)
        try:
            yield from answers
        finally:
            answers.cancel()

    def error(self, error: grpc.RpcError) -> LimosaError:
        """Our error for gRPC's."""
        return from_rpc(error, self.target, sent_token=bool(self._metadata))

    def close(self) -> None:
        """Ends the channel and every call on it."""
        self.channel.close()


def backoff() -> Iterator[float]:
    """Endless pauses in seconds, growing from 0.25 to 2, jittered."""
    pause = 0.25
    while True:
        yield pause * random.uniform(0.8, 1.2)
        pause = min(pause * 2, 2.0)


def _checked(target: Target) -> str:
    if target.token.isascii() and target.token.isprintable():
        return target.token
    raise LimosaError(
        code="Unauthenticated",
        message="the token has characters that no token has",
        place=target.describe(),
        remedy="copy it again, without what stands around it; `limosa config show` tells where it is set",
    )


def _open_channel(target: Target) -> grpc.Channel:
    options = [
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
        # A server that vanished without a word is noticed while a watch is open.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.primary_user_agent", f"limosa/{VERSION}"),
    ]
    endpoint = target.endpoint
    if endpoint.is_loopback:
        options.append(("grpc.enable_http_proxy", 0))
    if not endpoint.secure:
        return grpc.insecure_channel(endpoint.address, options=options)
    roots = _roots(target)
    return grpc.secure_channel(endpoint.address, grpc.ssl_channel_credentials(roots), options=options)


def _roots(target: Target) -> bytes | None:
    if target.ca_certificate is None:
        return None
    try:
        return target.ca_certificate.read_bytes()
    except OSError as error:
        raise LimosaError(
            code="BadCertificate",
            message=f"cannot read the certificate: {error.strerror or error}",
            place=str(target.ca_certificate),
            remedy="correct ca_certificate; `limosa config show` tells where it is set",
        ) from error
