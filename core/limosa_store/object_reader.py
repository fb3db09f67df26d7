"""A file-like view of one version of an object, read by ranges."""

import io
from typing import Protocol

from limosa_store.store import ObjectInfo

REQUEST_BYTES = 8 << 20
"""What one request of a sequential reader asks for: the memory it holds."""
OPENING_BYTES = 256 << 10
"""What the request that opens an object asks for."""


class ReadsVersions(Protocol):
    """What the reader needs of a store: bytes of exactly the version `info` describes."""

    def read_version(self, info: ObjectInfo, start: int, length: int) -> bytes:
        """Returns `length` bytes from byte `start`; raises StoreError when the object was replaced."""
        ...


class ObjectReader(io.RawIOBase):
    """A seekable raw stream; wrap it in `io.BufferedReader`, whose buffer sets the size of a request."""

    def __init__(self, store: ReadsVersions, info: ObjectInfo, opening: bytes) -> None:
        """Takes the store, the version to read, and its first bytes as they came with it."""
        super().__init__()
        self._store = store
        self._info = info
        self._opening = opening
        self._position = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves the position; costs no request."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._info.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset} in object {self._info.key!r}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Returns the position in bytes."""
        return self._position

    def readall(self) -> bytes:
        """Returns everything from the position on, in requests of 8 MiB."""
        pieces = []
        while piece := self._next(REQUEST_BYTES):
            pieces.append(piece)
        return b"".join(pieces)

    def readinto(self, buffer: object) -> int:
        """Fills the buffer from the position on with at most one request; 0 at the end."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self._next(len(view))
        view[: len(data)] = data
        return len(data)

    def _next(self, length: int) -> bytes:
        start = self._position
        length = min(length, self._info.size - start)
        if length <= 0:
            return b""
        data = self._opening[start : start + length] or self._store.read_version(self._info, start, length)
        self._position += len(data)
        return data
