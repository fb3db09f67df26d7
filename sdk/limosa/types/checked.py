"""Digests of what is stored: made when files are given away, checked while they are copied or read."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from limosa.errors import CorruptData

CHUNK = 1024 * 1024
_BUFFER = 64 * 1024
_KIND = "sha256:"
KEPT_RUNS = ".limosa"
"""The folder that local runs write, which may lie in the one that they read."""


def measure(path: Path) -> tuple[int, str]:
    """Size in bytes and digest of a file. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, _KIND + digest.hexdigest()


def members(directory: Path) -> Iterator[tuple[str, Path]]:
    """Every file below a directory with its relative path, in the order that its digest has; links are followed.

    What is kept of local runs is left out: it changes while they run.
    """
    found = []
    for folder, folders, names in os.walk(directory, followlinks=True):
        folders[:] = [name for name in folders if name != KEPT_RUNS]
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                found.append((path.relative_to(directory).as_posix(), path))
    yield from sorted(found, key=lambda member: member[0].split("/"))


def digest_of_members(digests: Mapping[str, str]) -> str:
    """Digest of a directory, from the digests of its files by relative path."""
    whole = hashlib.sha256()
    for relative in sorted(digests, key=lambda name: name.split("/")):
        whole.update(f"{relative}\0{digests[relative]}\n".encode())
    return _KIND + whole.hexdigest()


def check(uri: str, found: str, expected: str) -> None:
    """Compares two digests; nothing is expected where the digest is empty or of a kind of the author's own.

    Raises:
        CorruptData: They differ.
    """
    if expected.startswith(_KIND) and found != expected:
        raise CorruptData(uri)


class HashingSink:
    """Writes on to a file what it is given, and knows its digest."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Writes a piece."""
        self._digest.update(data)
        return self._sink.write(data)

    @property
    def digest(self) -> str:
        """Of what was written up to now."""
        return _KIND + self._digest.hexdigest()


def copy(source: IO[bytes], target: Path) -> str:
    """Copies a stream to a file in flat memory; gives the digest of what was copied."""
    with target.open("wb") as file:
        sink = HashingSink(file)
        while chunk := source.read(CHUNK):
            sink.write(chunk)
    return sink.digest


def checked(
    stream: BinaryIO, uri: str, digest: str, verify: Callable[[str, str, str], None] = check
) -> BinaryIO:
    """The same stream; where it was read from start to end, its end is verified and raises what `verify` raises."""
    if not digest.startswith(_KIND):
        return stream
    return cast(BinaryIO, io.BufferedReader(_CheckedStream(stream, uri, digest, verify), _BUFFER))


class _CheckedStream(io.RawIOBase):
    """Hashes what is read in order. What is read out of order is not checked: it has no digest of its own."""

    def __init__(
        self, stream: BinaryIO, uri: str, digest: str, verify: Callable[[str, str, str], None]
    ) -> None:
        self._stream = stream
        self._verify = verify
        self._uri = uri
        self._expected = digest
        self._digest = hashlib.sha256()
        self._hashed = self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.seekable()

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._take(data, ended=not data and len(buffer) > 0)
        return len(data)

    def readall(self) -> bytes:
        data = self._stream.read()
        self._take(data, ended=True)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = self._stream.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            super().close()

    def _take(self, data: bytes, *, ended: bool) -> None:
        if self._at == self._hashed:
            self._digest.update(data)
            self._hashed += len(data)
        self._at += len(data)
        if ended and self._at == self._hashed:
            self._verify(self._uri, _KIND + self._digest.hexdigest(), self._expected)
