"""What a server or the network between can refuse."""

from collections.abc import Sequence

import grpc

from limosa.errors import LimosaError
from limosa.remote.endpoint import Target
from limosa_idl.core.v1alpha1.failure_pb2 import Failure

FAILURE_KEY = "limosa-failure-bin"


class RemoteError(LimosaError):
    """A call was not carried out; `code` is one of those below."""

    UNREACHABLE = "Unreachable"
    UNAUTHENTICATED = "Unauthenticated"
    FORBIDDEN = "Forbidden"
    INVALID = "Invalid"
    NOT_FOUND = "NotFound"
    EXISTS = "Exists"
    PRECONDITION = "Precondition"
    EXHAUSTED = "Exhausted"
    TIMEOUT = "Timeout"
    TRANSFER = "Transfer"
    CORRUPT = "CorruptData"
    SERVER = "Server"

    is_mistake = False
    failure: Failure | None = None
    """What the server added, where it said more."""
    known_runs: Sequence[str] | None = None
    """Names of the newest runs, where the one asked for is not there."""


_CODES = {
    grpc.StatusCode.UNAVAILABLE: RemoteError.UNREACHABLE,
    grpc.StatusCode.UNAUTHENTICATED: RemoteError.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: RemoteError.FORBIDDEN,
    grpc.StatusCode.INVALID_ARGUMENT: RemoteError.INVALID,
    grpc.StatusCode.NOT_FOUND: RemoteError.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: RemoteError.EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION: RemoteError.PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED: RemoteError.EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED: RemoteError.TIMEOUT,
    grpc.StatusCode.DATA_LOSS: RemoteError.CORRUPT,
}


def is_transient(error: grpc.RpcError) -> bool:
    """Whether the same call may succeed in a moment."""
    return _status(error) is grpc.StatusCode.UNAVAILABLE


def from_rpc(error: grpc.RpcError, target: Target, *, sent_token: bool) -> RemoteError:
    """The error a person sees for a failed call."""
    status, details = _status(error), _details(error)
    code = _CODES.get(status, RemoteError.SERVER)
    message, remedy = details, ""
    if code == RemoteError.UNREACHABLE:
        message = f"admin does not answer ({_brief(details)})"
        remedy = _unreachable_remedy(target)
    elif code == RemoteError.UNAUTHENTICATED:
        message = (
            f"admin does not accept the token: {details}"
            if sent_token
            else "admin wants a token; none is set"
        )
        remedy = _token_remedy(target)
    elif code == RemoteError.TIMEOUT:
        message = "admin did not answer in time"
        remedy = "try again; `limosa doctor` checks the connection"
    elif code == RemoteError.CORRUPT:
        remedy = "asking again gives the same; if there is a backup of the store, restore the object from it"
    elif status is grpc.StatusCode.UNIMPLEMENTED:
        message = f"admin knows no such call: {details}"
        remedy = "it is older than this `limosa`: `limosa doctor` shows both versions; upgrade the platform"
    elif code == RemoteError.SERVER:
        message = f"admin failed ({status.name}): {details}"
        remedy = "try again; its log says more"
    made = RemoteError(code=code, message=message, place=target.describe(), remedy=remedy)
    made.failure = _failure(error)
    return made


def _unreachable_remedy(target: Target) -> str:
    if target.context == "demo" or target.endpoint.is_loopback:
        return "start the platform with `limosa demo start`, or choose another context with `limosa config use NAME`"
    return "check the address, your network and VPN; `limosa config show` tells where the endpoint comes from"


def _token_remedy(target: Target) -> str:
    if target.context == "demo":
        return "run `limosa demo start`, which renews the context's token"
    return "set LIMOSA_TOKEN, or store a token with `limosa config add NAME --endpoint … --token-file …`"


def _status(error: grpc.RpcError) -> grpc.StatusCode:
    status = error.code() if isinstance(error, grpc.Call) else None
    return status if isinstance(status, grpc.StatusCode) else grpc.StatusCode.UNKNOWN


def _details(error: grpc.RpcError) -> str:
    return (error.details() or "") if isinstance(error, grpc.Call) else str(error)


def _brief(details: str) -> str:
    lowered = details.lower()
    for sign, text in (
        ("connection refused", "connection refused"),
        ("ssl", "the TLS handshake failed"),
        ("tls", "the TLS handshake failed"),
        ("dns", "the host name is not known"),
        ("name resolution", "the host name is not known"),
        ("timed out", "the connection timed out"),
        ("timeout", "the connection timed out"),
        ("shutting down", "it is shutting down"),
        ("socket closed", "the connection broke"),
        ("connection reset", "the connection broke"),
    ):
        if sign in lowered:
            return text
    return details.splitlines()[0][:200] if details else "no answer"


def _failure(error: grpc.RpcError) -> Failure | None:
    if not isinstance(error, grpc.Call):
        return None
    for key, value in error.trailing_metadata() or ():
        if key == FAILURE_KEY and isinstance(value, bytes):
            return Failure.FromString(value)
    return None
