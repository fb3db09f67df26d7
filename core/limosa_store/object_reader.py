"""A file-like view of one version of an object, read by ranges."""

import io
from typing import Protocol

from limosa_store.store import ObjectInfo

REQUEST_BYTES = 8 << 20
"""What one request of a sequential reader asks for: the memory it holds."""


class ReadsVersions(Protocol):
    """What the reader needs of a store: bytes of exactly the version `info` describes."""

    def read_version(self, info: ObjectInfo, start: int, length: int) -> bytes:
        """Returns `length` bytes from byte `start`; raises StoreError when the object was replaced."""
        ...


class ObjectReader(io.RawIOBase):
    """A seekable raw stream; wrap it in `io.BufferedReader`, whose buffer sets the size of a request."""

    def __init__(self, store: ReadsVersions, info: ObjectInfo) -> None:
        super().__init__()
        self._store = store
        self._info = info
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
        while self._position < self._info.size:
            length = min(REQUEST_BYTES, self._info.size - self._position)
            pieces.append(self._store.read_version(self._info, self._position, length))
            self._position += len(pieces[-1])
        return b"".join(pieces)

    def readinto(self, buffer: object) -> int:
        """Fills the buffer from the position on with one request; 0 at the end."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        length = min(len(view), self._info.size - self._position)
        if length <= 0:
            return 0
        data = self._store.read_version(self._info, self._position, length)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
