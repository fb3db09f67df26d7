"""A store in an S3-compatible service, through obstore.

Importing this module starts no thread (obstore's runtime starts at the first request), so a process may
import it, fork, and use it in the children.
"""

import io
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Literal, NoReturn, cast

import obstore
from obstore import exceptions
from obstore.store import S3Store as Client

from limosa_store.errors import ErrorCode, StoreError
from limosa_store.object_reader import OPENING_BYTES, REQUEST_BYTES, ObjectReader
from limosa_store.s3_errors import FAILURES, REMEDIES, code_of, detail_of
from limosa_store.settings import StoreSettings
from limosa_store.store import Body, ObjectInfo, check_key, check_prefix
from limosa_store.uris import key_of, uri_of

_PART_BYTES = 16 << 20
"""Times the 10,000 parts of one upload: streams of unknown length up to 156 GiB."""
_MAX_PARTS = 9_000
_PARALLEL_PARTS = 3
_MAX_SIGNED_S = 604_800
_ENVIRONMENT = threading.Lock()


class S3Store:
    """Objects below one bucket and root of an S3-compatible service."""

    def __init__(self, settings: StoreSettings) -> None:
        _, self._bucket, self._root = settings.location()
        self._settings = settings
        self._client = _client(settings, settings.endpoint)
        self._public: Client | None = None

    @property
    def settings(self) -> StoreSettings:
        """What the store was opened with."""
        return self._settings

    def _path(self, key: str) -> str:
        check_key(key)
        return f"{self._root}/{key}" if self._root else key

    def uri(self, key: str) -> str:
        """Returns the `s3://` URI of a key."""
        return uri_of(self._settings.url, key)

    def key(self, uri: str) -> str | None:
        """Returns the key of an `s3://` URI below this root, or None."""
        return key_of(self._settings.url, uri)

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """Returns the whole object, or at most its first `limit` bytes."""
        path = self._path(key)
        if limit is not None:
            return self.get_range(key, 0, limit)
        try:
            return bytes(obstore.get(self._client, path).bytes())
        except FAILURES as error:
            self._raise(error, key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Returns up to `length` bytes from byte `start`."""
        path = self._path(key)
        if length <= 0:
            return b""
        try:
            return bytes(obstore.get(self._client, path, options={"range": (start, start + length)}).bytes())
        except FileNotFoundError as error:
            self._raise(error, key)
        except FAILURES as error:
            info = self.head(key)
            if info and start >= info.size:
                return b""
            self._raise(error, key)

    def open_reader(self, key: str) -> BinaryIO:
        """Opens the object for reads in flat memory; each request reads 8 MiB of the version first seen.

        The request that opens it brings the first bytes along: a small object takes no other.
        """
        try:
            found = obstore.get(self._client, self._path(key), options={"range": (0, OPENING_BYTES)})
            reader = ObjectReader(self, self._info(found.meta), bytes(found.bytes()))
        except FileNotFoundError as error:
            self._raise(error, key)
        except FAILURES as error:
            # Services refuse a range of an empty object, each in its own way.
            info = self.head(key)
            if info is None or info.size:
                self._raise(error, key)
            reader = ObjectReader(self, info, b"")
        return cast(BinaryIO, io.BufferedReader(reader, REQUEST_BYTES))

    def read_version(self, info: ObjectInfo, start: int, length: int) -> bytes:
        """Returns bytes of exactly the version `info` describes; an IO error when it was replaced."""
        options: Any = {"range": (start, start + length), "if_match": info.etag}
        try:
            return bytes(obstore.get(self._client, self._path(info.key), options=options).bytes())
        except exceptions.PreconditionError as error:
            raise self._error(ErrorCode.IO, info.key, "it was replaced while being read") from error
        except FAILURES as error:
            self._raise(error, info.key)

    def put(self, key: str, body: Body, *, content_type: str = "") -> None:
        """Writes an object; above one part (16 MiB) in parts, three at a time."""
        self._put(key, body, content_type, "overwrite")

    def put_if_absent(self, key: str, data: bytes, *, content_type: str = "") -> bool:
        """Creates an object unless one exists, with `If-None-Match: *`."""
        try:
            self._put(key, data, content_type, "create")
        except FileExistsError:
            return False
        return True

    def _put(self, key: str, body: Body, content_type: str, mode: Literal["overwrite", "create"]) -> None:
        path = self._path(key)
        size = _size(body)
        part_bytes = max(_PART_BYTES, size // _MAX_PARTS) if size is not None else _PART_BYTES
        try:
            obstore.put(
                self._client,
                path,
                cast(Any, body),
                attributes={"Content-Type": content_type} if content_type else None,
                mode=mode,
                use_multipart=mode == "overwrite" and (size is None or size > part_bytes),
                chunk_size=part_bytes,
                max_concurrency=_PARALLEL_PARTS,
            )
        except exceptions.AlreadyExistsError as error:
            raise FileExistsError(key) from error
        except FAILURES as error:
            self._raise(error, key)

    def head(self, key: str) -> ObjectInfo | None:
        """Returns what is known of the object, or None."""
        path = self._path(key)
        try:
            return self._info(obstore.head(self._client, path))
        except FileNotFoundError:
            return None
        except FAILURES as error:
            self._raise(error, key)

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[ObjectInfo]:
        """Yields the objects below `prefix` in key order, a page of 1,000 at a time."""
        bare = check_prefix(prefix)
        path = self._path(bare) if bare else self._root
        offset = self._path(start_after) if start_after else None
        try:
            for page in obstore.list(self._client, path or None, offset=offset, chunk_size=1000):
                for found in page:
                    yield self._info(found)
        except FAILURES as error:
            self._raise(error, bare)

    def delete(self, key: str) -> None:
        """Removes an object; no error where there is none."""
        path = self._path(key)
        try:
            obstore.delete(self._client, path)
        except FileNotFoundError:
            return
        except FAILURES as error:
            self._raise(error, key)

    def delete_prefix(self, prefix: str) -> int:
        """Removes everything below `prefix`, up to 1,000 objects a request; returns how many."""
        count, batch = 0, list[str]()
        for info in self.list(prefix):
            batch.append(self._path(info.key))
            if len(batch) == 1000:
                count += self._delete_batch(batch)
                batch = []
        return count + self._delete_batch(batch)

    def _delete_batch(self, paths: Sequence[str]) -> int:
        if paths:
            try:
                obstore.delete(self._client, paths)
            except FAILURES as error:
                self._raise(error, paths[0])
        return len(paths)

    def sign(self, method: str, key: str, expires_s: int, *, public: bool = True) -> str | None:
        """Returns a presigned URL; None where there is no endpoint for the audience."""
        path = self._path(key)
        client = self._client
        if public and self._settings.endpoint:
            if not self._settings.public_endpoint:
                return None
            self._public = self._public or _client(self._settings, self._settings.public_endpoint)
            client = self._public
        expires = timedelta(seconds=max(1, min(expires_s, _MAX_SIGNED_S)))
        try:
            return obstore.sign(client, cast(Any, method), path, expires)
        except FAILURES as error:
            self._raise(error, key)

    def _info(self, found: Any) -> ObjectInfo:
        root = f"{self._root}/" if self._root else ""
        modified: datetime = found["last_modified"]
        return ObjectInfo(
            found["path"][len(root) :], found["size"], found["e_tag"] or "", modified.timestamp()
        )

    def _raise(self, error: Exception, key: str) -> NoReturn:
        raise self._error(code_of(error), key, detail_of(error)) from error

    def _error(self, code: ErrorCode, key: str, detail: str) -> StoreError:
        where = self._settings.endpoint or f"AWS ({self._settings.region})"
        remedy = REMEDIES.get(code, "")
        place = f"bucket {self._bucket!r}, key {self._path(key) if key else self._root!r}, at {where}"
        return StoreError(
            code, f"{code.value.lower().replace('_', ' ')}: {place}: {detail}; {remedy}".rstrip("; ")
        )


def _client(settings: StoreSettings, endpoint: str) -> Client:
    _, bucket, _ = settings.location()
    config: Any = {"region": settings.region}
    if endpoint:
        # Path style: what every service but AWS understands, whatever its host name.
        config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    if settings.access_key:
        config |= {"access_key_id": settings.access_key, "secret_access_key": settings.secret_key}
    if settings.session_token:
        config["session_token"] = settings.session_token
    plain = endpoint.startswith("http://")
    client_options: Any = {
        "allow_http": plain,
        # Without TLS there is no certificate to check, and the system's 150 roots are not parsed for nothing.
        "allow_invalid_certificates": plain,
        "connect_timeout": timedelta(seconds=5),
        "timeout": timedelta(seconds=settings.request_timeout_s),
    }
    if settings.ca_certificate:
        client_options["root_certificate"] = settings.ca_certificate
    retry: Any = {
        "max_retries": settings.max_retries,
        "retry_timeout": timedelta(seconds=settings.retry_timeout_s),
        "backoff": {
            "init_backoff": timedelta(milliseconds=50),
            "max_backoff": timedelta(seconds=5),
            "base": 2,
        },
    }
    try:
        with _ambient_settings_hidden(everything=bool(settings.access_key)):
            return Client(bucket, client_options=client_options, retry_config=retry, **config)
    except FAILURES as error:
        raise StoreError(
            ErrorCode.INVALID_SETTINGS, f"storage {settings.url} at {endpoint or 'AWS'}: {detail_of(error)}"
        ) from error


@contextmanager
def _ambient_settings_hidden(*, everything: bool) -> Iterator[None]:
    """Hides the process's AWS_* variables from obstore, which lets some of them overrule what it is given.

    A task's own AWS_ENDPOINT_URL_S3 or AWS_SESSION_TOKEN must not redirect the platform's store.

    Args:
        everything: hide all; else leave what cloud identities are found by.
    """
    with _ENVIRONMENT:
        hidden = "AWS_" if everything else "AWS_ENDPOINT_URL"
        taken = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(hidden)}
        try:
            yield
        finally:
            os.environ.update(taken)


def _size(body: Body) -> int | None:
    """Returns the bytes of a body, or None where only reading it tells."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return memoryview(body).nbytes
    if isinstance(body, os.PathLike):
        return os.stat(body).st_size
    return None
