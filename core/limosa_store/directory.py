"""A store in a plain directory: local runs and tests."""

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar, cast

from limosa_store.errors import ErrorCode, StoreError
from limosa_store.settings import StoreSettings
from limosa_store.store import Body, ObjectInfo, check_key, check_prefix
from limosa_store.tree import ObjectTree, StoredFile
from limosa_store.uris import key_of, uri_of

_P = ParamSpec("_P")
_R = TypeVar("_R")
_COPY_BYTES = 1 << 20

_BY_ERRNO = {
    errno.ENOSPC: (ErrorCode.NO_SPACE, "the disk is full: free some space"),
    errno.EDQUOT: (ErrorCode.NO_SPACE, "the disk quota is used up: free some space"),
    errno.EACCES: (ErrorCode.UNAUTHORISED, "this user may not: change the directory's owner or mode"),
    errno.EPERM: (ErrorCode.UNAUTHORISED, "this user may not: change the directory's owner or mode"),
    errno.EROFS: (ErrorCode.UNAUTHORISED, "the file system is read-only"),
    errno.ENAMETOOLONG: (ErrorCode.INVALID_KEY, "a part of the key is too long for a file name"),
}


def _store_errors(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turns the file system's errors into the store's."""

    @wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return method(*args, **kwargs)
        except OSError as error:
            code, remedy = _BY_ERRNO.get(error.errno or 0, (ErrorCode.IO, "look at the disk and its mount"))
            raise StoreError(code, f"{error.strerror} at {error.filename}; {remedy}") from error

    return call


class DirectoryStore:
    """Objects as files below one directory; see `limosa_store.tree` for their names."""

    def __init__(self, settings: StoreSettings) -> None:
        _, _, directory = settings.location()
        self._settings = settings
        self._tree = ObjectTree(Path(directory))
        self._tree.sweep()

    @property
    def settings(self) -> StoreSettings:
        """What the store was opened with."""
        return self._settings

    def uri(self, key: str) -> str:
        """Returns the `file://` URI of a key."""
        return uri_of(self._settings.url, key)

    def key(self, uri: str) -> str | None:
        """Returns the key of a `file://` URI below this directory, or None."""
        return key_of(self._settings.url, uri)

    def _find(self, key: str) -> StoredFile:
        check_key(key)
        found = self._tree.find(key)
        if not found:
            raise StoreError(ErrorCode.NOT_FOUND, f"no object {key!r} in directory {self._tree.root}")
        return found

    @_store_errors
    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """Returns the whole object, or at most its first `limit` bytes."""
        with self._find(key).path.open("rb") as file:
            return file.read(-1 if limit is None else limit)

    @_store_errors
    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Returns up to `length` bytes from byte `start`."""
        with self._find(key).path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    @_store_errors
    def open_reader(self, key: str) -> BinaryIO:
        """Opens the object's file; a replacement meanwhile does not disturb the reader."""
        return self._find(key).path.open("rb")

    @_store_errors
    def put(self, key: str, body: Body, *, content_type: str = "") -> None:
        """Writes an object, replacing one that exists. The content type is not kept."""
        check_key(key)
        self._tree.publish(self._write(body), key, replace=True)

    @_store_errors
    def put_if_absent(self, key: str, data: bytes, *, content_type: str = "") -> bool:
        """Creates an object unless one exists: by a hard link, which the kernel makes atomic."""
        check_key(key)
        return self._tree.publish(self._write(data), key, replace=False) is not None

    def _write(self, body: Body) -> Path:
        staged = self._tree.stage()
        try:
            with staged.open("xb") as target:
                _copy(body, target)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        return staged

    @_store_errors
    def head(self, key: str) -> ObjectInfo | None:
        """Returns what is known of the object, or None."""
        check_key(key)
        found = self._tree.find(key)
        return _info(found) if found else None

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[ObjectInfo]:
        """Yields the objects below `prefix` in key order."""
        bare = check_prefix(prefix)
        for found in self._tree.walk(bare + "/" if bare else "", start_after or ""):
            yield _info(found)

    @_store_errors
    def delete(self, key: str) -> None:
        """Removes an object; no error where there is none."""
        check_key(key)
        self._tree.delete(key)

    @_store_errors
    def delete_prefix(self, prefix: str) -> int:
        """Removes everything below `prefix`; returns how many objects."""
        count = 0
        for info in self.list(prefix):
            count += self._tree.delete(info.key)
        self._tree.prune(check_prefix(prefix))
        return count

    def sign(self, method: str, key: str, expires_s: int, *, public: bool = True) -> str | None:
        """Returns None: nobody serves a directory."""
        return None


def _info(found: StoredFile) -> ObjectInfo:
    return ObjectInfo(found.key, found.size, found.etag, found.modified)


def _copy(body: Body, target: BinaryIO) -> None:
    if isinstance(body, (bytes, bytearray, memoryview)):
        target.write(body)
    elif isinstance(body, os.PathLike):
        with open(body, "rb") as source:
            shutil.copyfileobj(source, target, _COPY_BYTES)
    elif isinstance(body, io.IOBase) or hasattr(body, "read"):
        shutil.copyfileobj(cast(BinaryIO, body), target, _COPY_BYTES)
    else:
        for piece in body:
            target.write(piece)
