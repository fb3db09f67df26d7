"""Conditional requests: which version a reader or writer accepts."""

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from limosa_sandbox.s3.errors import S3Error, no_such_key
from limosa_sandbox.s3.signature import SignedRequest
from limosa_store.tree import StoredFile

_PRECONDITION = (412, "PreconditionFailed", "At least one of the preconditions you specified did not hold.")


class NotModified(Exception):
    """The reader has this version already."""


def check_read(request: SignedRequest, file: StoredFile) -> None:
    """Applies If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since to a GET or HEAD.

    Raises:
        S3Error: PreconditionFailed.
        NotModified: when the reader's copy is current.
    """
    modified = int(file.modified)
    if_match, if_none_match = request.header("if-match"), request.header("if-none-match")
    if if_match:
        if not _matches(if_match, file.etag):
            raise S3Error(*_PRECONDITION)
    elif _is_after(modified, request.header("if-unmodified-since")):
        raise S3Error(*_PRECONDITION)
    if if_none_match:
        if _matches(if_none_match, file.etag):
            raise NotModified
    elif _is_after(modified, request.header("if-modified-since")) is False:
        raise NotModified


def must_be_absent(request: SignedRequest) -> bool:
    """Says whether a write may only create: `If-None-Match: *`, the one form S3 has for writes."""
    value = request.header("if-none-match")
    if value and value != "*":
        raise S3Error(501, "NotImplemented", "A write's If-None-Match can only be *.")
    return bool(value)


def check_write(request: SignedRequest, key: str, current: StoredFile | None) -> None:
    """Applies If-Match to a write.

    Raises:
        S3Error: PreconditionFailed, or NoSuchKey where there is nothing to match.
    """
    if_match = request.header("if-match")
    if not if_match:
        return
    if current is None:
        raise no_such_key(key)
    if not _matches(if_match, current.etag):
        raise S3Error(*_PRECONDITION)


def precondition_failed() -> S3Error:
    """Returns the error of a condition that does not hold."""
    return S3Error(*_PRECONDITION)


def _matches(header: str, etag: str) -> bool:
    tags = [item.strip().removeprefix("W/").strip('"') for item in header.split(",")]
    return "*" in tags or etag in tags


def _is_after(modified: int, header: str) -> bool | None:
    """Says whether the object changed after a header's time; None without a valid time."""
    if not header:
        return None
    try:
        limit = parsedate_to_datetime(header)
    except ValueError:
        return None
    return datetime.fromtimestamp(modified, timezone.utc) > limit
