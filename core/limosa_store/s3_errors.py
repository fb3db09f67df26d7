"""From obstore's exceptions to the store's error codes."""

import re

from obstore import exceptions

from limosa_store.errors import ErrorCode

FAILURES = (exceptions.BaseError, FileNotFoundError, OSError, ValueError)
"""What obstore raises for anything but a bug of ours."""

REMEDIES = {
    ErrorCode.NOT_FOUND: "check the bucket and the key",
    ErrorCode.UNAUTHORISED: "check the access key, its policy, the region and this machine's clock",
    ErrorCode.UNREACHABLE: "check that the endpoint runs and can be reached from here",
    ErrorCode.NO_SPACE: "free space on the disk behind the endpoint, or raise its quota",
    ErrorCode.IO: "see the endpoint's log",
}

# The machine-readable code of the service's XML answer, which obstore passes on inside its error's text.
_SERVICE_CODE = re.compile(r"<Code>(\w+)</Code>")
_SERVICE_MESSAGE = re.compile(r"<Message>([^<]+)</Message>")
_BY_SERVICE_CODE = {
    "NoSuchKey": ErrorCode.NOT_FOUND,
    "NoSuchBucket": ErrorCode.NOT_FOUND,
    "AccessDenied": ErrorCode.UNAUTHORISED,
    "ExpiredToken": ErrorCode.UNAUTHORISED,
    "InvalidAccessKeyId": ErrorCode.UNAUTHORISED,
    "InvalidToken": ErrorCode.UNAUTHORISED,
    "RequestTimeTooSkewed": ErrorCode.UNAUTHORISED,
    "SignatureDoesNotMatch": ErrorCode.UNAUTHORISED,
    "InsufficientStorage": ErrorCode.NO_SPACE,
    "XMinioStorageFull": ErrorCode.NO_SPACE,
    "QuotaExceeded": ErrorCode.NO_SPACE,
    "KeyTooLongError": ErrorCode.INVALID_KEY,
}
_BY_TYPE: tuple[tuple[type[Exception], ErrorCode], ...] = (
    (FileNotFoundError, ErrorCode.NOT_FOUND),
    (exceptions.PermissionDeniedError, ErrorCode.UNAUTHORISED),
    (exceptions.UnauthenticatedError, ErrorCode.UNAUTHORISED),
    (exceptions.InvalidPathError, ErrorCode.INVALID_KEY),
    (exceptions.UnknownConfigurationKeyError, ErrorCode.INVALID_SETTINGS),
    (ValueError, ErrorCode.INVALID_SETTINGS),
    # What is left once obstore's retries ended: no connection, no answer in time, or only 5xx.
    (exceptions.GenericError, ErrorCode.UNREACHABLE),
)


def code_of(error: Exception) -> ErrorCode:
    """Returns the store's code for an exception of obstore."""
    service = _SERVICE_CODE.search(str(error))
    if service and service[1] in _BY_SERVICE_CODE:
        return _BY_SERVICE_CODE[service[1]]
    return next((code for kind, code in _BY_TYPE if isinstance(error, kind)), ErrorCode.IO)


def detail_of(error: Exception) -> str:
    """Returns the one line of an exception of obstore that a person needs."""
    text = str(error)
    service, message = _SERVICE_CODE.search(text), _SERVICE_MESSAGE.search(text)
    if service:
        return f"{service[1]}: {message[1]}" if message else service[1]
    return text.partition("\n")[0][:300]
