"""The journal: an append-only file of writes that survives the process being killed.

Durability, honestly: each write reaches the operating system before it is acknowledged, so ``kill -9`` of the process loses
nothing that was acknowledged. It is not followed by ``fsync`` (that would cap the rate at the disk's), so a power cut or a crash
of the whole machine may lose the last seconds; the file stays readable then, because a torn tail is cut off at start. Only a
compaction is synced before it replaces the file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

_FORMAT = 1
_COMPACT_BYTES = 64 * 1024 * 1024
"""Below this size the file is not compacted; above it, when it has grown to four times its live part."""


class JournalError(Exception):
    """The journal cannot be used; the message names the file and the remedy."""


class Journal:
    """Writes of all resources, in order, in ``<directory>/objects.jsonl``."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = directory / "objects.jsonl"
        self._lock = _lock(directory / "lock")
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._fd).st_size
        self._compacted_size = 0

    def load(self) -> tuple[int, list[tuple[str, bytes]]]:
        """Return the last resource version and each present object as ``(resource, JSON)``.

        Raises:
            JournalError: A line before the last is unreadable.
        """
        version = 0
        present: dict[tuple[str, str, str], bytes] = {}
        for resource, type_, raw in self._lines():
            obj = orjson.loads(raw)
            if type_ == "FORMAT":
                version = int(obj["resourceVersion"])
                self._check_format(obj["format"])
                continue
            meta = obj["metadata"]
            version = max(version, int(meta["resourceVersion"]))
            key = (resource, meta.get("namespace", ""), meta["name"])
            if type_ == "DELETED":
                present.pop(key, None)
            else:
                present[key] = raw
        return version, [(key[0], raw) for key, raw in present.items()]

    def _check_format(self, found: int) -> None:
        if found != _FORMAT:
            raise JournalError(
                f"{self._path}: written in format {found}, this version reads format {_FORMAT}. "
                "Use the version that wrote it, or move the file away to start with an empty cluster."
            )

    def _lines(self) -> Iterator[tuple[str, str, bytes]]:
        """Yield every ``(resource, type, object as JSON)``; a torn last line is cut off."""
        good = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                parsed = self._parse(line, good)
                good += len(line)
                yield parsed
        if good != self._size:
            os.ftruncate(self._fd, good)
            self._size = good

    def _parse(self, line: bytes, offset: int) -> tuple[str, str, bytes]:
        head, _, raw = line[:-1].partition(b"\t")
        resource, _, type_ = head.decode("utf-8", "replace").partition(" ")
        if not raw or type_ not in ("ADDED", "MODIFIED", "DELETED", "FORMAT"):
            raise JournalError(
                f"{self._path}: byte {offset}: not a journal line. Move the file away to start with an empty cluster."
            )
        return resource, type_, raw

    def append(self, resource: str, type_: str, raw: bytes) -> None:
        """Write one change; it is with the operating system when this returns.

        Raises:
            OSError: The disk is full or broken; nothing was written.
        """
        self._write(self._fd, b"%b %b\t%b\n" % (resource.encode(), type_.encode(), raw))

    def _write(self, fd: int, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(fd, line[written:] if written else line)
        except OSError:
            os.ftruncate(fd, self._size)
            raise
        self._size += len(line)

    def wants_compaction(self) -> bool:
        """Tell whether rewriting the file is worth its time."""
        return self._size > max(_COMPACT_BYTES, 4 * self._compacted_size)

    def compact(self, version: int, records: Iterable[tuple[str, bytes]]) -> None:
        """Replace the file by the current objects; ``version`` is the last resource version given out."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as out:
            os.chmod(fresh, 0o600)
            header = orjson.dumps({"format": _FORMAT, "resourceVersion": version})
            out.write(b"journal FORMAT\t%b\n" % header)
            for resource, raw in records:
                out.write(b"%b ADDED\t%b\n" % (resource.encode(), raw))
            out.flush()
            os.fsync(out.fileno())
        os.replace(fresh, self._path)
        os.close(self._fd)
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND)
        self._size = self._compacted_size = os.fstat(self._fd).st_size

    def close(self) -> None:
        """Release the file and the directory."""
        os.close(self._fd)
        os.close(self._lock)


def _lock(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise JournalError(
            f"{path.parent} is in use by another cluster process. Stop that one first, or choose another directory."
        ) from None
    return fd
