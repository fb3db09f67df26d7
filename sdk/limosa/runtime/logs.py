"""Log segments: what a launch prints, copied to the object store while it prints."""

import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

SEGMENT_BYTES = 256 * 1024
SEGMENT_SECONDS = 1.0
"""A segment is written this long after its first byte, or when it is full."""
HEAD_BYTES = 40 * 1024 * 1024
TAIL_BYTES = 10 * 1024 * 1024
"""Of longer logs the head and the tail are kept."""
_CHUNK = 64 * 1024


class Segments:
    """Turns a stream of bytes into numbered segments with a cap on the whole. Pure but for `write`."""

    def __init__(self, write: Callable[[int, bytes], None]) -> None:
        """Takes the function that stores segment `n`."""
        self._write = write
        self._next = 0
        self._buffer = bytearray()
        self._first_at = 0.0
        self._taken = 0
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._left_out = 0

    def add(self, data: bytes, now: float) -> None:
        """Takes what was printed at `now` (monotonic seconds)."""
        room = HEAD_BYTES - self._taken
        if room > 0:
            if not self._buffer:
                self._first_at = now
            self._buffer += data[:room]
            self._taken += min(len(data), room)
        if len(data) > room:
            self._keep_tail(data[max(room, 0) :])
        self.flush_due(now)

    def flush_due(self, now: float) -> None:
        """Stores the open segment when it is full or old enough."""
        if len(self._buffer) >= SEGMENT_BYTES or (self._buffer and now - self._first_at >= SEGMENT_SECONDS):
            self._flush()

    def wait_s(self, now: float) -> float | None:
        """Seconds until the open segment is due; None where none is open."""
        return max(0.0, self._first_at + SEGMENT_SECONDS - now) if self._buffer else None

    def close(self) -> None:
        """Stores what is left: the open segment and the kept tail."""
        if self._left_out:
            self._buffer += f"\n… {self._left_out} bytes left out …\n".encode()
        for part in self._tail:
            self._buffer += part
        self._tail.clear()
        self._flush()

    def _keep_tail(self, data: bytes) -> None:
        self._tail.append(data)
        self._tail_bytes += len(data)
        while self._tail_bytes > TAIL_BYTES and len(self._tail) > 1:
            dropped = self._tail.popleft()
            self._tail_bytes -= len(dropped)
            self._left_out += len(dropped)

    def _flush(self) -> None:
        if self._buffer:
            self._write(self._next, bytes(self._buffer))
            self._next += 1
            self._buffer.clear()


class LogCopy:
    """Copies file descriptors 1 and 2 to where they went before and to segments, until closed."""

    def __init__(self, write: Callable[[int, bytes], None]) -> None:
        """Takes the function that stores segment `n`; it runs on the copy's own thread and may fail."""
        self._segments = Segments(write)
        self._reader, writer = os.pipe()
        self._stop_reader, self._stop_writer = os.pipe()
        os.set_blocking(self._reader, False)
        sys.stdout.flush()
        sys.stderr.flush()
        self._originals = (os.dup(1), os.dup(2))
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.close(writer)
        self.lost: str | None = None
        self._thread = threading.Thread(target=self._copy, name="limosa-logs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Restores the descriptors and stores what was printed last.

        Children of the author's code may still hold the pipe; what they print later is not waited for.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(self._originals[0], 1)
        os.dup2(self._originals[1], 2)
        os.write(self._stop_writer, b"x")
        self._thread.join()
        for descriptor in (self._reader, self._stop_reader, self._stop_writer, *self._originals):
            os.close(descriptor)

    def _copy(self) -> None:
        stopping = False
        while True:
            wait = 0.0 if stopping else self._segments.wait_s(monotonic())
            ready, _, _ = select.select([self._reader, self._stop_reader], [], [], wait)
            if self._reader in ready:
                data = self._read()
                if data:
                    self._tee(data)
                    self._store(lambda data=data: self._segments.add(data, monotonic()))  # type: ignore[misc]
                    continue
            if stopping:
                self._store(self._segments.close)
                return
            stopping = self._stop_reader in ready or (self._reader in ready)
            self._store(lambda: self._segments.flush_due(monotonic()))

    def _read(self) -> bytes:
        try:
            return os.read(self._reader, _CHUNK)
        except BlockingIOError:
            return b""

    def _tee(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._originals[0], view) :]
        except OSError as error:
            self.lost = f"the pod's own log: {error}"

    def _store(self, action: Callable[[], None]) -> None:
        # A log that cannot be stored must not end the author's work; the pod's own log still has it.
        try:
            action()
        except Exception as error:  # noqa: BLE001
            self.lost = f"{type(error).__name__}: {error}"
