"""What can go wrong with an object store, as one error type with a code to decide on."""

from enum import Enum


class ErrorCode(str, Enum):
    """Why a store operation failed. Callers decide by it, never by the message."""

    NOT_FOUND = "NOT_FOUND"
    """There is no such object, or no such bucket."""
    UNAUTHORISED = "UNAUTHORISED"
    """The credentials are missing, wrong, expired or not allowed to do this."""
    UNREACHABLE = "UNREACHABLE"
    """The service did not answer, or answered that it cannot serve now."""
    NO_SPACE = "NO_SPACE"
    """The disk or the quota behind the store is full."""
    INVALID_KEY = "INVALID_KEY"
    """The key is not one that every implementation can hold."""
    INVALID_SETTINGS = "INVALID_SETTINGS"
    """The URL or the credentials settings make no sense."""
    NO_CONDITIONAL_WRITES = "NO_CONDITIONAL_WRITES"
    """The service ignores `If-None-Match: *`, which commits rest on."""
    IO = "IO"
    """The file system or the service refused the operation for another reason."""


_RETRYABLE = frozenset({ErrorCode.UNREACHABLE, ErrorCode.NO_SPACE})


class StoreError(Exception):
    """A store operation that failed after the store's own bounded retries.

    Attributes:
        code: what to decide on.
        message: names thing, place and remedy; holds no credentials.
        retryable: whether the same call can succeed later without anyone changing settings.
    """

    def __init__(self, code: ErrorCode, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = code in _RETRYABLE if retryable is None else retryable

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.code.value, self.message, self.retryable))

    def __str__(self) -> str:
        return self.message


def _rebuild(code: str, message: str, retryable: bool) -> StoreError:
    return StoreError(ErrorCode(code), message, retryable=retryable)
