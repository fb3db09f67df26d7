"""Errors as S3 clients know them: a status, a code and a message, rendered as XML."""

import errno
from xml.sax.saxutils import escape


class S3Error(Exception):
    """A request that is refused.

    Attributes:
        status: HTTP status.
        code: S3's error code, which clients decide on.
        message: for people.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    def to_xml(self, resource: str) -> bytes:
        """Returns the body of the answer."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message>"
            f"<Resource>{escape(resource)}</Resource><RequestId>0</RequestId></Error>"
        ).encode("utf-8", "replace")


def no_such_key(key: str) -> S3Error:
    """Returns the error for an object that does not exist."""
    return S3Error(404, "NoSuchKey", f"The specified key does not exist: {key}")


def invalid_argument(message: str) -> S3Error:
    """Returns the error for a parameter or header that makes no sense."""
    return S3Error(400, "InvalidArgument", message)


def not_implemented(what: str) -> S3Error:
    """Returns the error for a part of S3 that this endpoint does not serve."""
    return S3Error(501, "NotImplemented", f"The sandbox's S3 endpoint does not serve {what}.")


def from_os_error(error: OSError) -> S3Error:
    """Returns the error for a file system that refused."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return S3Error(
            507, "InsufficientStorage", "The disk under the sandbox's object store is full, or a limit on it."
        )
    if error.errno == errno.ENAMETOOLONG:
        return S3Error(400, "KeyTooLongError", "A part of the key is too long for a file name.")
    return S3Error(500, "InternalError", f"The file system answered: {error.strerror}")
