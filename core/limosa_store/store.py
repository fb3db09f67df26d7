"""The port: what every store can do, and how one is opened."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from limosa_store.errors import ErrorCode, StoreError
from limosa_store.settings import StoreSettings

Body = bytes | bytearray | memoryview | Path | BinaryIO | Iterable[bytes]
"""What `put` takes: bytes, the path of a file, an open binary file, or pieces of bytes in order."""

MAX_KEY_BYTES = 900
"""Room for a root prefix below the 1,024 bytes that S3 allows."""


class ObjectInfo(NamedTuple):
    """What is known of an object without reading it.

    Attributes:
        key: relative to the store's root.
        size: bytes.
        etag: opaque; equal etags of one key mean equal content.
        modified: seconds since the Unix epoch of the last write, by the store's clock.
    """

    key: str
    size: int
    etag: str
    modified: float


class Store(Protocol):
    """An object store below one root. All calls block; all are safe from several threads.

    Keys are `/`-separated relative paths without empty, `.` or `..` parts. Every method raises
    `StoreError` and nothing else when the store or the settings are at fault; transient errors were
    retried, bounded and with jitter, before. Writes are durable and atomic once a call returned:
    a reader sees the whole object or the one before.
    """

    @property
    def settings(self) -> StoreSettings:
        """What the store was opened with."""
        ...

    def uri(self, key: str) -> str:
        """Returns the absolute URI of a key (`s3://…` or `file://…`)."""
        ...

    def key(self, uri: str) -> str | None:
        """Returns the key of an absolute URI, or None where it lies outside this store's root."""
        ...

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """Returns the whole object, at most its first `limit` bytes where given. NOT_FOUND where absent."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Returns up to `length` bytes from byte `start`; fewer at the end, empty beyond it."""
        ...

    def open_reader(self, key: str) -> BinaryIO:
        """Opens the object for sequential or seeking reads in flat memory. NOT_FOUND where absent.

        What is read is one version of the object: if it is replaced meanwhile, a read raises.
        """
        ...

    def put(self, key: str, body: Body, *, content_type: str = "") -> None:
        """Writes an object, replacing one that exists. Large bodies are streamed in flat memory."""
        ...

    def put_if_absent(self, key: str, data: bytes, *, content_type: str = "") -> bool:
        """Creates an object unless one exists, atomically across all writers.

        Returns:
            True when this call created it. False means an object exists: another's, or this call's own
            whose answer was lost on the way, so the caller reads it to learn which.
        """
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """Returns what is known of the object, or None where there is none."""
        ...

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[ObjectInfo]:
        """Yields the objects below `prefix`, in the order of their keys' UTF-8 bytes.

        MinIO leaves out objects below a key that is an object itself ("a/b" where there is "a"), so a
        layout that is listed or deleted by prefix must not have such pairs.

        Args:
            prefix: whole path parts: "a/b" yields "a/b/c", neither "a/bc" nor "a/b" itself.
            start_after: leave out keys up to and including this one.
        """
        ...

    def delete(self, key: str) -> None:
        """Removes an object; no error where there is none."""
        ...

    def delete_prefix(self, prefix: str) -> int:
        """Removes everything below `prefix` (not the object of that very name); returns how many."""
        ...

    def sign(self, method: str, key: str, expires_s: int, *, public: bool = True) -> str | None:
        """Returns a URL that carries out `method` (GET, PUT, HEAD) on the key without credentials.

        Args:
            method: the one HTTP method the URL is good for.
            key: the one object the URL is good for.
            expires_s: seconds from now until the URL is refused (at most 604,800).
            public: sign for `public_endpoint` (people's clients) instead of `endpoint` (pods).

        Returns:
            None where the store cannot: a directory, or no public endpoint configured.
        """
        ...


def open_store(settings: StoreSettings) -> Store:
    """Opens the store that `settings.url` names. Nothing is read or written yet.

    Raises:
        StoreError: INVALID_SETTINGS for a URL or credentials that make no sense.
    """
    scheme, _, _ = settings.location()
    # Imported on use: the S3 client costs 20 ms that a directory store, or a process that never opens
    # a store, does not owe.
    if scheme == "s3":
        from limosa_store.s3 import S3Store

        return S3Store(settings)
    from limosa_store.directory import DirectoryStore

    return DirectoryStore(settings)


def probe_conditional_writes(store: Store, prefix: str = ".limosa-probe") -> StoreError | None:
    """Tries whether create-if-absent holds, which the single commit of a node item rests on.

    Writes and removes one small object below `prefix`.

    Returns:
        None when it holds, else the error to show: NO_CONDITIONAL_WRITES, or what kept the probe from
        finding out.
    """
    key = f"{prefix}/{os.urandom(12).hex()}"
    first, second = os.urandom(16), os.urandom(16)
    try:
        # An answer lost on the way looks like an object that exists; only the content tells.
        if not store.put_if_absent(key, first) and store.get(key) != first:
            return _not_conditional(store, "a new key was said to exist")
        created_again = store.put_if_absent(key, second)
        kept = store.get(key)
        store.delete(key)
    except StoreError as error:
        return error
    if created_again or kept != first:
        return _not_conditional(store, "a second create of one key was accepted")
    return None


def _not_conditional(store: Store, found: str) -> StoreError:
    where = store.settings.endpoint or "the default endpoint"
    return StoreError(
        ErrorCode.NO_CONDITIONAL_WRITES,
        f"{store.settings.url} at {where} does not honour If-None-Match: * ({found}); results could be "
        "overwritten. Use AWS S3, MinIO, Ceph RGW (Tentacle or newer) or another store with conditional writes.",
    )


def check_key(key: str) -> None:
    """Refuses keys that not every implementation can hold.

    Raises:
        StoreError: INVALID_KEY, naming the key and what is wrong with it.
    """
    reason = ""
    if not key or key.startswith("/") or key.endswith("/"):
        reason = "it must be a relative path that neither starts nor ends with '/'"
    elif any(part in ("", ".", "..") for part in key.split("/")):
        reason = "it has an empty, '.' or '..' part"
    elif any(ord(char) < 32 or ord(char) == 127 for char in key):
        reason = "it has a control character"
    elif any(0xD800 <= ord(char) <= 0xDFFF for char in key):
        reason = "it is not valid Unicode"
    elif len(key.encode()) > MAX_KEY_BYTES or any(len(part.encode()) > 200 for part in key.split("/")):
        reason = f"it is longer than {MAX_KEY_BYTES} bytes, or one part is longer than 200"
    if reason:
        raise StoreError(ErrorCode.INVALID_KEY, f"object key {key[:200]!r} is refused: {reason}")


def check_prefix(prefix: str) -> str:
    """Returns a prefix without a slash at its end; refuses one that could not be part of a key."""
    bare = prefix.rstrip("/")
    if bare:
        check_key(bare)
    return bare
